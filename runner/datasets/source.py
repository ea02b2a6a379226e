"""Where data files come from, and what is asked of one: it is found, looked at, and read from its begin to its end."""

import errno
import io
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Semaphore
from typing import BinaryIO, Protocol, Self, TypeVar, cast

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.http.addresses import is_trusted
from runner.lib.paths import owner_of
from runner.manifest.model import Source

T = TypeVar("T")
MOST_BYTES = 5 * 1024**3  # of a copy; stores take no more in one upload
_COPIES, _CONVERSIONS = 4, 2  # that are made side by side
PACKED = "upload-"  # begins the name of a folder in a run's part of the spool, by which a later run knows it


class TooLargeError(Exception):
    """A copy would have more than `MOST_BYTES`."""


class Copy:
    """Bytes that were fetched once, in a file that has no name: it is gone with this process, however that ends."""

    def __init__(self, file: BinaryIO) -> None:
        with file:
            self._handle = os.dup(file.fileno())  # a file object in a circle is collected in any order, with a warning
        self.size = os.fstat(self._handle).st_size

    def __del__(self) -> None:
        os.close(self._handle)

    def open(self) -> BinaryIO:
        """Open it for reading, unbuffered; each reader has a separate position in it."""
        return cast("BinaryIO", _CopyReader(self))

    def read_at(self, start: int, size: int) -> bytes:
        """Return bytes that begin at a place."""
        return os.pread(self._handle, size, start)


class DataAccess:
    """Who is trusted, what may be started, and what was fetched. Safe to use from many threads.

    `trusted_hosts` are hosts and buckets in lower case that the operator named, never the manifest. `spool` returns the
    folder for copies, which is made when one is; None is the system's own for such files.
    """

    def __init__(
        self,
        *,
        trusted_hosts: frozenset[str] = frozenset(),
        starts_commands: bool = False,
        spool: Callable[[], Path] | None = None,
    ) -> None:
        self.trusted_hosts = trusted_hosts
        self.starts_commands = starts_commands
        self._spool = spool
        self._copying, self._converting = Semaphore(_COPIES), Semaphore(_CONVERSIONS)
        self._lock = Lock()
        self._locks: defaultdict[Hashable, Lock] = defaultdict(Lock)
        self._known: dict[Hashable, object] = {}

    def trusts(self, host: str) -> bool:
        """Return whether the operator trusts a host, or a bucket; this machine is trusted."""
        return is_trusted(host.lower(), (), self.trusted_hosts)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for the key before, else make it; an error is not kept."""
        with self._lock:
            lock = self._locks[key]
        with lock:
            if key not in self._known:
                self._known[key] = make()
            return cast("T", self._known[key])

    def copy(self, write: Callable[[BinaryIO], None]) -> Copy:
        """Return a copy of what is written.

        Raises:
            OSError: it cannot be written.
            TooLargeError: it is too large.
        """
        with self._copying:
            return self._copied(write)

    def _copied(self, write: Callable[[BinaryIO], None]) -> Copy:
        folder = self._spool() if self._spool else None
        file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 -- it is kept
        try:
            write(cast("BinaryIO", file))
        except BaseException:
            file.close()
            raise
        return Copy(cast("BinaryIO", file))

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a new folder for files that need a name, and remove it; what a kill leaves a later run clears away.

        Few are given at the same time: each is for a conversion, which takes memory and all processors.
        """
        place = self._spool() if self._spool else None
        with self._converting, tempfile.TemporaryDirectory(prefix=PACKED, dir=place) as folder:
            yield Path(folder)


