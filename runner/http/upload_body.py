"""The bytes of an upload: exactly the recorded ones, or an upload that the store cannot accept.

The body ends with its last block only after the digest over all blocks agreed with the recorded one. A file that was
changed meanwhile leaves the request one block short, which no store takes for a whole upload; a run that was deprived
of its state while it slept leaves out the end of it, since another one may have given this upload up by now.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NoReturn

from runner.http.upload_watch import UploadWatch
from runner.lib.checksums import Checksum, Comparison, comparison_with
from runner.lib.prefetch import ahead

BLOCK = 1024 * 1024  # bytes; up to five of them are in memory
_END = 64 * 1024  # bytes that wait for leave to end the upload: few, since they may take a while to leave


class BodyStoppedError(Exception):
    """The body was stopped before its end. Not an OSError: the connection is not to blame."""


class UploadBody:
    """An iterable of blocks with a length, so that it is sent with Content-Length and never chunked.

    With `read_ahead` a second thread reads and compares while blocks are sent. It pays where sending is copying: half
    of the time went into reading. Where blocks are encrypted, that takes several times as long as reading them.

    Attributes:
        problem: why the file cannot be sent, as the end of a sentence; None as long as it can.
        deprived: the file is all right, but its sender may not end the upload.
        handed_over: every byte has been given to the connection.
    """

    def __init__(self, file: Path, *, content: Checksum, watch: UploadWatch | None, read_ahead: bool) -> None:
        self._file = file
        self._content = content
        self._size = content.bytes
        self._watch = watch
        self._read_ahead = read_ahead and content.bytes > BLOCK
        self._blocks = self._verified_blocks()
        self.problem: str | None = None
        self.deprived = False
        self.handed_over = False

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        handed = 0
        for block in self._blocks:
            yield block
            handed += len(block)
            if self._watch is not None:
                self._watch.sent(handed)
        self.handed_over = True

    def close(self) -> None:
        """Let go of the file and of what compares its bytes."""
        self._blocks.close()

    def look(self) -> str | None:
        """Return what is wrong with the file before anything is sent, or None."""
        try:
            found = self._file.stat().st_size
        except OSError as error:
            self.problem = _unreadable(error)
            return self.problem
        if self._size == 0:
            self.problem = "is empty"
        elif found != self._size:
            self.problem = f"has {found} bytes instead of the {self._size} recorded for it"
        return self.problem

    def _verified_blocks(self) -> Generator[bytes]:
        """Give the blocks one late, the last one only when size and digest are the recorded ones."""
        held = b""
        with self._open() as file, comparison_with(self._content) as compared:
            blocks = self._compared(file, compared)
            with closing(ahead(blocks) if self._read_ahead else blocks) as taken:
                for block in taken:
                    if held:
                        yield held
                    held = block
            if not compared.agrees():
                self._stop("changed while it was sent")
            if len(held) > _END:
                yield held[:-_END]
            if self._watch is not None and not self._watch.may_end():
                self.deprived = True
                self._stop("was sent by a run that holds its state no longer")
            yield held[-_END:]

    def _compared(self, file: BinaryIO, comparison: Comparison) -> Generator[bytes]:
        for block in self._read(file):
            comparison.add(block)
            yield block

    def _open(self) -> BinaryIO:
        try:
            return self._file.open("rb", buffering=0)
        except OSError as error:
            self._stop(_unreadable(error))

    def _read(self, file: BinaryIO) -> Iterator[bytes]:
        left = self._size
        while left:
            block = self._take(file, min(BLOCK, left))
            if not block:
                self._stop("became shorter while it was sent")
            left -= len(block)
            yield block
        if self._take(file, 1):
            self._stop("became longer while it was sent")

    def _take(self, file: BinaryIO, most: int) -> bytes:
        try:
            return file.read(most)
        except OSError as error:
            self._stop(_unreadable(error))

    def _stop(self, problem: str) -> NoReturn:
        self.problem = problem
        raise BodyStoppedError(problem)


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"
