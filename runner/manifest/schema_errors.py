"""Where a value departs from its schema: jsonschema, sent only to what does not certainly fit."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from runner.lib.schema_keywords import Schema
from runner.lib.schemas import Fit, fit, load_schema

_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


def misfits(document: str, value: Any) -> Iterator[ValidationError]:
    """Yield every violation of a published schema, in the order of the file."""
    errors: Iterator[ValidationError] = _validator(document).iter_errors(value)
    return errors


@cache
def _validator(document: str) -> Any:
    """Return the validator; its registry is empty, so that no reference is ever fetched."""
    registry: Registry[Any] = Registry()
    class_ = validators.extend(Draft202012Validator, _keywords(fit(document)))  # type: ignore[no-untyped-call] # types-jsonschema leaves it untyped
    return class_(load_schema(document), registry=registry)


def _keywords(sure: Fit) -> dict[str, _Keyword]:
    """Return the keywords of jsonschema that go into a value, without going into what certainly fits.

    One mistake among thousands of models then costs no explanation of all the others.
    """

    def properties(validator: Any, schemas: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, dict):
            yield from _within(
                sure, validator, ((key, instance[key], schemas[key]) for key in instance if key in schemas)
            )

    def additional(validator: Any, other: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        known = schema.get("properties", {})
        extra = (key for key in (instance if isinstance(instance, dict) else ()) if key not in known)
        if other is not False:
            yield from _within(sure, validator, ((key, instance[key], other) for key in extra))
        elif next(extra, None) is not None:
            yield ValidationError("there are keys that are not known")

    def items(validator: Any, every: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, list):
            yield from _within(sure, validator, ((index, item, every) for index, item in enumerate(instance)))

    return {"properties": properties, "additionalProperties": additional, "items": items}


def _within(sure: Fit, validator: Any, parts: Iterable[tuple[str | int, Any, Schema]]) -> Iterator[ValidationError]:
    for step, value, schema in parts:
        if sure.accepts(schema, value):
            continue
        for error in validator.descend(value, schema, path=step, schema_path=step):
            if schema is False:
                error.path.appendleft(step)  # descend() leaves the path out where nothing is allowed
            yield error
