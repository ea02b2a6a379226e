"""What this machine has read and written of a journal in an object store, so that it reads only what is new.

It is data until it is checked: its chain is, as of any journal, and its last commit is compared with the store's. It
also remembers how far the journal was, so that a store that lost its end, or holds another state now, is recognised.
"""

import hashlib
import os
import re
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import BinaryIO

import msgspec
from msgspec import Struct

from runner.errors import StateError
from runner.http.objects.bucket import Bucket, Item
from runner.journal.chain import START, line_rows, read_chain
from runner.journal.state_store import EventLog, StoreCheck
from runner.lib.atomic_files import FILE_MODE, make_folder, open_file, read_up_to, real_folder, replacing

_INDEX, _LINES, _LOST = "index.json", "journal.jsonl", "journal.lost.jsonl"
_LARGEST_INDEX = 4096
_SEQ = re.compile(rb'"seq":(?P<seq>[0-9]{1,17})\}\n\Z')  # the last key of an event's canonical form
_NEAR = 64 * 1024  # bytes from which on a line is found by going through


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the journal is known: the events from `first` to `events`.

    `commit` is the number of the first event of its last commit.
    """

    lineage: str
    events: int
    commit: int
    size: int  # bytes of the lines
    first: int = 1


def known_in(folder: Path) -> Known | None:
    """Return what this user's machine knows of the journal it read last at an address, whichever journal that was."""
    try:
        with open_file(folder / _INDEX) as file:
            known = msgspec.json.decode(read_up_to(file, _LARGEST_INDEX), type=Known)
        return known if (folder / _LINES).lstat().st_uid == os.geteuid() else None
    except (OSError, msgspec.MsgspecError):
        return None


def machine_folder(key: str) -> Path:
    """Return this machine's folder for a state elsewhere: its copy of the journal, and what runs work with.

    Where the user has no place for that, it is a new one in the folder for temporary files.
    """
    named, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    root = Path(named) if Path(named).is_absolute() else Path(home) / ".cache"
    with suppress(OSError):
        if root.is_absolute():
            return real_folder(make_folder(root), "retrain", "states", hashlib.sha256(key.encode()).hexdigest()[:32])
    return Path(tempfile.mkdtemp(prefix="retrain-state-"))


def copy_check(folder: Path) -> StoreCheck:
    """Return where this machine's folder for a state elsewhere is, and how large it is by now."""
    files = (path.lstat() for path in folder.rglob("*"))
    size = sum(found.st_size for found in files if stat.S_ISREG(found.st_mode))
    return StoreCheck(
        verdict="note",
        seen=f"This machine's copy of the journal and its last run's downloads have {size:,} bytes, in {folder}.",
        next=f"They may be removed while no command runs: `rm -r {quote(str(folder))}`.",
    )


