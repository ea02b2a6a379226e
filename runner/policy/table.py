"""Metrics in CSV and TSV: two columns, a comparison of two models, or names in one row and values in the next."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import zip_longest

from msgspec import Struct

from runner.policy.column_roles import names_another, role_of
from runner.policy.columns import Columns, choose_columns
from runner.policy.delimited import Row
from runner.policy.metrics import Metric, folded, metric_from_text, unusable_metric, without_percent
from runner.policy.number import number_from_text, shown

_ONE_MODEL, _TWO_MODELS = ["name", "value"], ["name", "current", "previous"]  # what a table without a header has
_SEVERAL = "is unclear: its row has several values, and the table has no header"
_LATE_HEADER = "is unclear: the header of its table is not in the first row"
_NO_PREVIOUS = "is unclear: no column is known to hold the model before"

_METRIC_WORDS = frozenset(folded(word) for word in ("metric", "metrics", "metric name", "指標", "指標名", "評価指標"))
_NAME_WORDS = _METRIC_WORDS | {folded(word) for word in ("name", "item", "項目", "名前")}
_NOT_THE_CANDIDATE = ("current", "previous", "difference", "never")

Known = Callable[[str], bool]


class TableMetrics(Struct, frozen=True, kw_only=True):
    """The metrics of a table in its order, under the names as written; `previous` are those of the model before.

    In a `provisional` table nothing says beyond doubt which of the two models is which.
    """

    current: tuple[Metric, ...]
    previous: tuple[Metric, ...] = ()
    provisional: bool = False


class _Table(Struct, frozen=True, kw_only=True):
    """A table with a header; `name` is the index of the column with the metrics' names."""

    header: Row
    rows: list[Row]
    name: int
    columns: Columns


def read_table(rows: list[Row], *, known: Known, comparison: bool) -> TableMetrics:
    """Return the metrics of a table; `known` tells a metric's name, `comparison` that two models are expected."""
    if _is_wide(rows, known):
        pairs = zip(rows[0], rows[1], strict=True)
        return _labelled(TableMetrics(current=tuple(metric_from_text(name, value) for name, value in pairs)))
    if rows and _is_header(rows[0], known):
        return _labelled(_by_header(rows[0], rows[1:], comparison=comparison))
    return _labelled(_without_header(rows, comparison=comparison))


def _labelled(table: TableMetrics) -> TableMetrics:
    """Return the table; without its values where a text in their place, as in `split,train`, makes them another's."""
    problem = _problem_of_labels(metric.text for metric in table.current if metric.value is None)
    if problem is None:
        return table
    current = tuple(unusable_metric(metric.name, problem, text=metric.text) for metric in table.current)
    return TableMetrics(current=current)


def _problem_of_labels(labels: Iterable[str]) -> str | None:
    other = next((label for label in labels if names_another(label)), None)
    return None if other is None else f"is unclear: next to it is '{shown(other)}'"


def _is_number(cell: str) -> bool:
    return isinstance(number_from_text(cell), Decimal)


def _is_wide(rows: list[Row], known: Known) -> bool:
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return False
    names = [known(cell) for cell in rows[0]]
    has_names = names[0] or sum(names) > 1
    return has_names and not known(rows[1][0]) and not any(_is_number(cell) for cell in rows[0])


def _is_header(row: Row, known: Known) -> bool:
    if folded(row[0]) in _METRIC_WORDS or not row[0]:
        return True
    return not known(row[0]) and not any(_is_number(cell) for cell in row)


def _by_header(header: Row, rows: list[Row], *, comparison: bool) -> TableMetrics:
    name = next((index for index, cell in enumerate(header) if folded(cell) in _NAME_WORDS), 0)
    named = [row for row in rows if len(row) > name and row[name]]
    columns = _columns(header, named, name, comparison=comparison)
    table = _Table(header=header, rows=named, name=name, columns=columns)
    two_models = columns.previous is not None or (comparison and len(header) > 2)
    return TableMetrics(
        current=_column(table, columns.current, columns.problem or ""),
        previous=_column(table, columns.previous, columns.problem or _NO_PREVIOUS) if two_models else (),
        provisional=columns.provisional,
    )


def _columns(header: Row, rows: list[Row], name: int, *, comparison: bool) -> Columns:
    if role_of(header[name]) in _NOT_THE_CANDIDATE:
        return Columns(problem=f"is unclear: its table is headed '{shown(header[name])}'")
    heads = {index: cell for index, cell in enumerate(header) if cell and index != name}
    numeric = {index for index in heads if any(len(row) > index and _is_number(row[index]) for row in rows)}
    return choose_columns(heads, numeric, comparison=comparison)


def _column(table: _Table, value: int | None, problem: str) -> tuple[Metric, ...]:
    if value is None:
        return tuple(unusable_metric(row[table.name], problem) for row in table.rows)
    return tuple(_metric(table, row, value) for row in table.rows)


def _metric(table: _Table, row: Row, value: int) -> Metric:
    """Return a row's metric, without a number where the row has more fields than columns: one may have been cut up."""
    name = row[table.name]
    if any(cell and not head for cell, head in zip_longest(row[1:], table.header[1:], fillvalue="")):
        problem = f"stands in a row with more fields than the table has columns: '{shown(','.join(row))}'"
        return unusable_metric(name, problem)
    taken = (table.name, table.columns.current, table.columns.previous)
    labels = [cell for index, cell in enumerate(row) if index not in taken]
    text = row[value] if len(row) > value else ""
    problem_of_labels = _problem_of_labels(labels)
    if problem_of_labels is not None:
        return unusable_metric(name, problem_of_labels, text=text)
    percent = any(without_percent(said) == ("", True) for said in labels)
    return metric_from_text(name, text, percent=percent or without_percent(table.header[value])[1])


def _without_header(rows: list[Row], *, comparison: bool) -> TableMetrics:
    if any(folded(row[0]) in _METRIC_WORDS for row in rows):
        return TableMetrics(current=tuple(unusable_metric(row[0], _LATE_HEADER) for row in rows))
    if comparison and all(len(row) > 2 for row in rows):
        current, previous = (_headless(_TWO_MODELS, rows, value) for value in (1, 2))
        return TableMetrics(current=current, previous=previous, provisional=True)
    clear = [row for row in rows if not any(row[2:])]
    unclear = tuple(unusable_metric(row[0], _SEVERAL) for row in rows if any(row[2:]))
    current = _headless(_ONE_MODEL, clear, 1) + unclear
    return TableMetrics(current=current, previous=unclear if comparison else (), provisional=comparison)


def _headless(header: Row, rows: list[Row], value: int) -> tuple[Metric, ...]:
    columns = Columns(current=1, previous=2 if len(header) > 2 else None)
    named = [row for row in rows if row[0]]
    return _column(_Table(header=header, rows=named, name=0, columns=columns), value, "")
