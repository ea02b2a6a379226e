"""How a table is laid out: its parts with the titles above them, the header of each, and the rows below."""

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import zip_longest

from msgspec import Struct
from msgspec.structs import replace

from runner.results.column_roles import decorated_name
from runner.results.members import Row
from runner.results.metrics import folded
from runner.results.number import number_from_text

METRIC_WORDS = frozenset(folded(word) for word in ("metric", "metrics", "metric name", "指標", "指標名", "評価指標"))
_NAME_WORDS = METRIC_WORDS | {folded(word) for word in ("name", "item", "項目", "名前")}
_WORD = re.compile(r"\w")
_MOST_HEADER_ROWS = 3
_MOST_TITLES = 50
_MOST_SAMPLED = 200

Known = Callable[[str], bool]


class Part(Struct, frozen=True, kw_only=True):
    """One part of a table: the title in a line above it, its header, and the rows below.

    `above` is what the upper rows of a header say of each column; it and `header` are empty where there is none. `name`
    is the column that has the metrics' names, None where the header has them.
    """

    title: str
    above: Row
    header: Row
    rows: list[Row]
    name: int | None

    def heads(self) -> Row:
        """Return the head of each column, its upper and lower row in one text."""
        pairs = zip_longest(self.above, self.header, fillvalue="")
        return [" ".join(dict.fromkeys(filter(None, pair))) for pair in pairs]


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number."""
    return isinstance(number_from_text(cell), Decimal)


def is_metric(head: str, known: Known) -> bool:
    """Return whether a head is the name of a metric, plain or decorated."""
    return known(head) or decorated_name(head) is not None


def parts_of(rows: Sequence[Row], known: Known) -> list[Part]:
    """Return the parts of a table; `known` tells a metric's name.

    A part without a header of its own has that of the part before.
    """
    found: list[Part] = []
    for title, below in _titled(rows, known):
        part = _part(title, below, known)
        if found and not part.header:
            part = replace(part, above=found[-1].above, header=found[-1].header, name=found[-1].name)
        found.append(part)
    return found


def _titled(rows: Sequence[Row], known: Known) -> Iterator[tuple[str, list[Row]]]:
    """Yield the parts with their titles: a row with one cell, in a table of several columns, is a title."""
    has_columns = any(row.count("") < len(row) - 1 for row in rows)
    if not has_columns or sum(_is_title(row, known) for row in rows) > _MOST_TITLES:
        yield "", list(rows)
        return
    title, part = "", list[Row]()
    for row in rows:
        if not _is_title(row, known):
            part.append(row)
            continue
        if part:
            yield title, part
            title, part = "", []
        title = " ".join(filter(None, [title, *(cell for cell in row if _WORD.search(cell))]))
    if part:
        yield title, part


def _is_title(row: Row, known: Known) -> bool:
    if row.count("") != len(row) - 1:
        return False
    text = next(filter(None, row))
    is_head = len(row) > 1 and folded(text) in METRIC_WORDS
    return not (known(text) or is_head)


def _part(title: str, rows: list[Row], known: Known) -> Part:
    for index, row in enumerate(rows[:_MOST_HEADER_ROWS]):
        if any(map(is_number, row)):
            break
        below = rows[index + 1 :]
        wide = _is_wide(row, below, known)
        if wide or any(folded(cell) in METRIC_WORDS for cell in row):
            name = None if wide else _name_column(row)
            if below and _is_lower(below[0], name or 0):
                return _two_rows(title, rows[: index + 2], below[1:], name)
            return Part(title=title, above=_upper_row(rows[:index]), header=row, rows=below, name=name)
        if any(map(known, row)):
            break
    if rows and _is_header(rows[0], known):
        return Part(title=title, above=[], header=rows[0], rows=rows[1:], name=_name_column(rows[0]))
    return Part(title=title, above=[], header=[], rows=rows, name=0)


def _is_lower(row: Row, name: int) -> bool:
    """Return whether a row below a header belongs to it: without a number, and without a name of its own."""
    return not any(map(is_number, row)) and (len(row) <= name or not row[name]) and any(row)


def _two_rows(title: str, header: Sequence[Row], rows: list[Row], name: int | None) -> Part:
    """Return a part whose header continues below the row that names the metrics, or the column of their names."""
    *upper, row, lower = header
    if name is None:
        return Part(title=title, above=_upper_row([*upper, lower]), header=_spread(row), rows=rows, name=None)
    width = max(len(row), len(lower))
    heads = [*lower, *[""] * (width - len(lower))]
    heads[name] = row[name]
    return Part(title=title, above=_upper_row([*upper, row]), header=heads, rows=rows, name=name)


def _upper_row(rows: Sequence[Row]) -> Row:
    """Return the upper rows of a header as one; a text over several columns is written in the first of them."""
    spread = map(_spread, rows)
    return [" ".join(dict.fromkeys(filter(None, cells))) for cells in zip_longest(*spread, fillvalue="")]


def _spread(row: Row) -> Row:
    filled: Row = []
    for cell in row:
        filled.append(cell or (filled[-1] if filled else ""))
    return filled


def _name_column(header: Row) -> int:
    return next((index for index, cell in enumerate(header) if folded(cell) in _NAME_WORDS), 0)


def _is_wide(row: Row, below: Sequence[Row], known: Known) -> bool:
    """Return whether the row names metrics, and the rows below have their values."""
    names = [index for index, cell in enumerate(row) if is_metric(cell, known)]
    if not names:
        return False
    sample = below[:_MOST_SAMPLED]
    has_values = any(index < len(values) and is_number(values[index]) for values in sample for index in names)
    return has_values and not any(is_metric(cell, known) for values in sample for cell in values)


def _is_header(row: Row, known: Known) -> bool:
    if folded(row[0]) in METRIC_WORDS or not row[0]:
        return True
    return not known(row[0]) and not any(map(is_number, row))
