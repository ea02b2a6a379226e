"""What one command may do to get at data, and what it has fetched: copies that no other command sees."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Semaphore
from typing import BinaryIO, Self, TypeVar, cast

from runner.http.addresses import is_trusted

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
        """Open it for reading, unbuffered; each one who opens it has a place of their own in it."""
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
