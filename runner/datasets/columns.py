"""Columns: their names compared, and what is learnt of their values in one pass and in bounded memory."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter, not_

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
    return " and ".join(told) or "has the same columns in another order"


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


_FEW_NUMBERS = 20  # of a target with more, nobody can say that they are classes
_FEW_LABELS = 4  # values that are faster to count than to collect again
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
        if not 0 < len(values) <= _FEW_LABELS or any(b'"' in value or delimiter in value for value in values):
            return None
        quoted = [b'"%b"' % value for value in values] if b'"' in lines else []
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


class TargetGaps:
    """Counts the rows whose target is empty, in one target column of lines that all have the same width.

    Two delimiters side by side, or one at an end of a line, are searched for first: text without them has no gap, and
    a search is several times faster than to cut out a column.
    """

    def __init__(self, delimiter: bytes) -> None:
        self.count = 0
        self._delimiter = delimiter
        self._column: int | None = None
        self._columns = 0
        self._sign: bytes | None = None

    def begin(self, column: int | None, columns: int, line_end: bytes) -> None:
        """Look at this column of so many from now on, in lines of this end; at none when it is None."""
        self._column, self._columns = column, columns
        delimiter = self._delimiter
        if column is None:
            self._sign = None
        elif column == 0:
            self._sign = b"\n" + delimiter
        elif column == columns - 1:
            self._sign = delimiter + line_end
        else:
            self._sign = delimiter + delimiter

    def may_have(self, text: bytes) -> bool:
        """Tell whether there may be a gap in text that begins with a row or in the middle of one."""
        if self._sign is None:
            return False
        return self._sign in text or (self._column == 0 and text.startswith(self._delimiter))

    def take_lines(self, lines: bytes) -> None:
        """Count in lines, each with its line end, in which no quoted field is left."""
        if self._column is not None and self.may_have(lines):
            values = values_of_lines(lines, self._column, self._columns, self._delimiter)
            self.count += values.count(b"")

    def take_values(self, values: Iterable[bytes] | Iterable[str]) -> None:
        """Count in the target's values of some rows."""
        self.count += sum(map(not_, values))


class EmptyColumns:
    """Watches columns until each of them has shown a value; then no row is looked at any more.

    A value is any text but blanks. Several parts that are joined are watched as one file.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._begun = False
        self._left: list[int] = []

    @property
    def watching(self) -> bool:
        """Whether there is a column that has not shown a value yet."""
        return bool(self._left)

    @property
    def left(self) -> tuple[int, ...]:
        """Return the columns without a value, counted from 0."""
        return tuple(self._left)

    def begin(self, columns: int) -> None:
        """Watch so many columns; a further part begins nothing anew."""
        if not self._begun:
            self._begun = True
            self._left = list(range(columns))

    def take_lines(self, lines: bytes) -> None:
        """Look at lines of the right width, each with its line end, in which no quoted field is left."""
        if not self._left:
            return
        rows = lines.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
        self.take_rows((rows[0].split(self._delimiter),))  # most columns end here
        if self._left and not self._are_empty_in(rows):
            self.take_rows(row.split(self._delimiter) for row in rows)

    def take_rows(self, rows: Iterable[Sequence[bytes] | Sequence[str]]) -> None:
        """Look at rows; where one is too short for a column, it says nothing of it."""
        for row in rows:
            if not self._left:
                return
            self._left = [index for index in self._left if index >= len(row) or not row[index].strip()]

    def _are_empty_in(self, rows: Sequence[bytes]) -> bool:
        """Tell whether no row has a single byte in these columns; several are cut out of a row at once."""
        delimiter, fields, cut = self._delimiter, self._left[-1] + 1, itemgetter(*self._left)
        nothing = b"" if len(self._left) == 1 else (b"",) * len(self._left)
        return {cut(row.split(delimiter, fields)) for row in rows} == {nothing}


class ColumnContents:
    """The target's labels, the rows without one, and the columns without any value."""

    def __init__(self, delimiter: str, most_labels: int) -> None:
        self.labels = LabelSet(most_labels)
        self.empty = EmptyColumns(delimiter.encode())
        self.gaps = TargetGaps(delimiter.encode())
