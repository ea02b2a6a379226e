"""The distinct values of the target column, as far as they matter."""

import re
from collections.abc import Iterable

_FEW_NUMBERS = 20  # of a target with more, nobody can say that they are classes
_FEW = 4  # values that are faster to count than to collect again
_NUMBER = re.compile(rb"[ \t]*[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t]*")


class LabelSet:
    """Collects target values as raw bytes until it is clear that they are numbers or too many.

    `most` is how many there may be; `text` is one value that is no number, or None. Empty values are missing, not
    labels.
    """

    def __init__(self, most: int) -> None:
        self.too_many = False
        self._most = most
        self._values: set[bytes] = set()

    @property
    def collecting(self) -> bool:
        """Whether another value could change anything."""
        return not self.too_many

    @property
    def text(self) -> bytes | None:
        """One value that is no number, the first in byte order, or None when all are numbers."""
        return min((value for value in self._values if not _NUMBER.fullmatch(value)), default=None)

    def add(self, values: Iterable[bytes]) -> None:
        """Take values in."""
        self._values.update(values)
        self._values.discard(b"")
        self.too_many = len(self._values) > self._most

    def gaps_at_ends(self, lines: bytes, delimiter: bytes, line_end: bytes, count: int) -> int | None:
        """Return how many of the `count` lines end in no value, or None when one ends in a value that is not known.

        Quoted or not makes no difference.

        Counting a few fixed strings is several times faster than splitting lines. No line ends in two of them.
        """
        values = self._values
        if not 0 < len(values) <= _FEW or any(b'"' in one or delimiter in one for one in values):
            return None
        quoted = [b'"%b"' % one for one in values] if b'"' in lines else []
        for form in (*values, *quoted):
            count -= lines.count(delimiter + form + line_end)
            if not count:
                return 0
        gaps = sum(lines.count(delimiter + form + line_end) for form in ((b"", b'""') if quoted else (b"",)))
        return gaps if gaps == count else None

    def only_value(self, encoding: str) -> str | None:
        """Return the single value there is, the empty text when there is none, None when there are several."""
        return None if len(self._values) > 1 else b"".join(self._values).decode(encoding, "replace")

    def numbers(self) -> tuple[str, ...] | None:
        """Return the sorted values of a numeric target that has so few that they may be classes, else None."""
        if self.text is not None or not 0 < len(self._values) <= _FEW_NUMBERS:
            return None
        return tuple(sorted(value.decode("ascii", "replace") for value in self._values))

    def decoded(self, encoding: str) -> tuple[str, ...] | None:
        """Return the sorted labels, or None when the target is numeric, empty or has too many values."""
        if self.too_many or self.text is None:
            return None
        return tuple(sorted(value.decode(encoding, "replace") for value in self._values))


def values_of_lines(region: bytes, index: int, count: int, delimiter: bytes) -> list[bytes]:
    """Return the values of one column of quote-free lines that all have `count` fields.

    Each line is split from the nearer end and no further than the column.
    """
    lines = region.removesuffix(b"\n").split(b"\n")
    behind = count - 1 - index
    if behind == 0:
        return [line.rpartition(delimiter)[2].rstrip(b"\r") for line in lines]
    if index <= behind:
        return [line.split(delimiter, index + 1)[index] for line in lines]
    return [line.rsplit(delimiter, behind + 1)[-1 - behind] for line in lines]
