"""SHA-256 sums, and comparisons of bytes that are read again with what was summed."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from runner.ahead import ahead
from runner.seal import Seal, Sealing

_WORTH_A_SEAL = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Lower-case hex SHA-256 and length of some bytes; a seal where they are many and will be read again."""

    sha256: str
    bytes: int
    seal: Seal | None = field(default=None, compare=False, repr=False)


class Summing:
    """A sum that grows block by block; with `sealed` it gets a seal too."""

    def __init__(self, *, sealed: bool = False) -> None:
        self._sha = hashlib.sha256()
        self._sealing = Sealing.begin() if sealed else None
        self._bytes = 0

    def add(self, block: bytes) -> None:
        """Take the next bytes; large blocks let go of the interpreter's lock."""
        self._sha.update(block)
        if self._sealing is not None:
            self._sealing.add(block)
        self._bytes += len(block)

    def total(self) -> Sum:
        """Return the sum over all bytes taken so far."""
        seal = self._sealing.end() if self._sealing else None
        return Sum(sha256=self._sha.hexdigest(), bytes=self._bytes, seal=seal)


def sum_of(parts: Iterable[bytes], *, sealed: bool = False) -> Sum:
    """Return the sum over bytes that arrive in blocks; the next blocks are made by a second thread meanwhile.

    Raises:
        Whatever the iterable raises.
    """
    summing = Summing(sealed=sealed)
    for block in ahead(iter(parts)):
        summing.add(block)
    return summing.total()


def worth_a_seal(size: int) -> bool:
    """Tell whether a seal over so many bytes saves more than the loading of what makes it."""
    return size >= _WORTH_A_SEAL


class Comparison(Protocol):
    """Compares bytes that arrive in blocks with a sum."""

    def add(self, block: bytes) -> None:
        """Take the next bytes."""

    def agrees(self) -> bool:
        """Tell whether they were the bytes of the sum; the last thing it is asked."""


def comparison_with(expected: Sum) -> Comparison:
    """Return what compares bytes with a sum: by its seal, where it has one, else by SHA-256."""
    sealing = Sealing.begin(expected.seal.secret) if expected.seal else None
    if expected.seal is None or sealing is None:
        return _BySum(expected)
    return _BySeal(sealing, expected.seal)


class _BySum(Summing):
    def __init__(self, expected: Sum) -> None:
        super().__init__()
        self._expected = expected

    def agrees(self) -> bool:
        return self.total() == self._expected


class _BySeal:
    def __init__(self, sealing: Sealing, expected: Seal) -> None:
        self._sealing = sealing
        self._expected = expected

    def add(self, block: bytes) -> None:
        self._sealing.add(block)

    def agrees(self) -> bool:
        return self._sealing.end() == self._expected
