"""Which columns of a file have no value in any row."""

from collections.abc import Iterable, Sequence
from operator import itemgetter


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
