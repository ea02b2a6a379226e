"""All that a result file holds of metrics: its members, every value that looks like one, and how to name its place."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import BinaryIO

from msgspec import Struct

from runner.errors import ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition, Unit
from runner.results.column_roles import evaluated_name, role_of
from runner.results.containers import Single, opened
from runner.results.content import Content, Definitions, Known, known_names
from runner.results.members import Row, is_left_out
from runner.results.metrics import ResultMetrics, built_in_name, folded
from runner.results.result_file import result_metrics
from runner.results.search import Look, columns_of, look_at, looks, selected
from runner.results.table_layout import METRIC_WORDS, Part, is_number

_MOST_VALUES = 200  # of one result; a person reads no more
_MOST_ROWS = 1000  # of a table with metrics
_MOST_LABELS = 10
_PERCENT: Unit = "percent"


class Spot(Struct, frozen=True, kw_only=True):
    """One value that looks like a metric, and the place under which the manifest finds it.

    `file` is None in a single file. `text` is the value as written, `value` what that place reads and `problem` why it
    is not a value; `unit` is set where it is one only if it is in percent. `left_out`: a search ignores it, as
    a word of its place is that of the model before or of the training rows. Spots of one `group` belong together.
    """

    metric: str
    file: str | None
    select: str | None
    row: tuple[str, ...]
    column: str | int | None
    text: str
    value: Decimal | None
    problem: str | None
    unit: Unit | None
    left_out: bool
    group: tuple[str, ...]


class InspectedMember(Struct, frozen=True, kw_only=True):
    """One file of a result: its path, `""` for a single file, its size in bytes, and what it is."""

    path: str
    size: int
    what: str
    left_out: bool


class Inspection(Struct, frozen=True, kw_only=True):
    """What a result file is and holds; `now` is what the manifest reads of it."""

    form: str
    members: tuple[InspectedMember, ...]
    spots: tuple[Spot, ...]
    more_spots: bool
    now: ResultMetrics


def inspect_result(stream: BinaryIO, definitions: Definitions, place_before: str | None = None) -> Inspection:
    """Return what a result file holds, whatever it is; `definitions` are the metrics of the manifest.

    Raises:
        OSError: the stream cannot be read.
    """
    now = result_metrics(stream, definitions, place_before)
    form, found = _looked(stream, known_names(definitions))
    spots = [spot for look in found for spot in _spots(look, single=form.single)][: _MOST_VALUES + 1]
    return Inspection(
        form=form.text,
        members=tuple(_member(look) for look in found),
        spots=tuple(spots[:_MOST_VALUES]),
        more_spots=len(spots) > _MOST_VALUES,
        now=now,
    )


class _Form(Struct, frozen=True, kw_only=True):
    text: str
    single: bool


def _looked(stream: BinaryIO, known: Known) -> tuple[_Form, list[Look]]:
    try:
        result = opened(stream)
    except ModelError as error:
        return _Form(text=f"not readable: {error.message}", single=True), []
    if isinstance(result, Single):
        text = "single file within gzip" if result.packed else "single file"
        return _Form(text=text, single=True), [look_at(result.member, known)]
    found: list[Look] = []
    text = result.form
    try:
        found.extend(looks(result.members, known))
    except ModelError as error:
        text = f"{text}; not all of it is listed: {error.message}"
    return _Form(text=text, single=False), found


def _member(look: Look) -> InspectedMember:
    return InspectedMember(path=look.path, size=look.size, what=look.why or _what(look.content), left_out=look.left_out)


def _what(content: Content | None) -> str:
    if content is None:
        return "is empty"
    if content.document is not None:
        return "JSON"
    columns = max(map(len, content.rows), default=0)
    return f"table, {len(content.rows)} rows, {columns} columns"


def _spots(look: Look, *, single: bool) -> Iterator[Spot]:
    if look.content is None:
        return
    file = None if single else look.path
    found = list(islice(_in_json(look.content.document), _MOST_VALUES + 1))
    found = found or list(islice(_in_table(look.content.parts), _MOST_VALUES + 1))
    for candidate in found:
        yield _spot(look, file, candidate)


class _Candidate(Struct, frozen=True, kw_only=True):
    metric: str
    select: str | None = None
    row: tuple[str, ...] = ()
    column: str | int | None = None
    text: str
    words: tuple[str, ...]
    group: tuple[str, ...]


def _spot(look: Look, file: str | None, candidate: _Candidate) -> Spot:
    """Return the spot with what its place reads, by the very code that reads a manifest's place."""
    definition = _definition(candidate, file, None)
    metric = selected(look.content or Content(), definition, {})
    unit = None
    if metric.value is None:
        percent = _definition(candidate, file, _PERCENT)
        again = selected(look.content or Content(), percent, {candidate.metric: percent})
        if again.value is not None:
            metric, unit = again, _PERCENT
    return Spot(
        metric=candidate.metric,
        file=file,
        select=candidate.select,
        row=candidate.row,
        column=candidate.column,
        text=candidate.text,
        value=metric.value,
        problem=metric.problem,
        unit=unit,
        left_out=look.left_out or is_left_out("/".join(candidate.words)),
        group=(look.path, *candidate.group),
    )


def _definition(candidate: _Candidate, file: str | None, unit: Unit | None) -> MetricDefinition:
    built_in = BUILT_IN_METRICS[candidate.metric]
    return MetricDefinition(
        name=candidate.metric,
        file=file,
        select=candidate.select,
        row=candidate.row,
        column=candidate.column,
        direction=built_in.direction,
        target=built_in.target,
        unit=unit,
    )


