"""Metrics in CSV and TSV: two columns, a comparison of two models, or names in one row and values in the next."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import zip_longest

from msgspec import Struct

from runner.policy.metrics import Metric, folded, metric_from_text, unusable_metric
from runner.policy.number import number_from_text, shown
from runner.policy.refusal import refusal

_MOST_CELLS = 100_000
_ENCODINGS = ("utf-8-sig", "cp932")
_UNKNOWN_COLUMNS = "stands in a table whose columns are not known"
_ONE_MODEL, _TWO_MODELS = ["name", "value"], ["name", "current", "previous"]  # what a table without a header has

_NAME_WORDS = frozenset(
    folded(word)
    for word in ("metric", "metrics", "metric name", "name", "item", "指標", "指標名", "評価指標", "項目", "名前")
)
_VALUE_WORDS = frozenset(
    folded(word) for word in ("value", "metric value", "evaluation value", "score", "値", "評価値", "スコア")
)
_PREVIOUS = re.compile(r"\b(?:previous|old|before|last)\b|前|旧", re.IGNORECASE)
_CURRENT = re.compile(r"\b(?:current|new|after|latest)\b|現|今|(?<!更)新|後", re.IGNORECASE)

Known = Callable[[str], bool]
Row = list[str]


class TableMetrics(Struct, frozen=True, kw_only=True):
    """The metrics of a table in its order, under the names as written; `previous` are those of the model before."""

    current: tuple[Metric, ...]
    previous: tuple[Metric, ...]


class _Columns(Struct, frozen=True, kw_only=True):
    """Where a table has its name and values; None means that there is no such column or that it is not known."""

    name: int
    current: int | None
    previous: int | None


def decode(content: bytes) -> str:
    """Return the text of UTF-8, with or without a byte order mark, or else of Shift_JIS.

    Raises:
        ModelError: of kind result, when the bytes are neither or hold a NUL.
    """
    for encoding in _ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise refusal("The result is neither UTF-8 nor Shift_JIS text.")


def read_table(text: str, *, known: Known, comparison: bool) -> TableMetrics:
    """Return the metrics of a table; `known` tells a metric's name, `comparison` that two models are expected.

    Raises:
        ModelError: of kind result, for broken quotes or more than 100,000 cells.
    """
    rows = _rows(text)
    if _is_wide(rows, known):
        pairs = zip(rows[0], rows[1], strict=True)
        return TableMetrics(current=tuple(metric_from_text(name, value) for name, value in pairs), previous=())
    if rows and _is_header(rows[0], known):
        return _by_header(rows[0], rows[1:], comparison=comparison)
    return _without_header(rows, comparison=comparison)


def _rows(text: str) -> list[Row]:
    delimiter = "\t" if "\t" in text.lstrip("\r\n ").partition("\n")[0] else ","
    if text.count(delimiter) + text.count("\n") + text.count("\r") > _MOST_CELLS:
        raise refusal(f"The result is a table of more than {_MOST_CELLS:,} cells, too large for one of metrics.")
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise refusal("The result is a table with broken quotes or an overlong cell.") from error
    return [row for row in rows if any(row)]


def _is_number(cell: str) -> bool:
    return isinstance(number_from_text(cell), Decimal)


def _is_wide(rows: list[Row], known: Known) -> bool:
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return False
    names = [known(cell) for cell in rows[0]]
    has_names = names[0] or sum(names) > 1
    return has_names and not known(rows[1][0]) and not any(_is_number(cell) for cell in rows[0])


def _is_header(row: Row, known: Known) -> bool:
    return not known(row[0]) and not any(_is_number(cell) for cell in row)


def _by_header(header: Row, rows: list[Row], *, comparison: bool) -> TableMetrics:
    columns = _columns(header)
    two_models = columns.previous is not None or (comparison and len(header) > 2)
    is_clear = columns.current is not None and (columns.previous is not None or not two_models)
    if not is_clear:
        columns = _Columns(name=columns.name, current=None, previous=None)
    return TableMetrics(
        current=_column(header, rows, columns.name, columns.current),
        previous=_column(header, rows, columns.name, columns.previous) if two_models else (),
    )


def _columns(header: Row) -> _Columns:
    names = [index for index, cell in enumerate(header) if folded(cell) in _NAME_WORDS]
    name = names[0] if names else 0
    others = [index for index in range(len(header)) if index != name]
    before = [i for i in others if _PREVIOUS.search(header[i]) and not _CURRENT.search(header[i])]
    now = [i for i in others if _CURRENT.search(header[i]) and not _PREVIOUS.search(header[i])]
    value = [i for i in others if folded(header[i]) in _VALUE_WORDS]
    rest = [i for i in others if i not in before]
    current = _only(now) if now else _only(value or rest)
    return _Columns(name=name, current=current, previous=_only(before))


def _only(indexes: list[int]) -> int | None:
    return indexes[0] if len(indexes) == 1 else None


def _column(header: Row, rows: list[Row], name: int, value: int | None) -> tuple[Metric, ...]:
    named = [row for row in rows if len(row) > name and row[name]]
    if value is None:
        return tuple(unusable_metric(row[name], _UNKNOWN_COLUMNS) for row in named)
    return tuple(_metric(header, row, name, value) for row in named)


def _metric(header: Row, row: Row, name: int, value: int) -> Metric:
    """Return a row's metric, without a number where the row has more fields than columns: one may have been cut up."""
    if any(cell and not head for cell, head in zip_longest(row[1:], header[1:], fillvalue="")):
        problem = f"stands in a row with more fields than the table has columns: '{shown(','.join(row))}'"
        return unusable_metric(row[name], problem)
    return metric_from_text(row[name], row[value] if len(row) > value else "")


def _without_header(rows: list[Row], *, comparison: bool) -> TableMetrics:
    if comparison and all(len(row) > 2 for row in rows):
        return TableMetrics(current=_column(_TWO_MODELS, rows, 0, 1), previous=_column(_TWO_MODELS, rows, 0, 2))
    clear = [row for row in rows if not any(row[2:])]
    unclear = _column(_ONE_MODEL, [row for row in rows if any(row[2:])], 0, None)
    current = _column(_ONE_MODEL, clear, 0, 1) + unclear
    return TableMetrics(current=current, previous=unclear if comparison else ())
