"""Metrics in a table: a row for each metric, or a column for each; of the rows or columns the one that is the value."""

from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

from msgspec import Struct
from msgspec.structs import replace

from runner.results.column_roles import Columns, choose_columns, mentions, names_another, role_of
from runner.results.members import Row
from runner.results.metrics import Metric, MetricPlace, folded, metric_from_text, unusable_metric, without_percent
from runner.results.number import shown
from runner.results.table_layout import METRIC_WORDS, Known, Part, is_metric, is_number, parts_of

_ONE_MODEL, _TWO_MODELS = ["name", "value"], ["name", "current", "previous"]  # what a table without a header has
_SEVERAL = "is unclear: its row has several values, and the table has no header"
_LATE_HEADER = "is unclear: the header of its table is not in the first row"
_NO_PREVIOUS = "is unclear: no column is known to hold the model before"
_NOT_THE_CANDIDATE = ("current", "previous", "difference", "never")
_MOST_LABELLED = 200  # rows of values; more of them are predictions
_TOO_MANY = f"is unclear: its table has more than {_MOST_LABELLED} rows of values"


class TableMetrics(Struct, frozen=True, kw_only=True):
    """The metrics of a table in its order, under the names as written; `previous` are those of the model before.

    In a `provisional` table nothing says beyond doubt which of the two models is which. In an `unlabelled` one several
    rows have values, and nothing says what any of them is.
    """

    current: tuple[Metric, ...] = ()
    previous: tuple[Metric, ...] = ()
    provisional: bool = False
    unlabelled: bool = False


def read_table(rows: Sequence[Row], *, known: Known, comparison: bool) -> TableMetrics:
    """Return the metrics of a table; `known` tells a metric's name, `comparison` that two models are expected."""
    return read_parts(parts_of(rows, known), known=known, comparison=comparison)


def read_parts(parts: Sequence[Part], *, known: Known, comparison: bool) -> TableMetrics:
    """Return the metrics of the parts of a table."""
    found = [(part.title, _read(part, known, comparison=comparison)) for part in parts]
    if len(found) == 1 and not found[0][0]:
        return found[0][1]
    return _joined(found, known)


def _read(part: Part, known: Known, *, comparison: bool) -> TableMetrics:
    if part.name is None:
        return _wide(part, known, comparison=comparison)
    if part.header:
        return _labelled(_long(part, part.name, comparison=comparison))
    return _labelled(_without_header(part.rows, comparison=comparison))


def _joined(parts: Sequence[tuple[str, TableMetrics]], known: Known) -> TableMetrics:
    """Return the metrics of parts with titles; of a metric in several parts, that of the candidate's evaluation."""
    titles = {index: title or "no title" for index, (title, _) in enumerate(parts)}
    problems = _problems_of_titles([title for title, _ in parts])
    places: dict[str, dict[int, list[Metric]]] = {}
    for index, (_, table) in enumerate(parts):
        for metric in table.current:
            places.setdefault(folded(metric.name), {}).setdefault(index, []).append(metric)
    current, previous = list[Metric](), [metric for _, table in parts for metric in table.previous]
    for found in places.values():
        index, metrics = next(iter(found.items()))
        chosen = Columns(current=index, previous=index if role_of(titles[index]) == "previous" else None)
        problem = problems[index]
        if len(found) > 1:
            chosen = choose_columns({at: titles[at] for at in found}, found, comparison=False, noun="title")
            problem = chosen.problem
        if chosen.previous is not None:
            previous += found[chosen.previous]
        kept = metrics if chosen.current is None else found[chosen.current]
        current += kept if problem is None else [unusable_metric(metric.name, problem) for metric in kept]
    naming = [table for _, table in parts if any(known(metric.name) for metric in table.current)]
    return TableMetrics(
        current=tuple(current),
        previous=tuple(previous),
        provisional=any(table.provisional for table in naming),
        unlabelled=bool(naming) and all(table.unlabelled for table in naming),
    )


def _problems_of_titles(titles: Sequence[str]) -> list[str | None]:
    """Return what keeps each part from being read; what one title says holds until one says the opposite."""
    problems: list[str | None] = []
    for title in titles:
        if mentions(title, ("previous", "never")) or names_another(title):
            problems.append(f"is unclear: above it is '{shown(title)}'")
        else:
            is_clear = not problems or role_of(title) in ("value", "candidate")
            problems.append(None if is_clear else problems[-1])
    return problems


def _labelled(table: TableMetrics) -> TableMetrics:
    """Return the table; without its values where a text in their place, as in `split,train`, makes them another's."""
    problem = _problem_of_labels(metric.text for metric in table.current if metric.value is None)
    if problem is None:
        return table
    return TableMetrics(
        current=tuple(unusable_metric(metric.name, problem, text=metric.text) for metric in table.current)
    )


