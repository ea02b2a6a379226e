"""What a result file holds, as text and as JSON, with the lines for the manifest."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, to_builtins

from runner.reports.table import Column, text_table
from runner.reports.text import clipped, inline, render_json
from runner.results.inspection import InspectedMember, Inspection, Spot, by_group
from runner.results.metrics import Metric
from runner.results.number import number_text
from runner.results.search import place_phrase

_MOST_CHOICES = 10
_LONGEST = 120
# What needs no quotes within braces, in any reader of YAML: letters first, and no word that some take for another type.
_PLAIN = re.compile(r"[^\W\d_](?:[\w./-]|[ ](?=[\w.]))*")
_TYPED = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"])
_MEMBERS = (Column(title="member"), Column(title="bytes", number=True), Column(title="what it is"))
_VALUES = (
    *(Column(title="metric"), Column(title="value"), Column(title="member"), Column(title="place")),
    Column(title="remark", spare=True),
)
_NOW = (*(Column(title="metric"), Column(title="value"), Column(title="read from")), Column(title="remark", spare=True))


class Inspected(Struct, frozen=True, kw_only=True):
    """An inspection of a file; `model` and `retrain_job_id` are None where a file was named."""

    file: str
    bytes: int
    model: str | None
    retrain_job_id: str | None
    inspection: Inspection


class Choice(Struct, frozen=True, kw_only=True):
    """Lines for the manifest that read the metrics of one place."""

    about: str
    lines: str


def choices(inspection: Inspection) -> list[Choice]:
    """Return the lines for the manifest, a text for each place that has metrics, at most ten."""
    groups = list(by_group(inspection.spots).values())[:_MOST_CHOICES]
    return [Choice(about=_about(spots), lines=_lines(spots)) for spots in groups]


def _about(spots: Sequence[Spot]) -> str:
    first = spots[0]
    kind, *found = filter(None, first.group[1:])
    place = first.file or "the file"
    match kind, found:
        case "row", [head, *labels]:
            place = ", ".join([place, f"column {head}", *([f"row {' and '.join(labels)}"] if labels else [])])
        case "column", labels:
            place = f"{place}, {' and '.join(labels) or 'its row'}"
        case "pointer", [*labels]:
            where = [f" at {label}" if label.startswith("/") else f", {label}" for label in labels]
            place = f"{place}{''.join(where)}"
    left_out = "; its name says that it is of the model before or of the training rows" if first.left_out else ""
    percent = "; only if it is in percent" if any(spot.unit for spot in spots) else ""
    return f"{place}{left_out}{percent}"


def _lines(spots: Sequence[Spot]) -> str:
    return "\n".join(["metrics:", *(f"  {spot.metric}: {{{', '.join(_parts(spot))}}}" for spot in spots)])


def _parts(spot: Spot) -> Iterator[str]:
    if spot.file is not None:
        yield f"file: {_quoted(spot.file)}"
    if spot.column is not None:
        cells = ", ".join(map(_quoted, spot.row))
        row = [f"row: [{cells}]" if len(spot.row) > 1 else f"row: {cells}"] if spot.row else []
        column = spot.column if isinstance(spot.column, int) else _quoted(spot.column)
        yield f"select: {{{', '.join([*row, f'column: {column}'])}}}"
    elif spot.select is not None:
        yield f"select: {_quoted(spot.select)}"
    if spot.unit is not None:
        yield f"unit: {spot.unit}"


def _quoted(text: str) -> str:
    """Return a text as YAML reads it back within braces."""
    if (_PLAIN.fullmatch(text) or _is_pointer(text)) and text.casefold() not in _TYPED:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _is_pointer(text: str) -> bool:
    return text.startswith("/") and re.fullmatch(r"[\w./~-]+", text) is not None


def inspected_json(inspected: Inspected) -> str:
    """Return all of it as a JSON object; decimals are texts."""
    found, now = inspected.inspection, inspected.inspection.now
    value = {
        "inspect_version": 1,
        "file": inspected.file,
        "bytes": inspected.bytes,
        "model": inspected.model,
        "retrain_job_id": inspected.retrain_job_id,
        "form": found.form,
        "members": [
            {"path": member.path, "bytes": member.size, "what": member.what, "left_out": member.left_out}
            for member in found.members
        ],
        "values": [_spot_json(spot) for spot in found.spots],
        "more_values": found.more_spots,
        "now": {
            "unread": now.unread,
            "place": now.place,
            "searched": now.searched,
            "metrics": {name: _metric_json(metric) for name, metric in now.metrics.items()},
            "previous": {name: _metric_json(metric) for name, metric in now.previous.items()},
        },
        "manifest_lines": [{"about": choice.about, "lines": choice.lines} for choice in choices(found)],
    }
    return render_json(value).decode()


def _spot_json(spot: Spot) -> dict[str, object]:
    return {
        "metric": spot.metric,
        "file": spot.file,
        "select": spot.select,
        "row": spot.row,
        "column": spot.column,
        "text": spot.text,
        "value": None if spot.value is None else number_text(spot.value),
        "problem": spot.problem,
        "unit": spot.unit,
        "left_out": spot.left_out,
    }


def _metric_json(metric: Metric) -> dict[str, object]:
    value = None if metric.value is None else number_text(metric.value)
    place = None if metric.place is None else to_builtins(metric.place.bounded())
    return {"text": metric.text, "value": value, "place": place, "problem": metric.problem}


def inspected_text(inspected: Inspected, *, width: int | None) -> str:
    """Return all of it for a terminal or a file."""
    found = inspected.inspection
    members = (_member_row(inspected, member) for member in found.members)
    blocks = [
        "\n".join(_head(inspected)),
        _table("members", _MEMBERS, members, width),
        _table("values that look like metrics", _VALUES, map(_value_row, found.spots), width),
        "\n".join(_now(found, width)),
        *_pasted(found),
    ]
    return "\n\n".join(block for block in blocks if block)


def _head(inspected: Inspected) -> Iterator[str]:
    if inspected.model is not None:
        yield f"model: {inline(inspected.model)}, job {inline(inspected.retrain_job_id)}"
    yield f"file:  {inline(inspected.file)}, {inspected.bytes:,} bytes"
    yield f"form:  {inline(inspected.inspection.form)}"


def _table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None) -> str:
    cells = [[clipped(cell, _LONGEST) for cell in row] for row in rows]
    return f"{title}:\n{text_table(columns, cells, width=width)}" if cells else ""


def _member_row(inspected: Inspected, member: InspectedMember) -> list[str]:
    path = member.path or Path(inspected.file).name
    return [path, f"{member.size:,}", _said(member.what, left_out=member.left_out)]


def _said(text: str, *, left_out: bool) -> str:
    return f"{text}; a search leaves it out" if left_out else text


def _value_row(spot: Spot) -> list[str]:
    place = spot.select or ", ".join(spot.row)
    if spot.column is not None:
        place = f"{f'{place}, ' if place else ''}column {spot.column}"
    remark = spot.problem or ""
    if spot.unit is not None and spot.value is not None:
        remark = f"with `unit: percent` it is {number_text(spot.value)}"
    return [spot.metric, spot.text, spot.file or "", place, _said(remark, left_out=spot.left_out).removeprefix("; ")]


def _now(found: Inspection, width: int | None) -> Iterator[str]:
    now = found.now
    if now.unread is not None:
        yield f"the manifest reads nothing now: {inline(now.unread)}"
        return
    how = ", found by a search" if now.searched else ""
    where = f" (in {inline(place_phrase(now.place))}{how})" if now.place else ""
    rows = [
        [
            name,
            "" if metric.value is None else number_text(metric.value),
            "" if metric.value is None or metric.place is None else metric.place.phrase(),
            metric.problem or "",
        ]
        for name, metric in now.metrics.items()
    ]
    yield _table(f"the manifest reads now{where}", _NOW, rows, width)
    if now.trouble is not None:
        yield inline(now.trouble)


def _pasted(found: Inspection) -> Iterator[str]:
    several = choices(found)
    if not several:
        yield "Nothing in it has the name of a built-in metric and a value that it can have."
    for number, choice in enumerate(several, start=1):
        which = f"choice {number} of {len(several)}, " if len(several) > 1 else ""
        yield f"lines for the manifest, {which}{inline(choice.about)}:\n{choice.lines}"
