"""Rows as an aligned table for the terminal, and as comma-separated values for other programs."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, takewhile

from msgspec import Struct

from runner.reports.text import columns_of, inline
from runner.results.number import number_text, rounded

FEWEST_COLUMNS = 60  # of a terminal for which a table is any help
FLEET = 10  # models; so many are grouped by what a person has to do about them
NAME_COLUMNS = 24  # of the names of a fleet
WIDE_COLUMNS = 120  # columns of a terminal below which columns that are not needed are left out
_STANDARD_COLUMNS = 80
_GAP = "  "
CUT = ".."  # in ASCII, since the common sign for it is wide in some fonts
_LONG_WORD = 24  # columns of the terminal; a longer one is broken where it must be
_FEWEST_OF_TEXT = 10  # columns of the terminal for text that is broken
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # a spreadsheet takes a cell that begins so for a formula

Cell = str | int | bool | Decimal | None


class Column(Struct, frozen=True, kw_only=True):
    """A column of a text table.

    One that is `spare` is left out where the terminal is narrow or it is empty. Numbers and cells of a `whole` one are
    never broken; the cells of a `clipped` one are cut where the line would be too long, before any other is broken.
    Those of more than `most` columns lose their middle; beside a clipped column a wide terminal has room for more.
    """

    title: str
    number: bool = False
    spare: bool = False
    whole: bool = False
    clipped: bool = False
    most: int | None = None


def cut_middle(name: str, columns: int) -> str:
    """Return a name without its middle where it is too long: the names of a fleet often differ at their ends only."""
    if columns_of(name) <= columns:
        return name
    room = max(columns - len(CUT), 1)
    head = _begin(name, room - room // 2)
    tail = _begin(name[::-1], room - columns_of(head))[::-1]
    return f"{head}{CUT}{tail}"


def _begin(text: str, columns: int) -> str:
    """Return as many of the first characters as the columns take."""
    widths = accumulate(map(columns_of, text))
    return text[: sum(1 for _ in takewhile(lambda width: width <= columns, widths))]


def in_columns(title: str, names: Iterable[str], width: int | None) -> Iterator[str]:
    """Yield the names behind their title, separated by commas, in lines that break between two names."""
    line, indent = title, _GAP
    for place, name in enumerate(names):
        part = f", {name}" if place else name
        if width is not None and place and columns_of(line + part) >= width:
            yield f"{line},"
            line, part = indent, name
        line += part
    yield line


def text_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, width: int | None) -> str:
    """Return the rows aligned under their titles, wide characters counted as two.

    `width` is that of the terminal; without one no cell is broken. Where it is too narrow for that, each row is a few
    lines, one for each cell.
    """
    narrow = width is not None and width < WIDE_COLUMNS
    rows = list(rows)
    spared = {place for place, column in enumerate(columns) if column.spare and (narrow or not _any(rows, place))}
    places = [place for place in range(len(columns)) if place not in spared]
    kept = [columns[place] for place in places]
    lines = [[inline(column.title) for column in kept]]
    room = width if any(column.clipped for column in kept) else min(width or 0, _STANDARD_COLUMNS)
    lines += [[_cell(column, row[place], room) for column, place in zip(kept, places, strict=True)] for row in rows]
    return _aligned(kept, lines, width)


def _any(rows: Iterable[Sequence[str]], place: int) -> bool:
    return any(row[place] for row in rows)


def _cell(column: Column, text: str, room: int | None) -> str:
    if column.most is None:
        return inline(text)
    return cut_middle(inline(text), max(column.most, column.most * (room or 0) // _STANDARD_COLUMNS))


def _aligned(columns: Sequence[Column], lines: Sequence[Sequence[str]], width: int | None) -> str:
    widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]
    room = None if width is None else width - len(_GAP) * (len(widths) - 1)
    if width is not None and room is not None and sum(widths) > room:
        fewest = [_FEWEST_OF_TEXT if column.clipped else size for column, size in zip(columns, widths, strict=True)]
        if not any(column.clipped for column in columns) or sum(map(min, fewest, widths)) > room:
            return _folded(columns, lines, widths, width)
        widths = _cut_to(columns, widths, room)
        lines = [[_clipped(cell, size) for cell, size in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(
        _GAP.join(
            _padded(column, cell, " " * (size - columns_of(cell)))
            for column, cell, size in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _cut_to(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Return widths that fit the room: those of the clipped columns are cut, the last column first."""
    cut = list(widths)
    for place in reversed([place for place, column in enumerate(columns) if column.clipped]):
        cut[place] = max(cut[place] - max(sum(cut) - room, 0), min(cut[place], _FEWEST_OF_TEXT))
    return cut


