"""What is in a bundle and where, and the zip that holds it."""

import hashlib
import io
import json
import re
import shutil
import struct
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import BinaryIO, Literal, cast

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


def _from_document(document: object) -> Head | None:
    if not isinstance(document, dict):
        return None
    journal = document.get("journal")
    head = journal if isinstance(journal, dict) else document
    events, sha256 = head.get("events"), head.get("head_sha256")
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
    value: dict[str, object] = msgspec.to_builtins(index)
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


# The zip file of a bundle: members without compression, in order, with fixed times, so that the same members are the
# same bytes on every machine. Reading never extracts, and what is not packed so shows.

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time the format knows
_UNIX = 3
_MODE = 0o600 << 16
_MOST_MEMBERS = 100_000
_IN_MEMORY = 1024 * 1024
_BLOCK = 1024 * 1024
# What zipfile lets through from damaged bytes; RuntimeError includes NotImplementedError.
_ZIP_ERRORS = (zipfile.BadZipFile, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


class DamagedError(OSError):
    """The file is not a bundle, or not as it was packed; the text says what is wrong."""


class Member(Struct, frozen=True, kw_only=True):
    """A file on its way into a bundle; `open` gives its bytes as a seekable stream."""

    name: str
    open: Callable[[], BinaryIO]


def sha256_of(stream: BinaryIO) -> str:
    """Return the lower-case hex SHA-256 of a stream, read in blocks."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def bytes_member(name: str, content: bytes) -> Member:
    """Return a member with this content."""
    return Member(name=name, open=lambda: io.BytesIO(content))


def pack(target: BinaryIO, members: Iterable[Member]) -> None:
    """Write the members to a seekable stream, one after the other."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            with member.open() as source:
                info = _info(member.name, size=source.seek(0, io.SEEK_END))
                source.seek(0)
                with archive.open(info, "w") as sink:
                    shutil.copyfileobj(source, sink, _BLOCK)


def _info(name: str, *, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr, info.file_size = _UNIX, _MODE, size
    return info


class Container:
    """A packed file, read member by member."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the directory.

        Raises:
            DamagedError: it is not a zip file, or has members that no bundle has.
        """
        self._stream = stream
        with _translated():
            self._archive = zipfile.ZipFile(stream)
            size = stream.seek(0, io.SEEK_END)
        members = self._archive.infolist()
        self._check(members, size)
        self._members = {member.filename: member for member in members}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the members' names in their order."""
        return tuple(self._members)

    def holds(self, name: str) -> bool:
        """Return whether there is such a member."""
        return name in self._members

    def open(self, name: str) -> BinaryIO:
        """Return a member as a seekable stream whose bytes are those of its checksum.

        Raises:
            FileNotFoundError: there is no such member.
            DamagedError: it cannot be read.
        """
        if name not in self._members:
            raise FileNotFoundError(2, "is not in the bundle")
        copy = cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 -- the caller closes it
        try:
            with _translated(), self._archive.open(self._members[name]) as source:
                shutil.copyfileobj(source, copy, _BLOCK)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy

    def is_as_packed(self) -> bool:
        """Return whether the file is, byte for byte, what `pack` makes of its members."""
        with TemporaryFile() as again:
            try:
                pack(again, [self._member(name) for name in self._members])
            except DamagedError:
                return False
            again.seek(0)
            self._stream.seek(0)
            return all(ours == theirs for ours, theirs in zip(_blocks(again), _blocks(self._stream), strict=True))

    def _member(self, name: str) -> Member:
        return Member(name=name, open=lambda: self.open(name))

    def _check(self, members: list[zipfile.ZipInfo], size: int) -> None:
        if len(members) > _MOST_MEMBERS:
            raise DamagedError(f"it has {len(members)} members, more than {_MOST_MEMBERS}")
        if len({member.filename for member in members}) != len(members):
            raise DamagedError("it holds two members with the same name")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 0x1:
                raise DamagedError(f"its member {member.filename} is compressed or encrypted, as if packed again")
        if sum(member.file_size for member in members) > size:
            raise DamagedError("its members are larger than itself")


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream in blocks, then one empty block: streams of different lengths differ before they end."""
    while True:
        block = stream.read(_BLOCK)
        yield block
        if not block:
            return


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise DamagedError("it is not a zip file, or it is damaged") from error