class _CopyReader:
    """Reads a file that others read too."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes, none at the end."""
        most = self._copy.size - self._at
        block = self._copy.read_at(self._at, most if size < 0 else min(size, most))
        self._at += len(block)
        return block

    def close(self) -> None:
        """Leave the file to the others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


PARQUET = ".parquet"  # ends the name of a file that becomes a .csv for a provider that takes no such files


class Fingerprint(Struct, frozen=True):
    """What stays the same as long as a file's content does.

    `values` name the file and its version. `times` say when it was changed, in ns since the epoch, where the values are
    no finer than a clock; without times, every change gives other values.
    """

    values: tuple[int | str, ...]
    times: tuple[int, ...] = ()


class DataFile(Protocol):
    """One file; equal objects are one file. All but the properties raise OSError where the file cannot be read."""

    @property
    def name(self) -> str:
        """Return its file name, with the suffix that says its form."""

    @property
    def shown(self) -> str:
        """Return its address as people know it, without secrets."""

    @property
    def local(self) -> Path | None:
        """Return where it is on this machine, or None if its bytes come from elsewhere."""

    @property
    def outside(self) -> bool:
        """Return whether it is outside of the manifest's checkout: then nothing that it holds is shown."""

    @property
    def version(self) -> str | None:
        """Return what its place calls this content of it, for people: a version, a generation, an ETag."""

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return what names this content, without reading it, or None if nothing does.

        That of a local file is believed only if the file was not changed while, or just before, it was read.
        """

    def open(self) -> BinaryIO:
        """Open it for reading, unbuffered."""

    def size(self) -> int:
        """Return its size in bytes."""

    def fingerprint(self) -> Fingerprint:
        """Return its fingerprint as it is now."""


class TableAsText(Struct, frozen=True, kw_only=True):
    """A file whose table is looked at as text; `as_text` makes that of its bytes."""

    file: DataFile
    as_text: Callable[[BinaryIO], BinaryIO]

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.file.name

    @property
    def shown(self) -> str:
        """Return the file's address."""
        return self.file.shown

    @property
    def local(self) -> Path | None:
        """Return None: the text is in no file."""
        return None

    @property
    def outside(self) -> bool:
        """Return whether the file is outside of the manifest's checkout."""
        return self.file.outside

    @property
    def version(self) -> str | None:
        """Return the file's version."""
        return self.file.version

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return what names the file's content."""
        return self.file.content_id

    def open(self) -> BinaryIO:
        """Open the text for reading."""
        return self.as_text(self.file.open())

    def size(self) -> int:
        """Return the file's size in bytes."""
        return self.file.size()

    def fingerprint(self) -> Fingerprint:
        """Return the file's fingerprint."""
        return self.file.fingerprint()


class FoundFiles(Struct, frozen=True, kw_only=True):
    """The files that the manifest names, at least one; `remarks` say why others may be meant."""

    files: Sequence[DataFile]
    remarks: tuple[str, ...] = ()


class DataSource(Protocol):
    """A kind of place for data files."""

    def find(self, source: Source, access: DataAccess) -> FoundFiles:
        """Return the files that the manifest names, each one there and readable; by name.

        Raises:
            ModelError: of kind `data`: nothing matches, or a match cannot be read.
        """


class RemoteReadError(OSError):
    """Bytes that are not on this machine cannot be had; `strerror` is the end of a sentence about the file."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(errno.EIO, reason)
        self.hint = hint


def refused(shown: str, reason: str, hint: str) -> ModelError:
    """Return the error for data that is not read; `reason` is the end of a sentence about it."""
    subject = f"The{shown.removeprefix('the')}" if shown.startswith("the ") else shown
    return ModelError(Kind.DATA, f"{subject} {reason}.", hint=hint)


def unreadable(file: DataFile, error: OSError, guess: str | None = None) -> ModelError:
    """Return the error for a file that cannot be read; the guess says which file may be meant."""
    if isinstance(error, RemoteReadError):
        return refused(file.shown, f"cannot be read: {error.strerror}", error.hint)
    if isinstance(error, FileNotFoundError):
        linked = file.local is not None and file.local.is_symlink()
        what = "is a link to a file that does not exist" if linked else "does not exist"
        return refused(file.shown, what, guess or "Provide the file or correct its path.")
    owner = owner_of(file.local) if isinstance(error, PermissionError) and file.local is not None else None
    reason = f"cannot be read: {error.strerror}{f'; {owner}' if owner else ''}"
    return refused(file.shown, reason, "Make it a regular file this user may read.")


class BlockReader(io.RawIOBase):
    """A file whose bytes come in blocks; closing it ends what makes them."""

    def __init__(self, blocks: Generator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes, none at the end. The size is not optional in use: blocks are not joined."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._left = memoryview(block)
        taken, self._left = self._left[:size], self._left[size:]
        return bytes(taken) if len(taken) < len(taken.obj) else cast("bytes", taken.obj)  # type: ignore[arg-type] # bytes have a length

    def close(self) -> None:
        """Let go of the blocks."""
        self._blocks.close()
        super().close()


def reader(blocks: Generator[bytes]) -> BinaryIO:
    """Return a file of the bytes that come in blocks."""
    return cast("BinaryIO", BlockReader(blocks))
