"""The body of an upload: read ahead, compared with its digest while it is sent, observed as it goes."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import BinaryIO, NoReturn, Protocol, TypeVar

from msgspec import Struct

from runner.lib.checksums import Checksum, Comparison, comparison_with


class UploadWatch(Struct, frozen=True, kw_only=True):
    """What an upload's owner is told and asked.

    `sent` is told the number of bytes handed over so far, about once a MiB; `may_end` is asked before the last few of
    them leave, and without its leave they do not. `may_repeat` is asked before the request is made once more,
    where it was redirected or refused: whoever answered so may have taken the data.
    """

    sent: Callable[[int], None]
    may_end: Callable[[], bool]
    may_repeat: Callable[[], bool] = lambda: True


T = TypeVar("T")
_MOST_MADE = 3  # items not yet taken, the one being made included: enough for both threads to have work


class _End(Struct, frozen=True):
    """What comes after the last item."""

    error: Exception | None


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items, of which the next three are made meanwhile. Close it, or take all, to let go of its thread.

    Raises:
        Whatever the iterator raises, in the place of the item.
    """
    made: SimpleQueue[T | _End] = SimpleQueue()
    room, closing = Semaphore(_MOST_MADE), Event()

    def make() -> None:
        try:
            while room.acquire() and not closing.is_set():
                made.put(next(items))
        except StopIteration:
            made.put(_End(None))
        except Exception as error:  # noqa: BLE001 -- it is raised where the item is taken
            made.put(_End(error))

    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closing.set()
        room.release()
        thread.join()


BLOCK = 1024 * 1024  # bytes; up to five of them are in memory
_END = 64 * 1024  # bytes that wait for leave to end the upload: few, since they may take a while to leave


class BodyStoppedError(Exception):
    """The body was stopped before its end. Not an OSError: the connection is not to blame."""


class SentFile(Protocol):
    """A file that is sent; `shown` is what people know it by. The methods raise OSError where it cannot be read."""

    @property
    def shown(self) -> str:
        """Return its path or address, without secrets."""

    def open(self) -> BinaryIO:
        """Open it for reading, unbuffered."""

    def size(self) -> int:
        """Return its size in bytes."""


class UploadBody:
    """An iterable of blocks with a length, so that it is sent with Content-Length and never chunked.

    With `read_ahead` a second thread reads and compares while blocks are sent. It pays where sending is copying: half
    of the time went into reading. Where blocks are encrypted, that takes several times as long as reading them.
    Without `content` nothing is compared: whoever hands the bytes over tells by `watch` whether their end may leave.

    Attributes:
        problem: why the file cannot be sent, as the end of a sentence; None as long as it can.
        deprived: the file is all right, but its sender may not end the upload.
        handed_over: every byte has been given to the connection.
    """

    def __init__(
        self, file: SentFile, *, content: Checksum | None, watch: UploadWatch | None, read_ahead: bool
    ) -> None:
        self._file = file
        self._content = content
        self._size = file.size() if content is None else content.bytes
        self._watch = watch
        self._read_ahead = read_ahead and content is not None and content.bytes > BLOCK
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
            found = self._file.size()
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
        with ExitStack() as stack:
            file = stack.enter_context(self._open())
            compared = stack.enter_context(comparison_with(self._content)) if self._content is not None else None
            blocks = self._read(file) if compared is None else self._compared(file, compared)
            with closing(ahead(blocks) if self._read_ahead else blocks) as taken:
                for block in taken:
                    if held:
                        yield held
                    held = block
            if compared is not None and not compared.agrees():
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
            return self._file.open()
        except OSError as error:
            self._stop(_unreadable(error))

    def _read(self, file: BinaryIO) -> Generator[bytes]:
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
