"""Which columns of a file have no value in any row."""

from collections.abc import Sequence

from runner.data.labels import column_of_lines

_FEW = 4  # columns that are faster to cut out one by one than all together

Row = Sequence[bytes] | Sequence[str]


class EmptyColumns:
    """Watches columns until each of them has shown a value; then no row is looked at any more.

    A value is any text but blanks. Several parts that are joined are watched as one file.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._columns = 0
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
        if not self._columns:
            self._columns = columns
            self._left = list(range(columns))

    def take_lines(self, lines: bytes) -> None:
        """Look at lines of the right width, each with its line end, in which no quoted field is left."""
        first = lines[: lines.find(b"\n")].split(self._delimiter)
        self.take_rows((first,))  # most columns end here
        if len(self._left) > _FEW:
            rows = (line.split(self._delimiter) for line in lines.removesuffix(b"\n").split(b"\n"))
            columns = list(zip(*rows, strict=True))
            self._left = [index for index in self._left if _is_empty(set(columns[index]))]
        else:
            self._left = [index for index in self._left if self._is_empty_in(lines, index)]

    def take_rows(self, rows: Sequence[Row]) -> None:
        """Look at rows of the right width."""
        for row in rows:
            if not self._left:
                return
            self._left = [index for index in self._left if index >= len(row) or not row[index].strip()]

    def _is_empty_in(self, lines: bytes, index: int) -> bool:
        return _is_empty(column_of_lines(lines, index, self._columns, self._delimiter))


def _is_empty(values: set[bytes]) -> bool:
    return not any(map(bytes.strip, values))