def _problem_of_labels(labels: Iterable[str]) -> str | None:
    other = next((label for label in labels if names_another(label)), None)
    return None if other is None else f"is unclear: next to it is '{shown(other)}'"


def _wide(part: Part, known: Known, *, comparison: bool) -> TableMetrics:
    """Return the metrics that the header names, from the only row of values or the one that is the candidate's."""
    named = [index for index, head in enumerate(part.header) if is_metric(head, known)]
    above = [*part.above, *[""] * len(part.header)]
    columns = [index for index in named if not names_another(above[index])] or named
    rows, beside = list[Row](), list[str]()
    for row in part.rows:
        cells = [row[index] for index in columns if index < len(row)]
        if any(map(is_number, cells)):
            rows.append(row)
        else:
            beside += cells
        if len(rows) > _MOST_LABELLED:
            return TableMetrics(current=_without_values(part, columns, _TOO_MANY), unlabelled=True)
    problem = _problem_of_labels([*beside, *(above[index] for index in columns)])
    if problem is not None:
        return TableMetrics(current=_without_values(part, columns, problem))
    if len(rows) <= 1:
        row = rows[0] if rows else part.rows[0]
        problem = _problem_of_labels(cell for cell in row if not is_number(cell))
        return TableMetrics(current=_of_row(part, columns, row, problem))
    labels = dict(enumerate(_labels(part.heads(), rows, columns) or [""] * len(rows)))
    chosen = choose_columns(labels, labels, comparison=comparison, noun="row")
    if chosen.current is None:
        unlabelled = all(role_of(label) in ("unknown", "aside") for label in labels.values())
        return TableMetrics(current=_without_values(part, columns, chosen.problem or ""), unlabelled=unlabelled)
    previous = () if chosen.previous is None else _of_row(part, columns, rows[chosen.previous], None)
    current = _of_row(part, columns, rows[chosen.current], None, labels[chosen.current])
    return TableMetrics(current=current, previous=previous, provisional=chosen.provisional)


def _labels(heads: Row, rows: Sequence[Row], values: Collection[int | None]) -> list[str]:
    """Return what each row says of itself beside its values: the texts, else the numbers, that tell rows apart."""
    columns = [index for index in range(max(map(len, rows))) if index not in values]
    cells = {index: [row[index] if index < len(row) else "" for row in rows] for index in columns}
    telling = {at: found for at, found in cells.items() if at >= len(heads) or role_of(heads[at]) != "aside"} or cells
    apart = [found for found in telling.values() if len(set(found)) > 1 or any(map(names_another, found))]
    texts = [" ".join(filter(_is_label, together)) for together in zip(*apart, strict=True)]
    return texts if any(texts) else [" ".join(filter(None, together)) for together in zip(*apart, strict=True)]


def _is_label(cell: str) -> bool:
    return bool(cell) and not is_number(cell) and without_percent(cell) != ("", True)


def _without_values(part: Part, columns: Sequence[int], problem: str) -> tuple[Metric, ...]:
    return tuple(unusable_metric(part.header[column], problem) for column in columns)


def _of_row(
    part: Part, columns: Sequence[int], row: Row, problem: str | None, label: str | None = None
) -> tuple[Metric, ...]:
    problem = problem or _problem_of_fields(part.header, row)
    if problem is not None:
        return _without_values(part, columns, problem)
    heads = part.heads()
    percent = any(without_percent(cell) == ("", True) for cell in [*row, *part.above])
    return tuple(
        replace(
            metric_from_text(part.header[column], row[column] if column < len(row) else "", percent=percent),
            place=MetricPlace(row=label, column=heads[column]),
        )
        for column in columns
    )


class _Table(Struct, frozen=True, kw_only=True):
    """A table whose column `name` has the metrics' names, and what its other columns hold."""

    heads: Row
    rows: list[Row]
    name: int
    columns: Columns

    def labels(self, row: Row) -> list[str]:
        """Return the cells of a row beside the metric's name and the values."""
        taken = (self.name, self.columns.current, self.columns.previous)
        return [cell for index, cell in enumerate(row) if index not in taken]


