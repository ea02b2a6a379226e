"""In how many rows the target has no value: the service trains without them."""

from collections.abc import Iterable
from operator import not_

from runner.datasets.label_set import values_of_lines


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
