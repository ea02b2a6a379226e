"""The metric at the place that the manifest names: a JSON Pointer, a row's name, or a row and a column."""

from collections.abc import Callable, Sequence

from runner.errors import ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition
from runner.results.column_roles import evaluated_name
from runner.results.containers import Budget, Unread, leads_to, leaves
from runner.results.content import Content, Definitions, Known, agreed, by_name, parse
from runner.results.entries import Entry, find_entry, is_same_path, is_within, named
from runner.results.json_document import metric_at
from runner.results.metrics import (
    MISSING,
    Metric,
    built_in_name,
    folded,
    in_unit,
    metric_from_text,
    unusable_metric,
    within_range,
    without_percent,
)
from runner.results.number import listed, shown
from runner.results.places import choose, found_in, is_comparison
from runner.results.table import Row

_CUT_UP = "stands in a row with more fields than the table has columns"


def is_placed(definition: MetricDefinition) -> bool:
    """Return whether the manifest says where the metric is; else it only gives a built-in metric its unit."""
    return any(part is not None for part in (definition.file, definition.select, definition.column))


def member(entries: Sequence[Entry], file: str, known: Known) -> Content | str:
    """Return the content of the entry that `file` names, or why it cannot be had, as the end of a sentence.

    That is the trouble of its metrics, not of the whole result.
    """
    try:
        found = _leaves_of(entries, file)
        inner = [leaf for leaf in found if not is_same_path(leaf.path, file)]
        if len(found) > 1:
            return f"is unclear: {shown(file)} holds {listed(leaf.path for leaf in inner)}; name one of them as `file`"
        if not found:
            return f"{MISSING}: it has no {shown(file)}; it has {named(entries)}"
        if isinstance(found[0], Unread):
            return f"{MISSING}: {shown(found[0].path)} {found[0].why}"
        return parse(found[0], known, comparison=is_comparison(found[0].path))
    except ModelError as error:
        return f"cannot be read: {error.message.removesuffix('.')}"


def _leaves_of(entries: Sequence[Entry], file: str) -> list[Entry | Unread]:
    """Return the leaf of this path or name; of a container, what it holds."""
    exact = [entry for entry in entries if is_same_path(entry.path, file)]
    direct = exact[0] if len(exact) == 1 else find_entry(entries, file)
    if direct is not None or "/" in file:
        path = direct.path if direct is not None else file
        found = leaves(entries, Budget(), wanted=leads_to(path))
        return [leaf for leaf in found if is_same_path(leaf.path, path) or is_within(leaf.path, path)]
    inner = list(leaves(entries, Budget()))
    return [leaf for leaf in inner if is_same_path(leaf.path.rpartition("/")[2], file)]


def selected(source: Content | str, definition: MetricDefinition, definitions: Definitions) -> Metric:
    """Return the metric of a definition from the content that its `file` names, or with the reason for having none."""
    metric = _selected(source, definition, definitions)
    if metric.name not in BUILT_IN_METRICS or metric.value is None:
        return metric
    return within_range(metric, definition.unit)


def _selected(source: Content | str, definition: MetricDefinition, definitions: Definitions) -> Metric:
    name, select = definition.name, definition.select
    if isinstance(source, str):
        return unusable_metric(name, source)
    if definition.column is not None:
        return in_unit(_cell(source.rows, definition, definition.column), definition.unit)
    if select is None:
        return _by_spelling(source, definition, definitions)
    if select.startswith("/") and source.document is not None:
        return in_unit(metric_at(source.document, select, name), definition.unit)
    rows = by_name(source.current, _only_row(definition), {name: definition})
    return rows.get(name) or unusable_metric(name, f"{MISSING}: it has no row '{shown(select)}'")


def _only_row(definition: MetricDefinition) -> Callable[[str], str | None]:
    wanted = folded(definition.select or definition.name)
    return lambda written: definition.name if folded(written) == wanted else None


def previous_row(metrics: tuple[Metric, ...], definition: MetricDefinition) -> dict[str, Metric]:
    """Return the metric of a definition among those of the model before."""
    return by_name(metrics, _only_row(definition), {definition.name: definition})


def _by_spelling(source: Content, definition: MetricDefinition, definitions: Definitions) -> Metric:
    """Return the metric by its own names, wherever the file has them."""
    name = definition.name
    if name not in BUILT_IN_METRICS:
        rows = by_name(source.current, _only_row(definition), {name: definition})
        return rows.get(name) or unusable_metric(name, f"{MISSING}: it has no row '{shown(name)}'")
    with_it = [found for found in found_in("", source, definitions) if name in found.metrics]
    chosen = choose(with_it)
    if isinstance(chosen, str):
        places = listed(found.pointer for found in with_it)
        return unusable_metric(name, f"is unclear: it is in more than one place: {places}; `select` names one")
    return chosen.metrics[name] if chosen else unusable_metric(name, f"{MISSING}: its `file` does not name it")


def _cell(rows: Sequence[Row], definition: MetricDefinition, column: str) -> Metric:
    """Return the metric in the cell of a row and a column."""
    name, wanted = definition.name, folded(column)
    head = next((index for index, row in enumerate(rows) if wanted in map(folded, row)), None)
    if head is None:
        heads = listed(f"'{cell}'" for cell in (rows[0] if rows else ()) if cell)
        return unusable_metric(name, f"{MISSING}: its table has no column '{shown(column)}'; it has {heads}")
    header, below = rows[head], rows[head + 1 :]
    places = [index for index, cell in enumerate(header) if folded(cell) == wanted]
    if len(places) > 1:
        return unusable_metric(name, f"is unclear: its table has more than one column '{shown(column)}'")
    found = [row for row in below if _is_row(row, definition, places[0])] or (
        below if _needs_no_row(below, definition) else []
    )
    if not found:
        row = definition.select or name
        return unusable_metric(name, f"{MISSING}: its table has no row '{shown(row)}' under '{shown(column)}'")
    metrics = [_at(row, header, places[0], name) for row in found]
    first, *others = metrics
    for other in others:
        first = agreed(first, other)
    return first


def _is_row(row: Row, definition: MetricDefinition, column: int) -> bool:
    cells = [cell for index, cell in enumerate(row) if index != column and cell]
    if definition.select is not None:
        return folded(definition.select) in map(folded, cells)
    return any(definition.name in (built_in_name(cell), evaluated_name(cell), cell) for cell in cells)


def _needs_no_row(below: Sequence[Row], definition: MetricDefinition) -> bool:
    """Return whether the column alone is the place: `AUC,Accuracy` over one row of values."""
    return definition.select is None and len(below) == 1


def _at(row: Row, header: Row, column: int, name: str) -> Metric:
    text = row[column] if len(row) > column else ""
    if any(row[len(header) :]):
        return unusable_metric(name, f"{_CUT_UP}: '{shown(','.join(row))}'", text=text)
    said = [header[column], *(cell for index, cell in enumerate(row) if index != column)]
    percent = without_percent(header[column])[1] or any(without_percent(cell)[1] for cell in said[1:])
    return metric_from_text(name, text, percent=percent)