def _named(text: str) -> str | None:
    return built_in_name(text) or evaluated_name(text)


class _Table(Struct, frozen=True):
    """The parts of a table, and of each the cells of its rows with the title above them, for comparing."""

    parts: Sequence[Part]
    cells: Sequence[Sequence[frozenset[str]]]

    def rows(self, column: str | int) -> list[frozenset[str]]:
        """Return the cells of every row that has the column."""
        having = (found for part, found in zip(self.parts, self.cells, strict=True) if columns_of(part, column))
        return [row for found in having for row in found]


def _in_table(parts: Sequence[Part]) -> Iterator[_Candidate]:
    """Yield the numbers beside a metric's name, and those below one; a long table has predictions."""
    if sum(len(part.rows) for part in parts) > _MOST_ROWS:
        return
    cells = [[frozenset(map(folded, (part.title, *row))) for row in part.rows] for part in parts]
    table = _Table(parts=parts, cells=cells)
    for part in parts:
        heads = part.heads()
        for row in part.rows:
            named = next((index for index, cell in enumerate(row) if _named(cell)), None)
            for column, text in enumerate(row):
                head = heads[column] if column < len(heads) else ""
                metric = _named(row[named]) if named is not None else _named(part.header[column] if head else "")
                if metric is not None and column != named and is_number(text):
                    yield _in_cell(table, part, row, metric=metric, named=named, column=column)


def _in_cell(  # noqa: PLR0913 -- a cell is where it is
    table: _Table, part: Part, row: Row, *, metric: str, named: int | None, column: int
) -> _Candidate:
    """Return a cell as a place: the head of its column, else its number, and as few cells of its row as are enough."""
    heads = part.heads()
    name = () if named is None else (row[named],)
    head = heads[column] if column < len(heads) else ""
    place: str | int = head if head and columns_of(part, head) == [column] else column + 1
    labels = _labels(table.rows(place), part, row, name=name)
    late = any(folded(cells[0]) in METRIC_WORDS for cells in part.rows)
    is_plain = not (part.header or labels or late) and len(row) == len(("name", "value"))
    return _Candidate(
        metric=metric,
        select=row[named] if is_plain and named is not None else None,
        row=() if is_plain else (*labels, *name),
        column=None if is_plain else place,
        text=row[column],
        words=(head, part.title, *labels),
        group=("row" if name else "column", *((head or str(column + 1),) if name and not is_plain else ()), *labels),
    )


def _labels(rows: Sequence[frozenset[str]], part: Part, row: Row, *, name: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fewest cells, besides the name, that no other of the rows has; all of them where none do."""
    if len(rows) == 1:
        return ()
    texts = [cell for cell in row if cell and cell not in name and not is_number(cell)]
    numbers = [cell for cell, head in zip(row, part.header, strict=False) if is_number(cell) and not _named(head)]
    labels = list(dict.fromkeys(filter(None, (*texts, part.title, *numbers))))[:_MOST_LABELS]
    for some in ((), *((label,) for label in labels), *(tuple(labels[:count]) for count in range(2, len(labels) + 1))):
        wanted = frozenset(map(folded, (*some, *name)))
        if wanted and sum(wanted <= cells for cells in rows) == 1:
            return some
    return tuple(labels)


def _in_json(document: object) -> Iterator[_Candidate]:
    nodes: list[tuple[str, object, tuple[str, ...]]] = [("", document, ())]
    while nodes:
        pointer, node, words = nodes.pop()
        children = list(_members(pointer, node))
        beside = [text for text in node.values() if isinstance(text, str)] if isinstance(node, dict) else []
        for key, below, child in children:
            text = child if isinstance(child, str) and is_number(child) else getattr(child, "text", None)
            found = _metric_of(key, pointer, beside, words[-1] if words else "") if isinstance(text, str) else None
            if found is not None and isinstance(text, str):
                metric, group = found
                labels = (other for other in beside if not is_number(other))
                yield _Candidate(
                    metric=metric, select=below, text=text, words=(*words, key, *labels), group=("pointer", *group)
                )
        said = (*words, *(text for text in beside if not is_number(text)))
        nodes += [(below, child, (*said, key)) for key, below, child in reversed(children)]


def _metric_of(key: str, pointer: str, beside: Sequence[str], parent: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the metric of a number, by its key, a name beside it or the key above it, and what it belongs to."""
    own = _named(key)
    if own is not None:
        return own, (pointer, *(text for text in beside if not is_number(text)))
    if role_of(key) == "value" and any(map(_named, beside)):
        metric = next(filter(None, map(_named, beside)))
        return metric, (pointer.rpartition("/")[0], *(text for text in beside if _named(text) is None))
    above = _named(parent)
    return (
        None if above is None or role_of(key) in ("aside", "difference") else (above, (pointer.rpartition("/")[0], key))
    )


def _members(pointer: str, node: object) -> Iterator[tuple[str, str, object]]:
    """Yield key, pointer and value of what an object or a list holds."""
    if isinstance(node, dict):
        for key, child in node.items():
            yield key, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", child
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield "", f"{pointer}/{index}", child


def by_group(spots: Sequence[Spot]) -> Mapping[tuple[str, ...], list[Spot]]:
    """Return the spots that have a value, by what belongs together; those that a search takes come first."""
    groups: dict[tuple[str, ...], list[Spot]] = {}
    for spot in sorted(spots, key=lambda spot: spot.left_out):
        if spot.value is None:
            continue
        group = spot.group
        while spot.metric in {other.metric for other in groups.get(group, ())}:
            group = (*group, "")  # such as `val_auc` beside `test_auc`
        groups.setdefault(group, []).append(spot)
    return groups
