"""Values that are missing: columns and rows without any, and gaps of the target."""

import re
from collections.abc import Iterable, Sequence
from operator import itemgetter, not_

_WHOLE = 4 << 20  # bytes of a file that are searched for empty rows of any kind
_TAIL = 16  # one part in so many of what is behind is searched


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
        """Return whether there may be a gap in text that begins with a row or in the middle of one."""
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
        """Watch so many columns; a further part begins nothing again."""
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
        """Return whether no row has a single byte in these columns; several are cut out of a row at once."""
        delimiter, fields, cut = self._delimiter, self._left[-1] + 1, itemgetter(*self._left)
        nothing = b"" if len(self._left) == 1 else (b"",) * len(self._left)
        return {cut(row.split(delimiter, fields)) for row in rows} == {nothing}


class EmptyRows:
    """Counts rows without a single value, as spreadsheets leave them.

    In the first part of a file blanks may be between the delimiters. Behind it only rows of mere delimiters are found,
    and only where the end of a piece has one: such rows come in long runs.
    """

    def __init__(self, delimiter: bytes) -> None:
        self.count = 0
        self._delimiter = delimiter
        self._sign = b""
        self._pattern = re.compile(rb"\n(?=[ \t%b]*\r?\n)" % delimiter)
        self._bytes = 0

    def begin(self, columns: int, line_end: bytes) -> None:
        """Look at rows of so many columns from now on, in lines of this end."""
        self._sign = b"\n" + self._delimiter * (columns - 1) + line_end if columns > 1 else b""

    def may_have(self, text: bytes) -> bool:
        """Return whether there may be such a row in text that begins with a row or in the middle of one."""
        whole = self._bytes < _WHOLE
        self._bytes += len(text)
        return bool(self._sign) and self._sign in (text if whole else text[-len(text) // _TAIL :])

    def take_lines(self, lines: bytes) -> None:
        """Count in lines of the right width, each with its line end, in which no quoted field is left."""
        if not self._sign:
            return
        if self._bytes < _WHOLE:
            self._bytes += len(lines)
            self.count += len(self._pattern.findall(b"\n" + lines))
        elif self.may_have(lines):
            self.count += lines.split(b"\n").count(self._sign[1:-1])

    def take_rows(self, rows: Iterable[Sequence[bytes] | Sequence[str]]) -> None:
        """Count in rows."""
        self.count += sum(not row[0].strip() and not any(value.strip() for value in row) for row in rows)
