"""Metrics in tables: delimited text to rows, and which columns hold the candidate's values."""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from itertools import zip_longest

from msgspec import Struct

from runner.results.column_roles import Role, names_another, role_of
from runner.results.entries import refusal
from runner.results.metrics import Metric, folded, metric_from_text, unusable_metric, without_percent
from runner.results.number import listed, number_from_text, shown

Row = list[str]

_MOST_CELLS = 100_000
_SAMPLE = 20  # lines that tell the delimiter
_STATED = re.compile(r"\s*\"?sep=(?P<delimiter>[^\s\"])\"?[^\S\n]*(?:\r\n|\r|\n)")  # a first line that only Excel knows
_QUOTED = re.compile(r'"[^"]*"')
_RARE = ";|"  # taken only where every line has them: a comma is the rule
_RAREST = ":="  # taken only where every line has them, and none a comma
_RULE = re.compile(r"[\s|:+-]+")  # between the head and the rows of a Markdown table


def rows_of(text: str) -> list[Row]:
    """Return the rows that are not empty, each cell without spaces around it.

    Raises:
        ModelError: of kind result, for broken quotes or more than 100,000 cells.
    """
    stated = _STATED.match(text)
    body = text[stated.end() :] if stated else text
    delimiter = stated["delimiter"] if stated else _delimiter(body)
    if delimiter == "|":
        body = _without_frame(body)
    if body.count(delimiter) + body.count("\n") + body.count("\r") > _MOST_CELLS:
        raise refusal(f"The result is a table of more than {_MOST_CELLS:,} cells, too large for one of metrics.")
    try:
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise refusal("The result is a table with broken quotes or an overlong cell.") from error
    return [row for row in rows if any(row)]


def _delimiter(text: str) -> str:
    lines = [line for line in _QUOTED.sub("", text[: 1 << 16]).splitlines()[:_SAMPLE] if line.strip()]
    if not lines or "\t" in lines[0].lstrip(" "):
        return "\t" if lines else ","
    rare = _RARE if any("," in line for line in lines) else _RARE + _RAREST
    return next((delimiter for delimiter in rare if all(delimiter in line for line in lines)), ",")


def _without_frame(text: str) -> str:
    """Return the lines of a Markdown table without the bars at their ends and the rule below its head."""
    lines = (line.strip().removeprefix("|").removesuffix("|") for line in text.splitlines())
    return "\n".join(line for line in lines if not _RULE.fullmatch(line))


class Columns(Struct, frozen=True, kw_only=True):
    """The columns by their indexes, None where there is none; `problem` says why the values are not clear.

    `provisional` columns are what the service's own comparison is known to hold; no head says it beyond doubt.
    """

    current: int | None = None
    previous: int | None = None
    problem: str | None = None
    provisional: bool = False


def choose_columns(heads: Mapping[int, str], numeric: Collection[int], *, comparison: bool) -> Columns:
    """Return what the columns hold by their heads; `numeric` are those with a number in them.

    `comparison` tells that the table is the service's comparison, in which `current` may be the candidate: there it
    is, provisionally, beside a column of the model before.
    """
    roles = {index: role_of(head) for index, head in heads.items()}
    undecided = [index for index, role in roles.items() if role == "unknown" and index in numeric]
    if undecided:
        return _unclear("the meaning of {} is not known", heads, undecided)
    candidates = [*_having(roles, "candidate"), *_having(roles, "value")]
    current, previous = _having(roles, "current"), _having(roles, "previous")
    if not candidates:
        return _without_candidate(heads, current, previous, comparison=comparison)
    if len(candidates) > 1:
        return _unclear("more than one column may hold its value: {}", heads, candidates)
    if current and roles[candidates[0]] == "value":
        return _unclear("which model is whose is not known: {}", heads, [*candidates, *current])
    before = [*current, *previous]
    if len(before) > 1:
        return _unclear("more than one column may be the model before: {}", heads, before)
    return Columns(current=candidates[0], previous=before[0] if before else None)


def _without_candidate(
    heads: Mapping[int, str], current: list[int], previous: list[int], *, comparison: bool
) -> Columns:
    if comparison and len(current) == len(previous) == 1:
        return Columns(current=current[0], previous=previous[0], provisional=True)
    if current:
        return _unclear("{} may be the model in service or the candidate", heads, current)
    return _unclear("no column is known to hold its value; the table has {}", heads, list(heads))


def _having(roles: Mapping[int, Role], wanted: Role) -> list[int]:
    return [index for index, role in roles.items() if role == wanted]


def _unclear(sentence: str, heads: Mapping[int, str], indexes: list[int]) -> Columns:
    named = listed(f"'{heads[index]}'" for index in indexes)
    return Columns(problem=f"is unclear: {sentence.format(named)}")


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
