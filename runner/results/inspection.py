"""All that a result file holds of metrics: its members, every value that looks like one, and how to name its place."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from msgspec import Struct

from runner.errors import ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition, Unit
from runner.results.column_roles import evaluated_name, role_of
from runner.results.containers import Single, opened
from runner.results.content import Content, Definitions, Known, known_names
from runner.results.entries import is_left_out
from runner.results.metrics import ResultMetrics, built_in_name
from runner.results.number import number_from_text
from runner.results.places import Look, look_at, looks
from runner.results.result_file import result_metrics
from runner.results.selection import selected
from runner.results.table import Row

_MOST_VALUES = 200  # of one result; a person reads no more
_PERCENT: Unit = "percent"


class Spot(Struct, frozen=True, kw_only=True):
    """One value that looks like a metric, and the place under which the manifest finds it.

    `file` is None in a single file. `text` is the value as written, `value` what that place reads and `problem` why it
    is no value; `unit` is set where it is one only if it is in percent. `left_out` tells that a search passes it by, as
    a word of its place is that of the model before or of the training rows. Spots of one `group` belong together.
    """

    metric: str
    file: str | None
    select: str | None
    column: str | None
    text: str
    value: Decimal | None
    problem: str | None
    unit: Unit | None
    left_out: bool
    group: tuple[str, ...]


class Member(Struct, frozen=True, kw_only=True):
    """One file of a result: its path, `""` for a single file, its size in bytes, and what it is."""

    path: str
    size: int
    what: str
    left_out: bool


class Inspection(Struct, frozen=True, kw_only=True):
    """What a result file is and holds; `now` is what the manifest reads of it."""

    form: str
    members: tuple[Member, ...]
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
        return _Form(text=text, single=True), [look_at(result.entry, known)]
    found: list[Look] = []
    text = result.form
    try:
        found.extend(looks(result.entries, known))
    except ModelError as error:
        text = f"{text}; not all of it is listed: {error.message}"
    return _Form(text=text, single=False), found


def _member(look: Look) -> Member:
    return Member(path=look.path, size=look.size, what=look.why or _what(look.content), left_out=look.left_out)


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
    found = _in_table(look.content.rows) if look.content.document is None else _in_json(look.content.document)
    for candidate in found:
        yield _spot(look, file, candidate)


class _Candidate(Struct, frozen=True, kw_only=True):
    metric: str
    select: str | None
    column: str | None
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
        column=candidate.column,
        direction=built_in.direction,
        target=built_in.target,
        unit=unit,
    )


def _named(text: str) -> str | None:
    return built_in_name(text) or evaluated_name(text)


def _is_number(text: str) -> bool:
    return isinstance(number_from_text(text), Decimal)


def _in_table(rows: Sequence[Row]) -> Iterator[_Candidate]:
    """Yield the numbers beside a metric's name, and those below one; the head is the last row before any number."""
    first = next((index for index, row in enumerate(rows) if any(map(_is_number, row))), 0)
    header = rows[first - 1] if first else []
    for row in rows[first:]:
        yield from _beside(row, header)
    for column, head in enumerate(header):
        metric = _named(head)
        if metric is not None:
            yield from _below(metric, head, column, rows[first:])


def _beside(row: Row, header: Row) -> Iterator[_Candidate]:
    place = next((index for index, cell in enumerate(row) if _named(cell)), None)
    metric = None if place is None else _named(row[place])
    if place is None or metric is None:
        return
    for column, text in enumerate(row):
        head = header[column] if column < len(header) else ""
        if column != place and _is_number(text):
            yield _Candidate(
                metric=metric,
                select=row[place],
                column=head or None,
                text=text,
                words=(head,),
                group=("row", head or str(column)),
            )


def _below(metric: str, head: str, column: int, rows: Sequence[Row]) -> Iterator[_Candidate]:
    for row in rows:
        text = row[column] if column < len(row) else ""
        if not _is_number(text):
            continue
        label = next((cell for cell in row if cell and not _is_number(cell)), None)
        yield _Candidate(
            metric=metric,
            select=label if len(rows) > 1 else None,
            column=head,
            text=text,
            words=(label or "",),
            group=("column", label or ""),
        )


def _in_json(document: Any) -> Iterator[_Candidate]:
    nodes: list[tuple[str, Any, tuple[str, ...]]] = [("", document, ())]
    while nodes:
        pointer, node, words = nodes.pop()
        children = list(_members(pointer, node))
        for key, below, child in children:
            beside = [value for value in node.values() if isinstance(value, str)] if isinstance(node, dict) else []
            metric = _metric_of(key, beside, words[-1] if words else "")
            text = child if isinstance(child, str) and _is_number(child) else getattr(child, "text", None)
            if metric is not None and isinstance(text, str):
                yield _Candidate(
                    metric=metric,
                    select=below,
                    column=None,
                    text=text,
                    words=(*words, *(one for one in beside if not _is_number(one))),
                    group=("pointer", pointer),
                )
        nodes += [(below, child, (*words, key)) for key, below, child in reversed(children)]


def _metric_of(key: str, beside: Sequence[str], parent: str) -> str | None:
    """Return the metric of a key, or of a `value` beside the metric's name or below it."""
    if role_of(key) != "value" or _named(key) is not None:
        return _named(key)
    return next((name for name in map(_named, [*beside, parent]) if name is not None), None)


def _members(pointer: str, node: Any) -> Iterator[tuple[str, str, Any]]:
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
        if spot.value is not None and spot.metric not in {other.metric for other in groups.get(spot.group, ())}:
            groups.setdefault(spot.group, []).append(spot)
    return groups