class JournalCache:
    """The lines of one journal in a folder of this machine. One process at a time adds to them; others only read."""

    def __init__(self, folder: Path, lineage: str) -> None:
        self.folder = folder
        self._lineage = lineage
        self._file: BinaryIO | None = None
        self.known = self._load()

    def _load(self) -> Known:
        known = known_in(self.folder)
        nothing = Known(lineage=self._lineage, events=0, commit=0, size=0)
        with suppress(OSError):
            if known and known.lineage == self._lineage and (self.folder / _LINES).stat().st_size >= known.size:
                return known
        return nothing

    def lines(self, first: int) -> Iterator[bytes]:
        """Yield the lines from the event of that number on, each with its end."""
        left = self.known.size
        if left == 0:
            return
        with open_file(self.folder / _LINES) as file:
            left -= file.seek(_place(file, left, first))
            for line in file:
                left -= len(line)
                if left < 0:
                    return
                yield line

    def add(self, first: int, lines: Sequence[bytes], *, commit: int, anywhere: bool = False) -> None:
        """Keep the next lines, which end with a whole commit; `save` makes them count.

        With `anywhere` the first lines that are kept need not be those of the first event. Where that fails, or another
        process does so, they are read from the store again.
        """
        with suppress(OSError, ImportError):
            file = self._file or self._opened()
            begins = anywhere and self.known.events == 0
            if file is None or (first != self.known.events + 1 and not begins):
                return
            file.write(b"".join(lines))
            file.flush()
            if begins:
                self.known = Known(lineage=self._lineage, events=first - 1, commit=0, size=0, first=first)
            events, size = self.known.events + len(lines), self.known.size + sum(map(len, lines))
            self.known = msgspec.structs.replace(self.known, events=events, commit=commit, size=size)

    def _opened(self) -> BinaryIO | None:
        """Open the lines for more of them, cut to what is known; return None if another process has done so."""
        import fcntl  # noqa: PLC0415 -- absent on Windows, where nothing is kept

        real_folder(self.folder)
        handle = os.open(self.folder / _LINES, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        file = os.fdopen(handle, "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        self.known = self._load()
        file.truncate(self.known.size)
        file.seek(self.known.size)
        self._file = file
        return file

    def save(self) -> None:
        """Note how far the journal is known, for the next command."""
        if self._file is not None:
            with suppress(OSError), replacing(self.folder / _INDEX, lasting=False) as target:
                target.write(msgspec.json.encode(self.known))

    def close(self) -> None:
        """Let others add."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def require_sound(self) -> None:
        """Raise a StateError where the lines cannot be believed, and remove them.

        It is asked after a reading failed: the fault is this machine's then, and not the store's.
        """
        try:
            first = self.known.first
            begin = next(self.lines(first), b"").removesuffix(b"\n") if first > 1 else b""
            since = (first, hashlib.sha256(begin).hexdigest()) if first > 1 else START
            for _ in read_chain(line_rows(self.lines(first), first), since):
                pass
        except (OSError, StateError):
            self.forget()
            raise StateError(
                f"This machine's copy of the journal in {self.folder} was damaged, and is removed.",
                hint="Run the command again; it reads the journal from the store.",
            ) from None

    def beyond(self, log: EventLog) -> str | None:
        """Return what a journal lacks of what is known of it, as a clause; None if it lacks nothing."""
        number = self.known.events
        last = next(self.lines(number), b"").removesuffix(b"\n") if number else b""
        if number == 0 or log.digest(number) == hashlib.sha256(last).hexdigest():
            return None
        return f"lacks event {number}, which this machine has read, or holds another event in its place"

    def set_aside(self) -> None:
        """Keep what is known under another name."""
        self.close()
        with suppress(OSError):
            (self.folder / _LINES).rename(self.folder / _LOST)
        self.forget()

    def forget(self) -> None:
        """Remove what is known."""
        self.close()
        for name in (_INDEX, _LINES):
            with suppress(OSError):
                (self.folder / name).unlink()
        self.known = self._load()


@contextmanager
def reading(cache: JournalCache | None) -> Iterator[None]:
    """Note what is read of a journal; where that fails, say first whether this machine's copy is at fault."""
    try:
        yield
    except StateError:
        if cache is not None:
            cache.require_sound()
        raise
    if cache is not None:
        cache.save()


def _place(file: BinaryIO, size: int, first: int) -> int:
    """Return where the line of an event begins, found by the numbers in the lines."""
    low, high = 0, size  # the line begins at `low` or after it, and before `high`
    while high - low > _NEAR:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        begin = file.tell()
        found = _SEQ.search(file.readline())
        if begin >= high or found is None or int(found["seq"]) > first:
            high = middle
        else:
            low = begin
    file.seek(low)
    while (begin := file.tell()) < size:
        found = _SEQ.search(file.readline())
        if found is None or int(found["seq"]) >= first:
            return begin
    return size


# Closed ranges of a journal in an object store, packed: a cold reader fetches a few objects and not one a commit.
# They are derived and may be lost: the commits themselves stay. A pack ends with a whole commit, which its reader
# fetches too and compares, so that a pack alone is believed in nothing.

PACKS = "p/0000/packs"
_LARGEST = 256 * 1024 * 1024  # bytes of a pack
_PIECE = 1024 * 1024
_LONGEST_LINE = 64 * 1024 * 1024
_NAME = re.compile(r"(?P<first>[0-9]{17})-(?P<commit>[0-9]{17})-(?P<last>[0-9]{17})")


class Pack(Struct, frozen=True, kw_only=True):
    """The events from `first` to `last`; `commit` is the number of the first event of its last commit."""

    first: int
    commit: int
    last: int

    @property
    def name(self) -> str:
        """Return the name of its object."""
        return f"{PACKS}/{self.first:017d}-{self.commit:017d}-{self.last:017d}"

    @property
    def events(self) -> int:
        """Return how many events it holds."""
        return self.last - self.first + 1


def chosen(items: Iterable[Item]) -> list[Pack]:
    """Return the packs that follow each other from the first event on, the longest of those that begin together."""
    longest: dict[int, Pack] = {}
    for pack in packs_of(items):
        known = longest.get(pack.first)
        if known is None or known.last < pack.last:
            longest[pack.first] = pack
    found, first = list[Pack](), 1
    while first in longest:
        found.append(longest[first])
        first = found[-1].last + 1
    return found


def packs_of(items: Iterable[Item]) -> Iterator[Pack]:
    """Yield the packs among objects; objects with other names are skipped."""
    for item in items:
        match = _NAME.fullmatch(item.name.rpartition("/")[2])
        if match is not None:
            pack = Pack(first=int(match["first"]), commit=int(match["commit"]), last=int(match["last"]))
            if 1 <= pack.first <= pack.commit <= pack.last:
                yield pack


def write_pack(bucket: Bucket, pack: Pack, lines: Iterable[bytes]) -> None:
    """Write a pack; raises OSError where that fails."""
    packer = zlib.compressobj(6)
    content = b"".join([*(packer.compress(line) for line in lines), packer.flush()])
    bucket.put(pack.name, content)


def fetch_pack(bucket: Bucket, pack: Pack) -> bytes:
    """Return a pack's object; raises OSError where it cannot be read."""
    return bucket.get(pack.name, limit=_LARGEST)


def unpacked(pack: Pack, content: bytes) -> Iterator[bytes]:
    """Yield the lines of a pack, each with its end.

    Raises:
        StateError: it is damaged.
    """
    unpacker, rest, count = zlib.decompressobj(), b"", 0
    try:
        while content and not unpacker.eof:
            rest += unpacker.decompress(content, _PIECE)
            content = unpacker.unconsumed_tail
            *lines, rest = rest.split(b"\n")
            count += len(lines)
            yield from (line + b"\n" for line in lines)
            if len(rest) > _LONGEST_LINE or count > pack.events:
                break
    except zlib.error:
        raise _damaged(pack) from None
    if rest or count != pack.events:
        raise _damaged(pack)


def _damaged(pack: Pack) -> StateError:
    """Return the error that names a pack which is not what the journal holds."""
    return StateError(
        f"{pack.name} is damaged: it is not what the journal holds.",
        hint="Remove that object; it is derived, and the journal is read without it.",
    )


def end_of(packs: Sequence[Pack]) -> int:
    """Return the number of the last packed event; 0 without one."""
    return packs[-1].last if packs else 0
