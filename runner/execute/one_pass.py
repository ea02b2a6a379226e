"""A file that is checked and digested while it is sent, all but its end.

Two threads work on it: one checks the file and hands its blocks over, the other sends them. The last bytes leave only
when the check has passed and what it found is recorded; else the connection is closed without them.
"""

import errno
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event
from types import TracebackType
from typing import BinaryIO, Self

from runner.datasets.check import HandOver
from runner.datasets.metadata import Prepared
from runner.datasets.source import reader
from runner.http.upload_body import SentFile, UploadWatch
from runner.providers.base import Effect

_MOST_WAITING = 4  # blocks that are checked and not yet sent: both threads have work, and memory is bounded
_LOOK_S = 0.2  # between two looks at whether the other thread has ended

Start = Callable[[Callable[[], Effect]], "Future[Effect]"]


def in_a_thread(send: Callable[[], Effect]) -> "Future[Effect]":
    """Begin to send in a thread that ends with it."""
    pool = ThreadPoolExecutor(1, "send")
    sending = pool.submit(send)
    pool.shutdown(wait=False)
    return sending


class OnePass:
    """One upload of one file: `check`, then `finish`. Left before that, the connection is closed without the end.

    The file goes out once: `refused_to_repeat` says that somebody asked for it at another place, or with other headers.

    Args:
        shown: what people know the file by, without secrets.
        size: its bytes.
        may_end: asked once more before the end leaves, whether this run still holds its state.
        sent: told the number of bytes that were handed to the connection.
        start: begins to send beside the check.
    """

    def __init__(
        self, shown: str, size: int, *, may_end: Callable[[], bool], sent: Callable[[int], None], start: Start
    ) -> None:
        self._blocks: Queue[bytes] = Queue(_MOST_WAITING)
        self._aborted, self._decided = Event(), Event()
        self._file = _CheckedFile(shown, size, self._taken)
        self._watch = UploadWatch(
            sent=sent,
            may_end=lambda: self._decided.wait() and not self._aborted.is_set() and may_end(),
            may_repeat=self._refuse_to_repeat,
        )
        self._start = start
        self._sending: Future[Effect] | None = None
        self.refused_to_repeat = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abort()

    def check(
        self, send: Callable[[SentFile, UploadWatch], Effect], check: Callable[[HandOver], Prepared]
    ) -> Prepared | Effect:
        """Check the file while it is sent. Return what was found, or the effect where the sending ended before.

        Raises:
            ModelError: the check failed.
        """
        self._sending = self._start(lambda: send(self._file, self._watch))
        try:
            found = check(self._hand_over)
            self._hand_over(b"")
        except _SendingEndedError:
            return self._sending.result()
        return found

    def finish(self) -> Effect:
        """Let the end leave, and return what came of the upload."""
        if self._sending is None:
            raise LookupError("an upload is to end that never began")
        self._decided.set()
        return self._sending.result()

    def _abort(self) -> None:
        if not self._decided.is_set():
            self._aborted.set()
            self._decided.set()
            with suppress(Full):
                self._blocks.put_nowait(b"")  # wakes who waits for a block

    def close(self) -> None:
        """Close the connection without the end of the file, and wait until it is closed."""
        self._abort()
        if self._sending is not None and not self._sending.cancel():
            wait([self._sending])

    def _refuse_to_repeat(self) -> bool:
        self.refused_to_repeat = True
        return False

    def _hand_over(self, block: bytes) -> None:
        while not (self._aborted.is_set() or self._sending is None or self._sending.done()):
            try:
                self._blocks.put(block, timeout=_LOOK_S)
            except Full:
                continue
            return
        raise _SendingEndedError

    def _taken(self) -> Generator[bytes]:
        """Yield the blocks as they come.

        Raises:
            OSError: no more of them will come, and they are not the whole file.
        """
        while not self._aborted.is_set():
            try:
                block = self._blocks.get(timeout=_LOOK_S)
            except Empty:
                continue
            if block:
                yield block
            elif not self._aborted.is_set():
                return
        raise OSError(errno.ECANCELED, "its check has ended")


class _SendingEndedError(Exception):
    """Nobody takes blocks any more."""


class _CheckedFile:
    """The file as it is sent: it is opened once, and its bytes are those that the check has seen."""

    def __init__(self, shown: str, size: int, blocks: Callable[[], Generator[bytes]]) -> None:
        self.shown = shown
        self._size = size
        self._blocks = blocks

    def open(self) -> BinaryIO:
        """Return what is handed over, block by block."""
        return reader(self._blocks())

    def size(self) -> int:
        """Return the size that the file had when the check began."""
        return self._size
