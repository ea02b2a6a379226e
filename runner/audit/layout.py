"""What lies where in a bundle: its index, which names every other member with its digest, and its words for people.

Run files and results keep their paths of the state folder. Manifest files are numbered, since their own paths may lead
anywhere.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from runner.lib.canonical_json import canonical_bytes

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
    """The bytes are no index that this version reads."""


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
