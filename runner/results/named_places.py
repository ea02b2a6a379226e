"""The metric at the place that the manifest names: a JSON Pointer, a row's name, or a row and a column."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from runner.errors import ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition
from runner.results.column_roles import evaluated_name
from runner.results.containers import Budget, Unread, leads_to, leaves
from runner.results.content import Content, Definitions, Known, by_name, parse
from runner.results.file_text import Row
from runner.results.json_document import metric_at
from runner.results.members import Member, find_member, is_same_path, is_within, named
from runner.results.metrics import (
    MISSING,
    Metric,
    MetricPlace,
    built_in_name,
    folded,
    in_unit,
    metric_from_text,
    unusable_metric,
    within_range,
    without_percent,
)
from runner.results.number import listed, shown
from runner.results.search import choose, found_in, is_comparison
from runner.results.table_layout import Part

_MOST_ALIKE = 10  # rows that a place names, all of them with one value
_CUT_UP = "is in a row with more fields than the table has columns"


def is_placed(definition: MetricDefinition) -> bool:
    """Return whether the manifest says where the metric is; else it only gives a built-in metric its unit."""
    return any(part is not None for part in (definition.file, definition.select, definition.column))


def content_of(members: Sequence[Member], file: str, known: Known) -> Content | str:
    """Return the content of the member that `file` names, or why it cannot be had, as the end of a sentence.

    That is the trouble of its metrics, not of the whole result.
    """
    try:
        found = _leaves_of(members, file)
        inner = [leaf for leaf in found if not is_same_path(leaf.path, file)]
        if len(found) > 1:
            return f"is unclear: {shown(file)} holds {listed(leaf.path for leaf in inner)}; name one of them as `file`"
        if not found:
            return f"{MISSING}: it has no {shown(file)}; it has {named(members)}"
        if isinstance(found[0], Unread):
            return f"{MISSING}: {shown(found[0].path)} {found[0].why}"
        return parse(found[0], known, comparison=is_comparison(found[0].path))
    except ModelError as error:
        return f"cannot be read: {error.message.removesuffix('.')}"


def _leaves_of(members: Sequence[Member], file: str) -> list[Member | Unread]:
    """Return the leaf of this path or name; of a container, what it holds."""
    exact = [member for member in members if is_same_path(member.path, file)]
    direct = exact[0] if len(exact) == 1 else find_member(members, file)
    if direct is not None or "/" in file:
        path = direct.path if direct is not None else file
        found = leaves(members, Budget(), wanted=leads_to(path))
        return [leaf for leaf in found if is_same_path(leaf.path, path) or is_within(leaf.path, path)]
    inner = list(leaves(members, Budget()))
    return [leaf for leaf in inner if is_same_path(leaf.path.rpartition("/")[2], file)]


def selected(source: Content | str, definition: MetricDefinition, definitions: Definitions) -> Metric:
    """Return the metric of a definition from the content that its `file` names, or with the reason for having none."""
    metric = _selected(source, definition, definitions)
    if isinstance(source, Content):
        metric = source.checked(metric)
    if metric.name not in BUILT_IN_METRICS or metric.value is None:
        return metric
    return within_range(metric, definition.unit)


def _selected(source: Content | str, definition: MetricDefinition, definitions: Definitions) -> Metric:
    name, select = definition.name, definition.select
    if isinstance(source, str):
        return unusable_metric(name, source)
    if definition.column is not None:
        return in_unit(_cell(source, definition, definition.column), definition.unit)
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


def _cell(source: Content, definition: MetricDefinition, column: str | int) -> Metric:
    """Return the metric in the cell of a row and a column, whatever the head and the labels say."""
    name, parts = definition.name, source.parts
    found = [(part, at) for part in parts for at in columns_of(part, column)]
    if not found:
        heads = listed(f"'{head}'" for part in parts[:1] for head in part.heads() if head)
        return unusable_metric(name, f"{MISSING}: its table has no column '{shown(str(column))}'; it has {heads}")
    if len({at for _, at in found}) > 1:
        numbers = listed(str(at + 1) for at in sorted({at for _, at in found}))
        problem = f"is unclear: its table has more than one column '{shown(str(column))}'; `column` takes {numbers} too"
        return unusable_metric(name, problem)
    cells = [(part, row, at) for part, at in found for row in part.rows if _is_row(part, row, definition)]
    if not cells and not definition.row and sum(len(part.rows) for part, _ in found) == 1:
        cells = [(part, row, at) for part, at in found for row in part.rows]
    if not cells:
        row = " and ".join(f"'{shown(text)}'" for text in definition.row or (name,))
        return unusable_metric(name, f"{MISSING}: its table has no row {row} under '{shown(str(column))}'")
    metrics = [_at(part, row, at, definition) for part, row, at in cells[:_MOST_ALIKE]]
    if len(cells) > _MOST_ALIKE or len({metric.value for metric in metrics}) > 1:
        problem = f"is unclear: its table has {len(cells)} such rows; `row: [...]` names one by several of its cells"
        return unusable_metric(name, problem)
    return metrics[0]


def columns_of(part: Part, column: str | int) -> list[int]:
    """Return the columns of a head, by its whole text, else by its lower or its upper row; a number counts from 1."""
    if isinstance(column, int):
        return [column - 1] if any(len(row) >= column for row in part.rows) else []
    wanted = folded(column)
    for heads in (part.heads(), part.header, part.above):
        found = [index for index, head in enumerate(heads) if head and folded(head) == wanted]
        if found:
            return found
    return []


def _is_row(part: Part, row: Row, definition: MetricDefinition) -> bool:
    if definition.row:
        return {*map(folded, definition.row)} <= {*map(folded, (part.title, *row))}
    return any(definition.name in (built_in_name(cell), evaluated_name(cell), cell) for cell in row if cell)


def _at(part: Part, row: Row, column: int, definition: MetricDefinition) -> Metric:
    heads, name = part.heads(), definition.name
    text = row[column] if len(row) > column else ""
    if heads and any(row[len(heads) :]):
        return unusable_metric(name, f"{_CUT_UP}: '{shown(','.join(row))}'", text=text)
    head = heads[column] if column < len(heads) else ""
    beside = [cell for index, cell in enumerate(row) if index != column]
    percent = without_percent(head)[1] or any(without_percent(cell)[1] for cell in beside)
    place = MetricPlace(row=", ".join(definition.row) or None, column=head or str(column + 1))
    return replace(metric_from_text(name, text, percent=percent), place=place)