def _long(part: Part, name: int, *, comparison: bool) -> TableMetrics:
    """Return the metrics of a table with a row for each, or a row for each metric of each split or model."""
    heads = part.heads()
    rows = [row for row in part.rows if len(row) > name and row[name]]
    columns = _columns(heads, rows, name, comparison=comparison)
    table = _Table(heads=heads, rows=rows, name=name, columns=columns)
    two_models = columns.previous is not None or (comparison and len(heads) > 2)
    if columns.current is None or two_models:
        return TableMetrics(
            current=_column(table, columns.current, columns.problem or ""),
            previous=_column(table, columns.previous, columns.problem or _NO_PREVIOUS) if two_models else (),
            provisional=columns.provisional,
        )
    found = [_of_metric(table, same, columns.current) for same in _by_metric(table)]
    return TableMetrics(
        current=tuple(metric for table in found for metric in table.current),
        previous=tuple(metric for table in found for metric in table.previous),
    )


def _columns(heads: Row, rows: list[Row], name: int, *, comparison: bool) -> Columns:
    if role_of(heads[name]) in _NOT_THE_CANDIDATE:
        return Columns(problem=f"is unclear: its table is headed '{shown(heads[name])}'")
    others = {index: head for index, head in enumerate(heads) if head and index != name}
    numeric = {index for index in others if any(len(row) > index and is_number(row[index]) for row in rows)}
    return choose_columns(others, numeric, comparison=comparison)


def _by_metric(table: _Table) -> Iterable[list[Row]]:
    """Return the rows of each metric, in the table's order."""
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(folded(row[table.name]), []).append(row)
    return groups.values()


def _of_metric(table: _Table, rows: list[Row], value: int) -> TableMetrics:
    """Return the metric of its rows; of several with other labels, the candidate's evaluation."""
    taken = (table.name, value, table.columns.previous)
    labels = dict(enumerate(_labels(table.heads, rows, taken)))
    texts = {row[value] if len(row) > value else "" for row in rows}
    if len(rows) == 1 or len(texts) == 1 or len(set(labels.values())) <= 1:
        return TableMetrics(current=tuple(_metric(table, row, value) for row in rows))
    chosen = choose_columns(labels, labels, comparison=False, noun="row")
    if chosen.current is None:
        return TableMetrics(current=(unusable_metric(rows[0][table.name], chosen.problem or ""),))
    current, previous = (
        () if index is None else (_metric(table, rows[index], value, labels[index]),)
        for index in (chosen.current, chosen.previous)
    )
    return TableMetrics(current=current, previous=previous)


def _column(table: _Table, value: int | None, problem: str) -> tuple[Metric, ...]:
    if value is None:
        return tuple(unusable_metric(row[table.name], problem) for row in table.rows)
    return tuple(_metric(table, row, value) for row in table.rows)


def _metric(table: _Table, row: Row, value: int, label: str | None = None) -> Metric:
    """Return a row's metric; `label` is what is known of the row, else its labels may say that it is another's."""
    name = row[table.name]
    text = row[value] if len(row) > value else ""
    labels = table.labels(row)
    problem = _problem_of_fields(table.heads, row) or (_problem_of_labels(labels) if label is None else None)
    if problem is not None:
        return unusable_metric(name, problem, text=text)
    percent = any(without_percent(said) == ("", True) for said in labels) or without_percent(table.heads[value])[1]
    place = MetricPlace(row=f"{label}, {name}" if label else name, column=table.heads[value])
    return replace(metric_from_text(name, text, percent=percent), place=place)


def _problem_of_fields(heads: Row, row: Row) -> str | None:
    """Return why a row with more fields than columns has no number: one of them may have been cut up."""
    if any(cell and not head for cell, head in zip_longest(row[1:], heads[1:], fillvalue="")):
        return f"is in a row with more fields than the table has columns: '{shown(','.join(row))}'"
    return None


def _without_header(rows: list[Row], *, comparison: bool) -> TableMetrics:
    if any(folded(row[0]) in METRIC_WORDS for row in rows):
        return TableMetrics(current=tuple(unusable_metric(row[0], _LATE_HEADER) for row in rows))
    if comparison and all(len(row) > 2 for row in rows):
        current, previous = (_headless(_TWO_MODELS, rows, value) for value in (1, 2))
        return TableMetrics(current=current, previous=previous, provisional=True)
    clear = [row for row in rows if not any(row[2:])]
    unclear = tuple(unusable_metric(row[0], _SEVERAL) for row in rows if any(row[2:]))
    current = _headless(_ONE_MODEL, clear, 1) + unclear
    return TableMetrics(current=current, previous=unclear if comparison else (), provisional=comparison)


def _headless(heads: Row, rows: list[Row], value: int) -> tuple[Metric, ...]:
    columns = Columns(current=1, previous=2 if len(heads) > 2 else None)
    table = _Table(heads=heads, rows=[row for row in rows if row[0]], name=0, columns=columns)
    return tuple(_without_column(metric) for metric in _column(table, value, ""))


def _without_column(metric: Metric) -> Metric:
    return metric if metric.place is None else replace(metric, place=replace(metric.place, column=None))
