"""SHA-256 sums, computed by a second thread beside what is done with the same bytes.

Hashing large blocks lets go of the interpreter's lock, so it costs no time as long as a core is free. Reading stays
with the caller: it lets go of the lock for the other thread. A thread that reads and hashes needs the lock again
between the two, and gets it only when the caller's look at the bytes is over, so that nothing overlaps.
"""

import hashlib
import importlib
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


# A quick proof that bytes read again are the same bytes, for the process that read them first. XXH3 with 128 bits,
# begun with a random seed that never leaves this process, over bytes whose SHA-256 was computed along with it. It is
# thirty times as fast. A file that is changed meanwhile, by whoever does not know the seed, is told in all
# likelihood; that is not proved, as it would be of a cryptographic code. Nothing else is claimed by it, and it is
# never written down.

_SEED = 8  # bytes, all that XXH3 takes


@dataclass(frozen=True, slots=True, kw_only=True)
class FastChecksum:
    """The hash of some bytes, and the seed it was made with."""

    secret: bytes = field(repr=False)
    tag: bytes = field(repr=False)


class FastChecksumBuilder:
    """A FastChecksum that grows block by block. Two over the same bytes are equal if they have the same secret."""

    def __init__(self, xxhash: ModuleType, secret: bytes) -> None:
        self._secret = secret
        self._hash = xxhash.xxh3_128(seed=int.from_bytes(secret, "big"))

    @classmethod
    def begin(cls, secret: bytes | None = None) -> Self | None:
        """Return a new one, with a secret of its own unless one is given; None without the package xxhash."""
        try:
            xxhash = importlib.import_module("xxhash")
        except ImportError:
            return None
        return cls(xxhash, secret or os.urandom(_SEED))

    def add(self, block: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(block)

    def end(self) -> FastChecksum:
        """Return the checksum over the bytes taken."""
        return FastChecksum(secret=self._secret, tag=self._hash.digest())


_MOST_WAITING = 2  # blocks; enough for both threads to have work, and a bound for the memory
_LARGE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """Lower-case hex SHA-256 and length of some bytes; a fast checksum where they are many and will be read again."""

    sha256: str
    bytes: int
    fast_checksum: FastChecksum | None = field(default=None, compare=False, repr=False)


class ThreadedChecksum:
    """A sum that grows block by block; as a context manager it lets go of its thread at the end.

    The newest block stays here until another one comes, so that a small file needs no thread. With `fast` the sum
    gets a fast checksum too.
    """

    def __init__(self, *, fast: bool = False) -> None:
        self._sha = hashlib.sha256()
        self._fast = FastChecksumBuilder.begin() if fast else None
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

    def total(self) -> Checksum:
        """Return the sum over all bytes taken so far."""
        self._wait_for(0)
        self._update(self._newest)
        self._newest = b""
        fast_checksum = self._fast.end() if self._fast else None
        return Checksum(sha256=self._sha.hexdigest(), bytes=self._bytes, fast_checksum=fast_checksum)

    def _hand_over(self, block: bytes) -> None:
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 -- slow to load; small files need no thread

            self._thread = ThreadPoolExecutor(1, "sum")
        self._wait_for(_MOST_WAITING - 1)
        self._waiting.append(self._thread.submit(self._update, block))

    def _update(self, block: bytes) -> None:
        self._sha.update(block)
        if self._fast is not None:
            self._fast.add(block)

    def _wait_for(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()


def sum_of(parts: Iterable[bytes], *, fast: bool = False) -> Checksum:
    """Return the sum over bytes that arrive in blocks; what makes the next block runs beside the hashing of the last.

    Raises:
        Whatever the iterable raises.
    """
    with ThreadedChecksum(fast=fast) as beside:
        for block in parts:
            beside.add(block)
        return beside.total()


def is_large(size: int) -> bool:
    """Return whether a fast checksum over so many bytes saves more than the loading of what makes it."""
    return size >= _LARGE


class Comparison(Protocol):
    """Compares bytes that arrive in blocks with a sum."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what it took."""

    def add(self, block: bytes) -> None:
        """Take the next bytes."""

    def agrees(self) -> bool:
        """Return whether they were the bytes of the sum; the last thing it is asked."""


def comparison_with(expected: Checksum) -> Comparison:
    """Return what compares bytes with a sum: by its fast checksum if it has one, else by SHA-256 in a second thread."""
    builder = FastChecksumBuilder.begin(expected.fast_checksum.secret) if expected.fast_checksum else None
    if expected.fast_checksum is None or builder is None:
        return _BySum(expected)
    return _ByFastChecksum(builder, expected.fast_checksum)


class _BySum(ThreadedChecksum):
    def __init__(self, expected: Checksum) -> None:
        super().__init__()
        self._expected = expected

    def agrees(self) -> bool:
        return self.total() == self._expected


class _ByFastChecksum:
    def __init__(self, builder: FastChecksumBuilder, expected: FastChecksum) -> None:
        self._fast = builder
        self._expected = expected

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def add(self, block: bytes) -> None:
        self._fast.add(block)

    def agrees(self) -> bool:
        return self._fast.end() == self._expected