def _clipped(text: str, size: int) -> str:
    """Return a text that takes no more columns; a cut shows."""
    if columns_of(text) <= size:
        return text
    kept = text[: size - len(CUT)]
    while columns_of(kept) > size - len(CUT):
        kept = kept[:-1]
    return f"{kept}{CUT}"


def _padded(column: Column, cell: str, space: str) -> str:
    return f"{space}{cell}" if column.number else f"{cell}{space}"


def _folded(columns: Sequence[Column], lines: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> str:
    """Return lines that are too long for the terminal with their cells broken; numbers never are."""
    from rich.console import Console  # noqa: PLC0415 -- slow to import, and seldom needed
    from rich.table import Table  # noqa: PLC0415 -- as above
    from rich.text import Text  # noqa: PLC0415 -- as above

    fewest = [_fewest(column, *cells) for column, cells in zip(columns, zip(*lines, strict=True), strict=True)]
    room = width - len(_GAP) * (len(columns) - 1)
    if sum(fewest) > room:
        return "\n".join(_stacked(lines, width))
    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="")
    for column, title, size in zip(columns, lines[0], _fitting(widths, fewest, room), strict=True):
        table.add_column(Text(title), justify="right" if column.number else "left", overflow="fold", width=size)
    for line in lines[1:]:
        table.add_row(*(Text(cell) for cell in line))
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None, _environ={}).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _fewest(column: Column, title: str, *cells: str) -> int:
    """Return how many columns of the terminal a column must have: no word is broken that is not very long."""
    longest = max(map(columns_of, cells), default=1)
    words = [columns_of(word) for text in (title, *cells) for word in text.split()]
    word = max((size for size in words if size <= _LONG_WORD), default=1)
    return max(longest if column.whole or column.number else min(longest, _FEWEST_OF_TEXT), word, 1)


def _fitting(widths: Sequence[int], fewest: Sequence[int], room: int) -> list[int]:
    """Return widths that take no more than the room; the widest are made narrower first."""
    most = max(widths)
    while sum(map(max, fewest, (min(size, most) for size in widths))) > room:
        most -= 1
    return list(map(max, fewest, (min(size, most) for size in widths)))


def _stacked(lines: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield each line's first cell, and below it the others behind their titles, broken between words."""
    from rich.console import Console  # noqa: PLC0415 -- slow to import, and seldom needed
    from rich.text import Text  # noqa: PLC0415 -- as above

    console = Console(width=width, color_system=None, _environ={})
    for line in lines[1:]:
        yield line[0]
        for title, cell in zip(lines[0][1:], line[1:], strict=True):
            parts = Text(f"{title}: {cell}").wrap(console, max(width - 2 * len(_GAP), 1)) if cell else ()
            yield from (f"{_GAP * (2 if place else 1)}{part.plain.rstrip()}" for place, part in enumerate(parts))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return the rows as RFC 4180 has them; text that a spreadsheet would compute begins with an apostrophe."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([_csv_cell(column) for column in columns])
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return number_text(cell)
    if isinstance(cell, int):
        return str(cell)
    text = inline(cell)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text


def short_number(value: Decimal | None) -> str:
    """Return a number for people, rounded where it is long; nothing for None."""
    return "" if value is None else rounded(value)


def signed_number(value: Decimal | None) -> str:
    """Return a margin for a column, with its sign: `+0.112`, `-0.4214`."""
    text = short_number(value)
    return text if value is None or value <= 0 else f"+{text}"
