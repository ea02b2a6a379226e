"""What is learnt of the values of columns in one pass and in bounded memory: labels and usual sizes."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, pairwise
from math import isfinite
from typing import Literal

from runner.datasets.empty_values import EmptyColumns, EmptyRows, TargetGaps
from runner.lib.text import likeness, spelling_difference

_FEW_NUMBERS = 20  # of a target with more, nobody can say that they are classes
_FEW_LABELS = 4  # values that are faster to count than to collect again
_PIECES_COUNTED = 16  # of the first pieces of a file each, then one of so many
EARLY_ROWS = 1_000  # by which the service learns what a column holds
_SCALE_ROWS = 200
_MOST_SCALES = 300  # columns; of wider tables none is kept
_FEWEST_NUMBERS = 10  # of a column; of fewer nothing is said
_NUMBER = re.compile(rb"[ \t]*[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t]*")


class LabelSet:
    """Collects target values as raw bytes until it is clear that they are numbers or too many.

    `most` is how many there may be; `text` is one value that is not a number, or None. Empty values are missing, not
    labels. How often each occurs is counted in some of the pieces of a long file.
    """

    def __init__(self, most: int) -> None:
        self.too_many = False
        self._most = most
        self._values: set[bytes] = set()
        self._rows = 0
        self._early: frozenset[bytes] | None = None  # the values of the first rows, when these have passed
        self._pieces = 0
        self._counts: Counter[bytes] = Counter()

    @property
    def collecting(self) -> bool:
        """Whether another value could change anything."""
        return not self.too_many

    @property
    def text(self) -> bytes | None:
        """One value that is not a number, the first in byte order, or None when all are numbers."""
        return min((value for value in self._values if not _NUMBER.fullmatch(value)), default=None)

    def add(self, values: Sequence[bytes]) -> None:
        """Take the values of rows in, in their order."""
        if self._early is None and self._rows + len(values) >= EARLY_ROWS:
            self._early = frozenset((*self._values, *values[: EARLY_ROWS - self._rows]))
        if self._is_counted():
            self._counts.update(values)
        self._pass(len(values))
        self._values.update(values)
        self._values.discard(b"")
        self.too_many = len(self._values) > self._most

    def _is_counted(self) -> bool:
        return self._pieces < _PIECES_COUNTED or self._pieces % _PIECES_COUNTED == 0

    def _pass(self, rows: int) -> None:
        self._rows += rows
        self._pieces += 1

    def gaps_at_ends(self, lines: bytes, delimiter: bytes, line_end: bytes, count: int) -> int | None:
        """Return how many of the `count` lines end in no value, or None when one ends in a value that is not known.

        Quoted or not makes no difference.

        Counting a few fixed strings is several times faster than splitting lines. No line ends in two of them.
        """
        values = self._values
        if not 0 < len(values) <= _FEW_LABELS or any(b'"' in value or delimiter in value for value in values):
            return None
        ends, quoted = Counter[bytes](), b'"' in lines
        for value in (*values, b""):
            for form in (value, b'"%b"' % value) if quoted else (value,):
                ends[value] += lines.count(delimiter + form + line_end)
            if ends.total() == count:
                break
        else:
            return None
        if self._early is None and self._rows + count >= EARLY_ROWS:
            self._early = frozenset(values)
        if self._is_counted():
            self._counts += ends
        self._pass(count)
        return ends[b""]

    def kind(self) -> Literal["number", "text"] | None:
        """Return the kind of the values, or None without a value."""
        if not self._values:
            return None
        return "number" if self.text is None else "text"

    def late(self, encoding: str) -> tuple[str, ...]:
        """Return the labels that are in none of the first rows; of many numbers nobody can say that they are labels."""
        if self._early is None or (self.numbers() is None and self.decoded(encoding) is None):
            return ()
        return tuple(sorted(value.decode(encoding, "replace") for value in self._values - self._early))

    def counts(self, encoding: str) -> dict[str, int]:
        """Return how many of the rows that were counted have each label; none of what cannot be labels."""
        if self.numbers() is None and self.decoded(encoding) is None:
            return {}
        return {value.decode(encoding, "replace"): count for value, count in self._counts.items() if value and count}

    def shares(self, encoding: str) -> dict[str, float]:
        """Return the share of each label, if there are few labels."""
        counts = self.counts(encoding)
        total = sum(counts.values())
        few = counts if len(counts) <= _FEW_NUMBERS else {}
        return {label: round(count / total, 4) for label, count in sorted(few.items())}

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


class ColumnScales:
    """What size the numbers of each column usually have, by the first rows of a file."""

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._rows: list[Sequence[bytes] | Sequence[str]] = []

    @property
    def watching(self) -> bool:
        """Whether more rows are wanted."""
        return len(self._rows) < _SCALE_ROWS

    def take_lines(self, lines: bytes) -> None:
        """Look at lines of the right width in which no quoted field is."""
        if self.watching:
            first = lines.split(b"\n", _SCALE_ROWS)[:_SCALE_ROWS]
            self.take_rows(line.rstrip(b"\r").split(self._delimiter) for line in first if line)

    def take_rows(self, rows: Iterable[Sequence[bytes] | Sequence[str]]) -> None:
        """Look at rows."""
        self._rows += islice(rows, _SCALE_ROWS - len(self._rows))

    def medians(self, names: Sequence[str]) -> dict[str, float]:
        """Return the median of the sizes of the numbers of each column that holds numbers and does not count rows."""
        found = zip(names, zip(*self._rows, strict=False), strict=False)
        sizes = {name: scale for name, values in found if (scale := _scale([value for value in values if value]))}
        return {} if len(sizes) > _MOST_SCALES else sizes


def _scale(values: Sequence[bytes] | Sequence[str]) -> float | None:
    numbers = [number for number in map(_number, values) if number is not None]
    sizes = [abs(number) for number in numbers if number]
    counts_rows = all(before < after for before, after in pairwise(numbers))
    if len(sizes) < _FEWEST_NUMBERS or len(numbers) < len(values) or counts_rows:
        return None
    from statistics import median  # noqa: PLC0415 -- slow to load; most commands read no data

    return float(f"{median(sizes):.3g}")


def _number(value: bytes | str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) else None


class ColumnContents:
    """What is learnt of the values of a file, over all the parts that it is joined of."""

    def __init__(self, delimiter: str, most_labels: int) -> None:
        self.labels = LabelSet(most_labels)
        self.empty = EmptyColumns(delimiter.encode())
        self.gaps = TargetGaps(delimiter.encode())
        self.empty_rows = EmptyRows(delimiter.encode())
        self.scales = ColumnScales(delimiter.encode())


_FEW_NAMES = 5  # labels and columns named in one message
_WHY = "not shown: the data is outside of the manifest's checkout or folder"


def one_name(name: str, *, hidden: bool) -> str:
    """Return a name in quotes, or why it is not shown."""
    return f"({_WHY})" if hidden else repr(name)


def some(names: Collection[str], *, hidden: bool) -> str:
    """Return the first few names, sorted, and how many more there are; of hidden ones only how many."""
    if hidden:
        return f"({len(names)} {_WHY})"
    shown = ", ".join(repr(name) for name in sorted(names)[:_FEW_NAMES])
    return f"{shown} and {len(names) - _FEW_NAMES} more" if len(names) > _FEW_NAMES else shown


def column_difference(found: Sequence[str], expected: Sequence[str], *, hidden: bool) -> str | None:
    """Return in words how the columns differ from the expected ones, or None when they are equal in name and order.

    Hidden names are counted.
    """
    if list(found) == list(expected):
        return None
    missing = Counter(expected) - Counter(found)
    added = Counter(found) - Counter(expected)
    told = [f"lacks the {quoted(missing, hidden=hidden)}"] if missing else []
    told += [f"adds the {quoted(added, hidden=hidden)}"] if added else []
    return " and ".join(told) + _lookalike(added, missing, hidden=hidden) or "has the same columns in another order"


def _lookalike(added: Collection[str], missing: Collection[str], *, hidden: bool) -> str:
    """Return how the first added name differs from a missing one that it looks like, as the end of a sentence."""
    expected = {likeness(name): name for name in missing}
    for name in added:
        near = expected.get(likeness(name))
        if near is not None and not hidden and (difference := spelling_difference(name, near)):
            return f" ({name!r} differs from {near!r} {difference})"
    return ""


def quoted(names: Counter[str], *, hidden: bool) -> str:
    """Return `column 'a'` or `columns 'a', 'b', 'c' and 4 more`."""
    every = list(names.elements())
    if hidden:
        return f"column{'s' if len(every) > 1 else ''} {some(every, hidden=True)}"
    shown = ", ".join(repr(name) for name in every[:3])
    more = f" and {len(every) - 3} more" if len(every) > 3 else ""
    return f"column{'s' if len(every) > 1 else ''} {shown}{more}"


def repeated(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the names that occur more than once, each with its column numbers from 1."""
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names, start=1):
        places.setdefault(name, []).append(number)
    return {name: numbers for name, numbers in places.items() if len(numbers) > 1}
