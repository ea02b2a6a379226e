"""Where a result has its metrics, when they are not where the service's manual says: the one place, or none."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition
from runner.results.column_roles import evaluated_name, mentions, names_another
from runner.results.containers import Budget, Unread, leads_to, leaves
from runner.results.content import Content, Definitions, Known, built_in, by_name, in_member, known_names, parse
from runner.results.json_document import escaped, metric_at, metrics_in
from runner.results.members import Member, Row, find_member, is_left_out, is_same_path, is_within, named
from runner.results.metrics import (
    MISSING,
    Metric,
    MetricPlace,
    built_in_name,
    folded,
    in_unit,
    metric_from_text,
    recordable,
    unusable_metric,
    within_range,
    without_percent,
)
from runner.results.number import listed, shown
from runner.results.table_layout import Part

METRICS_MEMBERS = ("metrics.csv", "metrics.json")  # the first of them that a result has
COMPARISON_MEMBER = "metrics_comparison.csv"
_LARGEST_SEARCHED = 4 * 1024 * 1024  # of metrics nobody writes more; predictions are longer
_ANOTHERS = ("previous", "never")


def place_text(path: str, pointer: str = "") -> str:
    """Return a place as it is recorded."""
    return recordable(f"{path}#{pointer}" if pointer else path)


def place_phrase(place: str) -> str:
    """Return a recorded place for a sentence: `evaluation.json at /summary`."""
    path, sign, pointer = place.partition("#/")
    return " at ".join(part for part in (path, f"/{pointer}" if sign else "") if part)


class Look(Struct, frozen=True, kw_only=True):
    """One leaf of a result: its content, or `why` it has none that can be read.

    `left_out` tells that its path names the model before or the training rows.
    """

    path: str
    size: int
    content: Content | None = None
    why: str | None = None
    left_out: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """A place with built-in metrics: the path of its file and, in JSON, the pointer to the object that has them."""

    path: str
    pointer: str
    metrics: Mapping[str, Metric]
    content: Content

    @property
    def place(self) -> str:
        """The place in one text: `report.json#/summary`, or the path alone."""
        return place_text(self.path, self.pointer)

    @property
    def is_usable(self) -> bool:
        """Whether any of its metrics has a value that it can have."""
        return any(metric.value is not None for metric in self.metrics.values())


def looks(members: Sequence[Member], known: Known) -> Iterator[Look]:
    """Yield what every leaf of a container holds.

    Raises:
        ModelError: of kind result, where that is more than a look through a result reads.
    """
    budget = Budget()
    for leaf in leaves(members, budget):
        left_out = is_left_out(leaf.path)
        if isinstance(leaf, Unread):
            yield Look(path=leaf.path, size=leaf.size, why=leaf.why, left_out=left_out)
        elif leaf.size > _LARGEST_SEARCHED:
            yield Look(path=leaf.path, size=leaf.size, why="is larger than 4 MiB and not searched", left_out=left_out)
        else:
            budget.take(leaf.size)
            yield look_at(leaf, known, left_out=left_out)


def look_at(leaf: Member, known: Known, *, left_out: bool = False) -> Look:
    """Return what one leaf holds."""
    try:
        content = parse(leaf, known, comparison=is_comparison(leaf.path))
    except ModelError as error:
        why = f"cannot be read: {error.message.removesuffix('.')}"
        return Look(path=leaf.path, size=leaf.size, why=why, left_out=left_out)
    return Look(path=leaf.path, size=leaf.size, content=content, left_out=left_out)


def is_comparison(path: str) -> bool:
    """Return whether the path is that of the service's own comparison of two models."""
    return path.replace("\\", "/").rpartition("/")[2].casefold() == COMPARISON_MEMBER


def found_in(path: str, content: Content, definitions: Definitions) -> list[Found]:
    """Return the places within one content: the whole of it, else the JSON objects in it that name metrics."""
    metrics = built_in(content.current, definitions)
    if metrics and not (content.unlabelled and content.document is not None):
        return [Found(path=path, pointer="", metrics=metrics, content=content)]
    return list(_nested(path, content, definitions))


def _nested(path: str, content: Content, definitions: Definitions) -> Iterator[Found]:
    known = known_names(definitions)
    nodes: list[tuple[str, object]] = [("", content.document)]
    while nodes:
        pointer, node = nodes.pop()
        named = tuple(in_member(metric, path) for metric in metrics_in(node, known, pointer).current)
        metrics = built_in(named, definitions)
        if metrics:
            yield Found(path=path, pointer=pointer, metrics=metrics, content=content)
        else:
            nodes.extend(reversed(list(_below(pointer, node))))


def _below(pointer: str, node: object) -> Iterator[tuple[str, object]]:
    """Yield what an object or a list holds, but for what is said to be the model before or the training rows."""
    if isinstance(node, list):
        yield from ((f"{pointer}/{index}", child) for index, child in enumerate(node))
    elif isinstance(node, dict):
        if any(isinstance(text, str) and names_another(text) for text in node.values()):
            return
        for key, child in node.items():
            if not mentions(key, _ANOTHERS):
                yield f"{pointer}/{escaped(key)}", child


def choose(found: Sequence[Found]) -> Found | str | None:
    """Return the one place; None where there is none; why there is more than one, as a sentence.

    A place where no metric has a usable value counts only where no other has one. A file of the name that the manual
    gives goes before others.
    """
    usable = [place for place in found if place.is_usable] or list(found)
    for name in METRICS_MEMBERS:
        own = [place for place in usable if place.path.replace("\\", "/").rpartition("/")[2].casefold() == name]
        if len(own) == 1:
            return own[0]
    if len(usable) > 1:
        return f"Metrics are in more than one place of the result: {listed(place.place for place in usable)}."
    return usable[0] if usable else None


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
