"""Whether a value surely fits a JSON schema: yes or no, soon, and without the library that explains.

A check is made from the schema once and is then a few calls for a value; of thousands of models all or nearly all fit.
What does not, or what is beyond the keywords known here, is left to jsonschema, which has the last word.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from runner.schema import load_schema

Check = Callable[[Any], bool]
Schema = Mapping[str, Any] | bool

_SILENT = frozenset({"$schema", "$id", "$defs", "title", "description", "examples", "default", "then", "else"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
    "null": (type(None),),
}


class _UnsureError(Exception):
    """The schema or the value is beyond what is known here."""


class Fit:
    """The checks of one schema document and of all its parts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._made: dict[int, Check] = {}  # by the identity of the part, which lives as long as the document

    def surely(self, schema: Schema, value: Any) -> bool:
        """Tell whether the value surely fits this part of the document."""
        try:
            return self.check(schema)(value)
        except _UnsureError:
            return False

    def check(self, schema: Schema) -> Check:
        """Return the check of a part of the document."""
        if isinstance(schema, bool):
            return _always if schema else _never
        made = self._made.get(id(schema))
        if made is None:
            made = self._made[id(schema)] = self._make(schema)
        return made

    def target(self, reference: str) -> Check:
        """Return the check of the definition that a `$ref` names."""
        start, _, name = reference.rpartition("/")
        return self.check(self._document["$defs"][name]) if start == "#/$defs" else _unsure

    def _make(self, schema: Mapping[str, Any]) -> Check:
        makers = {_MAKERS.get(keyword, _beyond): None for keyword in schema if keyword not in _SILENT}
        checks = tuple(maker(self, schema) for maker in makers)
        return checks[0] if len(checks) == 1 else _together(checks)


@cache
def fit(document: str) -> Fit:
    """Return the checks of a published schema, by its name."""
    return Fit(load_schema(document))


def _always(_value: Any) -> bool:
    return True


def _never(_value: Any) -> bool:
    return False


def _unsure(_value: Any) -> bool:
    raise _UnsureError


def _together(checks: tuple[Check, ...]) -> Check:
    def check(value: Any) -> bool:
        for one in checks:  # noqa: SIM110 -- `all` with a generator takes twice as long
            if not one(value):
                return False
        return True

    return check


def _beyond(_fit: Fit, _schema: Mapping[str, Any]) -> Check:
    return _unsure


def _reference(fit: Fit, schema: Mapping[str, Any]) -> Check:
    return fit.target(schema["$ref"])


def _type(_fit: Fit, schema: Mapping[str, Any]) -> Check:
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    types = tuple(kind for name in names for kind in _TYPES[name])
    if bool in types:
        return lambda value: isinstance(value, types)
    return lambda value: isinstance(value, types) and value is not True and value is not False  # these are ints too


def _words(_fit: Fit, schema: Mapping[str, Any]) -> Check:
    words = tuple(schema["enum"] if "enum" in schema else [schema["const"]])
    if not all(isinstance(word, str | int) for word in words):
        return _unsure
    return lambda value: value in words and not isinstance(value, bool)


def _pattern(_fit: Fit, schema: Mapping[str, Any]) -> Check:
    search = re.compile(schema["pattern"]).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _bounds(_fit: Fit, schema: Mapping[str, Any]) -> Check:
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    numbers = _TYPES["number"]
    return lambda value: not isinstance(value, numbers) or isinstance(value, bool) or least <= value <= most


def _size(kind: type[Any], at_least: str, at_most: str) -> Callable[[Fit, Mapping[str, Any]], Check]:
    def make(_fit: Fit, schema: Mapping[str, Any]) -> Check:
        least, most = schema.get(at_least, 0), schema.get(at_most, float("inf"))
        return lambda value: not isinstance(value, kind) or least <= len(value) <= most

    return make


def _required(_fit: Fit, schema: Mapping[str, Any]) -> Check:
    keys = frozenset(schema["required"])
    return lambda value: not isinstance(value, dict) or keys <= value.keys()


def _members(fit: Fit, schema: Mapping[str, Any]) -> Check:
    known = {key: fit.check(part) for key, part in schema.get("properties", {}).items()}
    other = fit.check(schema.get("additionalProperties", True))

    def check(value: Any) -> bool:
        if isinstance(value, dict):
            for key, item in value.items():
                if not known.get(key, other)(item):
                    return False
        return True

    return check


def _items(fit: Fit, schema: Mapping[str, Any]) -> Check:
    check = fit.check(schema["items"])
    return lambda value: not isinstance(value, list) or all(map(check, value))


def _unique(_fit: Fit, schema: Mapping[str, Any]) -> Check:
    if schema["uniqueItems"] is not True:
        return _unsure

    def check(value: Any) -> bool:
        if not isinstance(value, list):
            return True
        if not all(isinstance(item, str) for item in value):
            raise _UnsureError
        return len(set(value)) == len(value)

    return check


def _all_of(fit: Fit, schema: Mapping[str, Any]) -> Check:
    return _together(tuple(fit.check(part) for part in schema["allOf"]))


def _any_of(fit: Fit, schema: Mapping[str, Any]) -> Check:
    checks = tuple(fit.check(part) for part in schema["anyOf"])
    return lambda value: any(one(value) for one in checks)


def _choice(fit: Fit, schema: Mapping[str, Any]) -> Check:
    condition = fit.check(schema["if"])
    then, other = fit.check(schema.get("then", True)), fit.check(schema.get("else", True))
    return lambda value: then(value) if condition(value) else other(value)


_TEXT = _size(str, "minLength", "maxLength")
_LIST = _size(list, "minItems", "maxItems")
_MAPPING = _size(dict, "minProperties", "maxProperties")
_MAKERS: Mapping[str, Callable[[Fit, Mapping[str, Any]], Check]] = {
    "$ref": _reference,
    "type": _type,
    "enum": _words,
    "const": _words,
    "pattern": _pattern,
    "minimum": _bounds,
    "maximum": _bounds,
    "minLength": _TEXT,
    "maxLength": _TEXT,
    "minItems": _LIST,
    "maxItems": _LIST,
    "minProperties": _MAPPING,
    "maxProperties": _MAPPING,
    "required": _required,
    "properties": _members,
    "additionalProperties": _members,
    "items": _items,
    "uniqueItems": _unique,
    "allOf": _all_of,
    "anyOf": _any_of,
    "if": _choice,
}
