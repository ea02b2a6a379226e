"""The parts of a bundle: its index, which names every member with its digest, and the journal's head."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from runner.lib.canonical_json import canonical_bytes

_WORD = re.compile(r"([0-9a-f]{64})(?:@([1-9][0-9]{0,14}))?")
_LINE = re.compile(r"([1-9][0-9]{0,14})[ \t]+([0-9a-f]{64})")


class Head(Struct, frozen=True, kw_only=True):
    """The lower-case hex SHA-256 of an event, and its number where that is known."""

    sha256: str
    events: int | None = None

    def __str__(self) -> str:
        return self.sha256 if self.events is None else f"{self.sha256}@{self.events}"


def parse_head(text: str) -> Head | None:
    """Return the head in `SHA256` or `SHA256@EVENTS`, None for any other text."""
    match = _WORD.fullmatch(text)
    return Head(sha256=match[1], events=int(match[2]) if match[2] else None) if match else None


def read_head(content: bytes) -> Head | None:
    """Return the head in a file: a line as `retrain audit head` prints it, a word, a report; None for anything else."""
    try:
        text = content.decode().strip()
        line = _LINE.fullmatch(text)
        if line:
            return Head(sha256=line[2], events=int(line[1]))
        return parse_head(text) or _from_document(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _from_document(document: Any) -> Head | None:
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("journal"), dict):
        document = document["journal"]
    events, sha256 = document.get("events"), document.get("head_sha256")
    if not isinstance(sha256, str) or not isinstance(events, int) or isinstance(events, bool):
        return None
    return parse_head(f"{sha256}@{events}")


def places_of(heads: Iterable[Head], digests: Iterable[str]) -> dict[Head, int]:
    """Return the numbers of the events that are these heads, given each event's SHA-256; some may be none of them."""
    wanted: defaultdict[str, list[Head]] = defaultdict(list)
    for head in heads:
        wanted[head.sha256].append(head)
    found: dict[Head, int] = {}
    for seq, sha256 in enumerate(digests, start=1):
        for head in wanted.get(sha256, ()):
            if head.events in (None, seq):
                found.setdefault(head, seq)
    return found


INDEX = "bundle.json"
JOURNAL = "journal.jsonl"
README = "README.txt"
STATEMENT = "statement.json"
ATTESTATION = "attestation.dsse.json"  # in a run's folder, in the state and in a bundle
LARGEST_INDEX = 64 * 1024 * 1024

_README = """\
Evidence of the retrain run {run_id}
{line}

This zip holds the run's report, the result files its decisions were made from, the manifest files as far as they
are still what the run read, and the journal from its first event to the one that recorded the report.

To read it:  report.html in {folder}
To check it: pip install retrain-runner
             retrain verify THIS_FILE.zip

The check needs no account, no network and nothing of the machine the run was made on. It looks at every byte of this
file, follows the chain of the journal, and computes every decision of the run again from its result file.

The journal here has {events} events and ends with SHA-256
{head_sha256}

What the check cannot tell by itself: whether all of this was made up. Compare that SHA-256 with one kept elsewhere
(retrain verify THIS_FILE.zip --head SHA256), or check a signature (--key PUBLIC_KEY_FILE).
"""


class MalformedIndexError(ValueError):
    """The bytes are not an index that this version reads."""


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A manifest file as the run read it; `member` is None when its content was no longer there to be bundled."""

    path: str
    sha256: str
    member: str | None


class JournalEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many events the bundle's journal has, and the SHA-256 of the last."""

    events: int
    head_sha256: str


class Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `bundle.json`; `files` maps every other member to its SHA-256."""

    bundle_version: Literal[1] = 1
    run_id: str
    tool: Mapping[str, str]
    journal: JournalEnd
    manifest: tuple[ManifestFile, ...]
    files: Mapping[str, str]


def index_bytes(index: Index) -> bytes:
    """Return the index as RFC 8785 JSON with a line's end."""
    value: dict[str, Any] = msgspec.to_builtins(index)
    return canonical_bytes(value) + b"\n"


def read_index(content: bytes) -> Index:
    """Return the index in these bytes.

    Raises:
        MalformedIndexError: they are none, or not written as `index_bytes` does.
    """
    try:
        index = msgspec.json.decode(content, type=Index)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedIndexError from None
    if index_bytes(index) != content:
        raise MalformedIndexError
    return index


def readme_bytes(run_id: str, end: JournalEnd) -> bytes:
    """Return the words for whoever opens the bundle."""
    line = "=" * (len("Evidence of the retrain run ") + len(run_id))
    return _README.format(
        run_id=run_id, line=line, folder=f"runs/{run_id}/", events=end.events, head_sha256=end.head_sha256
    ).encode()


def manifest_member(number: int) -> str:
    """Return where the manifest file of this number, from 1, lies."""
    return f"manifest/{number}.yaml"
