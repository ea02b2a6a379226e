"""Metrics in JSON: numbers keep their source text, and what JSON leaves open is a named problem."""

import json
from collections.abc import Iterable, Sequence

from jsonpointer import EndOfList, JsonPointer, JsonPointerException
from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ModelError
from runner.results.column_roles import names_another
from runner.results.members import Row, refusal
from runner.results.metrics import MISSING, Metric, MetricPlace, folded, metric_from_text, unusable_metric
from runner.results.number import shown
from runner.results.table import TableMetrics, read_table
from runner.results.table_layout import METRIC_WORDS, Known, is_metric

_MOST_VALUES = 100_000
_DEEPEST = 64


class _Number(Struct, frozen=True, kw_only=True):
    """A number as it is written, `NaN` and `Infinity` too."""

    text: str


class _Twice:
    """Stands for the values of a key that an object has more than once."""


def parse_document(text: str) -> object:
    """Return the JSON value of a text; only `metrics_in` and `metric_at` know its leaves.

    Raises:
        ModelError: of kind result, for text that is not JSON, nests deeper than 64 or holds over 100,000 values.
    """
    if text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES:
        raise refusal(f"The JSON result holds more than {_MOST_VALUES:,} values.")
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_float=_number, parse_int=_number, parse_constant=_number
        )
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if error.msg == "Extra data" and len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
            return parse_document(f"[{','.join(lines)}]")
        raise refusal(f"The JSON result is broken at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(document)
    return document


def _number(text: str) -> _Number:
    return _Number(text=text)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        members[key] = _Twice() if key in members else value
    return members


def _too_deep() -> ModelError:
    return refusal(f"The JSON result nests deeper than {_DEEPEST} levels.")


def _check_depth(document: object) -> None:
    """Refuse at a fixed depth, so that the answer does not depend on how deep Python's own stack is just now."""
    level = [document]
    for _ in range(_DEEPEST + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _too_deep()


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def metrics_in(document: object, known: Known, at: str = "") -> TableMetrics:
    """Return the metrics of `{name: number}`, of `{"metrics": {...}}`, or of what is a table in any way of writing it.

    Texts beside them may say that they are not the candidate's, or that they are in percent. `at` is the pointer of
    the document.
    """
    inner, pointer = document, at
    if isinstance(document, dict) and isinstance(document.get("metrics"), (dict, list)):
        inner, pointer = document["metrics"], f"{at}/metrics"
    rows = table_in(inner, known)
    if rows:
        found = read_table(rows, known=known, comparison=False)
        found = replace(found, current=_at(found.current, pointer), previous=_at(found.previous, pointer))
    elif isinstance(inner, dict):
        found = TableMetrics(current=tuple(_member(name, value, pointer) for name, value in inner.items()))
    else:
        return TableMetrics()
    said = [text for node in (document, inner) if isinstance(node, dict) for text in _texts(node)]
    return _labelled(found, said)


def table_in(document: object, known: Known) -> list[Row]:
    """Return the rows of what is a table in any way of writing it, none where it is not a table."""
    return [row for row in _rows(document, known) if any(row)]


def _at(metrics: tuple[Metric, ...], pointer: str) -> tuple[Metric, ...]:
    return tuple(
        metric if metric.place is None else replace(metric, place=replace(metric.place, pointer=pointer or None))
        for metric in metrics
    )


def _member(name: str, value: object, pointer: str) -> Metric:
    return replace(_metric(name, value), place=MetricPlace(pointer=f"{pointer}/{escaped(name)}"))


def escaped(key: str) -> str:
    """Return a key as a JSON Pointer has it."""
    return key.replace("~", "~0").replace("/", "~1")


def _rows(node: object, known: Known) -> list[Row]:
    """Return the rows of a table: a list of objects or of lists, columns by their heads, or heads beside the rows."""
    if isinstance(node, dict) and _names_metrics(node, known):
        return _of_columns(node)
    if isinstance(node, dict) and _is_named(node, known):
        return [list(node), [*map(_cell, node.values())]]
    match node:
        case [*items] if any(isinstance(item, dict) for item in items):
            return _of_objects([item for item in items if isinstance(item, dict)])
        case [*items] if items and all(isinstance(item, list) and item and _is_flat(item) for item in items):
            return [[*map(_cell, item)] for item in items if isinstance(item, list)]
        case {"columns": [*heads], "data": [*lists]} if all(
            isinstance(item, list) and _is_flat(item) for item in lists
        ):
            return [[*map(_cell, heads)], *([*map(_cell, item)] for item in lists)]
    return []


def _of_objects(objects: list[dict[str, object]]) -> list[Row]:
    if not all(_is_flat(item.values()) for item in objects):
        return []
    heads = list(dict.fromkeys(key for item in objects for key in item))
    return [] if not heads else [heads, *([_cell(item.get(head)) for head in heads] for item in objects)]


def _names_metrics(columns: dict[str, object], known: Known) -> bool:
    return any(
        isinstance(column, (dict, list)) and (is_metric(head, known) or folded(head) in METRIC_WORDS)
        for head, column in columns.items()
    )


def _is_named(cells: dict[str, object], known: Known) -> bool:
    """Return whether an object is one metric: `{"metric": "auc", "value": 0.91}`."""
    heads = any(folded(head) in METRIC_WORDS for head in cells) and not any(is_metric(head, known) for head in cells)
    return heads and _is_flat(cells.values())


def _of_columns(columns: dict[str, object]) -> list[Row]:
    """Return the rows of `{head: {row: cell}}` or `{head: [cell]}`."""
    cells = {head: dict(enumerate(column)) if isinstance(column, list) else column for head, column in columns.items()}
    flat = [column for column in cells.values() if isinstance(column, dict) and _is_flat(column.values())]
    if len(flat) < len(cells):
        return []
    names = list(dict.fromkeys(name for column in flat for name in column))
    return [["", *cells], *([str(name), *(_cell(column.get(name)) for column in flat)] for name in names)]


def _is_flat(values: Iterable[object]) -> bool:
    return not any(isinstance(value, (dict, list)) for value in values)


def _cell(value: object) -> str:
    match value:
        case _Number():
            return value.text
        case str():
            return value.strip()
        case None:
            return ""
        case _:
            return f"{_metric('', value).problem}"


def _labelled(table: TableMetrics, said: Sequence[str]) -> TableMetrics:
    label = next((text for text in said if names_another(text)), None)
    if label is None:
        return table
    problem = f"is unclear: next to it is '{shown(label)}'"
    return TableMetrics(
        current=tuple(unusable_metric(metric.name, problem, text=metric.text) for metric in table.current)
    )


def _texts(members: dict[str, object]) -> list[str]:
    return [value for value in members.values() if isinstance(value, str)]


def metric_at(document: object, pointer: str, name: str) -> Metric:
    """Return the metric `name` whose number is at the JSON Pointer (RFC 6901), also where it is written as text."""
    absent = unusable_metric(name, f"{MISSING}: nothing is at '{shown(pointer)}'")
    try:
        value = JsonPointer(pointer).resolve(document)
    except JsonPointerException:
        return absent
    # EndOfList is what the library gives for `-`, the place after a list's last item.
    if isinstance(value, EndOfList):
        return absent
    last = pointer.rpartition("/")[2]
    return replace(_metric(last, value), name=name, place=MetricPlace(pointer=pointer))


def _metric(name: str, value: object) -> Metric:
    match value:
        case _Number():
            return metric_from_text(name, value.text)
        case str():
            return metric_from_text(name, value)
        case _Twice():
            return unusable_metric(name, "occurs twice in one object")
        case bool():
            return unusable_metric(name, "is true or false, not a number")
        case None:
            return unusable_metric(name, "is empty")
        case _:
            return unusable_metric(name, "is a list or an object, not a number")
