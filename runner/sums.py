"""SHA-256 sums, computed by a second thread beside what is done with the same bytes.

Hashing large blocks lets go of the interpreter's lock, so it costs no time as long as a core is free.
"""

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_MOST_WAITING = 2  # blocks; enough for both threads to have work, and a bound for the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Lower-case hex SHA-256 and length of some bytes."""

    sha256: str
    bytes: int


class SumBeside:
    """A sum that grows block by block; as a context manager it lets go of its thread at the end.

    The newest block stays here until another one comes, so that a small file needs no thread.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._bytes = 0
        self._newest = b""
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def add(self, block: bytes) -> None:
        """Take the next bytes, which may be used elsewhere at the same time."""
        if self._newest:
            self._hand_over(self._newest)
        self._newest = block
        self._bytes += len(block)

    def total(self) -> Sum:
        """Return the sum over all bytes taken so far."""
        self._wait_for(0)
        self._sha.update(self._newest)
        self._newest = b""
        return Sum(sha256=self._sha.hexdigest(), bytes=self._bytes)

    def _hand_over(self, block: bytes) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "sum")
        self._wait_for(_MOST_WAITING - 1)
        self._waiting.append(self._thread.submit(self._sha.update, block))

    def _wait_for(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()


def sum_of(parts: Iterable[bytes]) -> Sum:
    """Return the sum over bytes that arrive in blocks; what makes the next block runs beside the hashing of the last.

    Raises:
        Whatever the iterable raises.
    """
    with SumBeside() as beside:
        for block in parts:
            beside.add(block)
        return beside.total()
