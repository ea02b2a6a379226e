"""Metrics in JSON: numbers keep their source text, and what JSON leaves open is a named problem."""

import json
from decimal import Decimal
from typing import Any

from jsonpointer import EndOfList, JsonPointer, JsonPointerException
from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ModelError
from runner.results.column_roles import names_another
from runner.results.entries import refusal
from runner.results.metrics import MISSING, Metric, metric_from_text, unusable_metric, without_percent
from runner.results.number import number_from_text, shown

_MOST_VALUES = 100_000
_DEEPEST = 64


class _Number(Struct, frozen=True, kw_only=True):
    """A number as it is written, `NaN` and `Infinity` too."""

    text: str


class _Twice:
    """Stands for the values of a key that an object has more than once."""


def parse_document(text: str) -> Any:
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
        raise refusal(f"The JSON result is broken at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(document)
    return document


def _number(text: str) -> _Number:
    return _Number(text=text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        members[key] = _Twice() if key in members else value
    return members


def _too_deep() -> ModelError:
    return refusal(f"The JSON result nests deeper than {_DEEPEST} levels.")


def _check_depth(document: Any) -> None:
    """Refuse at a fixed depth, so that the answer does not depend on how deep Python's own stack is just now."""
    level = [document]
    for _ in range(_DEEPEST + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _too_deep()


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def metrics_in(document: Any) -> list[Metric]:
    """Return the named metrics of `{name: number}`, `{"metrics": {...}}` or `{"metrics": [{"name", "value"}]}`.

    Texts beside them may say that they are not the candidate's, or that they are in percent.
    """
    if not isinstance(document, dict):
        return []
    inner = document.get("metrics", document)
    if isinstance(inner, list):
        found = [_of_entry(entry) for entry in inner if _is_named(entry)]
        return _labelled(found, document)
    members = inner if isinstance(inner, dict) else document
    return _labelled([_metric(name, value) for name, value in members.items()], {**document, **members})


def _of_entry(entry: dict[str, Any]) -> Metric:
    percent = any(without_percent(text) == ("", True) for text in _texts(entry))
    metric = _metric(entry["name"], entry.get("value"), percent=percent)
    return _labelled([metric], {key: text for key, text in entry.items() if key != "name"})[0]


def _labelled(metrics: list[Metric], members: dict[str, Any]) -> list[Metric]:
    label = next((text for text in _texts(members) if names_another(text)), None)
    if label is None:
        return metrics
    problem = f"is unclear: next to it is '{shown(label)}'"
    return [unusable_metric(metric.name, problem, text=metric.text) for metric in metrics]


def _texts(members: dict[str, Any]) -> list[str]:
    return [value for value in members.values() if isinstance(value, str)]


def _is_named(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def metric_at(document: Any, pointer: str, name: str) -> Metric:
    """Return the metric `name` whose number stands at the JSON Pointer (RFC 6901), also where it is written as text."""
    absent = unusable_metric(name, f"{MISSING}: nothing stands at '{shown(pointer)}'")
    try:
        value = JsonPointer(pointer).resolve(document)
    except JsonPointerException:
        return absent
    # EndOfList is what the library gives for `-`, the place after a list's last item.
    if isinstance(value, EndOfList):
        return absent
    last = pointer.rpartition("/")[2]
    if isinstance(value, str) and isinstance(number_from_text(value), Decimal):
        return replace(metric_from_text(last, value), name=name)
    return replace(_metric(last, value), name=name)


def _metric(name: str, value: Any, *, percent: bool = False) -> Metric:
    match value:
        case _Number():
            return metric_from_text(name, value.text, percent=percent)
        case _Twice():
            return unusable_metric(name, "occurs twice in one object")
        case bool():
            return unusable_metric(name, "is true or false, not a number")
        case str():
            return unusable_metric(name, "is text, not a number", text=value)
        case None:
            return unusable_metric(name, "is empty")
        case _:
            return unusable_metric(name, "is a list or an object, not a number")
