"""What each keyword of JSON schema asks of the values of one type, as a function that is made once.

A maker is given a part of the schema and the type, and returns the check of what the type leaves open.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

Check = Callable[[Any], object]  # what it returns is true where the value fits
Keywords = Mapping[str, Any]  # each has a value of its own type
Schema = Keywords | bool
Maker = Callable[["Parts", Keywords, type], "Check | None"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
    "null": (type(None),),
}
_SILENT = frozenset({"$schema", "$id", "$defs", "title", "description", "examples", "default", "then", "else"})
_MISSING = object()


class UnsureError(Exception):
    """The schema or the value is beyond what is known here."""


class Checks(dict[type, Check | None]):
    """What a part of a schema asks of values, by their type."""

    def __init__(self, make: Callable[[type], Check | None]) -> None:
        self._make = make

    def __missing__(self, kind: type) -> Check | None:
        """Make the check when a type is first met; it may be one of those derived from JSON's, as YAML's are."""
        made = self[kind] = self._make(kind)
        return made


class Parts(Protocol):
    """The checks of the parts of a schema document."""

    def checks(self, schema: Schema) -> Checks:
        """Return the checks of a part of the document."""

    def target(self, reference: str) -> Checks:
        """Return the checks of the definition that a `$ref` names."""


def _never(_value: object) -> bool:
    return False


def _unsure(_value: object) -> bool:
    raise UnsureError


ANYTHING, NOTHING, DOUBT = Checks(lambda _: None), Checks(lambda _: _never), Checks(lambda _: _unsure)


def _together(found: Sequence[Check | None]) -> Check | None:
    checks = tuple(check for check in found if check is not None)
    if len(checks) < 2:
        return checks[0] if checks else None
    if _never in checks:
        return _never

    def check(value: object) -> bool:
        for check in checks:  # noqa: SIM110 -- `all` with a generator takes twice as long
            if not check(value):
                return False
        return True

    return check


def _beyond(_parts: Parts, _schema: Keywords, _kind: type) -> Check:
    return _unsure


def _reference(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    return parts.target(schema["$ref"])[kind]


def _type(_parts: Parts, schema: Keywords, kind: type) -> Check | None:
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if issubclass(kind, bool):  # these are ints too
        return None if "boolean" in names else _never
    return None if any(issubclass(kind, _TYPES[name]) for name in names) else _never


def _words(_parts: Parts, schema: Keywords, kind: type) -> Check:
    values = tuple(schema["enum"] if "enum" in schema else [schema["const"]])
    if not all(isinstance(value, str | int | None) and not isinstance(value, bool) for value in values):
        return _unsure
    if issubclass(kind, bool | dict | list):
        return _never
    return frozenset(values).__contains__


def _pattern(_parts: Parts, schema: Keywords, kind: type) -> Check | None:
    return re.compile(schema["pattern"]).search if issubclass(kind, str) else None


def _names(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    check = parts.checks(schema["propertyNames"])[str] if issubclass(kind, dict) else None
    return (lambda value: all(map(check, value))) if check else None


def _bounds(_parts: Parts, schema: Keywords, kind: type) -> Check | None:
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    is_number = issubclass(kind, _TYPES["number"]) and not issubclass(kind, bool)
    return (lambda value: least <= value <= most) if is_number else None


def _size(sized: type, at_least: str, at_most: str) -> Maker:
    def make(_parts: Parts, schema: Keywords, kind: type) -> Check | None:
        least, most = schema.get(at_least, 0), schema.get(at_most, float("inf"))
        return (lambda value: least <= len(value) <= most) if issubclass(kind, sized) else None

    return make


def _required(_parts: Parts, schema: Keywords, kind: type) -> Check | None:
    if not issubclass(kind, dict) or _wants_exactly_its_keys(schema):
        return None
    keys = frozenset(schema["required"])
    return lambda value: keys <= value.keys()


def _wants_exactly_its_keys(schema: Keywords) -> bool:
    """Return whether all properties and no others must be there: then as many known keys are all of them."""
    known = schema.get("properties", {})
    return schema.get("additionalProperties") is False and set(schema.get("required", ())) == known.keys()


def _members(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    if not issubclass(kind, dict):
        return None
    known = {key: parts.checks(part) for key, part in schema.get("properties", {}).items()}
    other = schema.get("additionalProperties", True)
    if other is True:
        return _some_members(known)
    return _all_members(known, parts.checks(other), len(known) if _wants_exactly_its_keys(schema) else 0)


def _all_members(known: Mapping[str, Checks], other: Checks, least: int) -> Check:
    find = known.get

    def check(value: Mapping[str, object]) -> bool:
        if len(value) < least:
            return False
        for key, item in value.items():
            check = find(key, other)[type(item)]
            if check is not None and not check(item):
                return False
        return True

    return check


def _some_members(known: Mapping[str, Checks]) -> Check:
    """Return a check that looks at the known keys alone, since under others anything may stand."""
    parts = tuple(known.items())

    def check(value: Mapping[str, object]) -> bool:
        for key, checks in parts:
            item = value.get(key, _MISSING)
            if item is not _MISSING:
                check = checks[type(item)]
                if check is not None and not check(item):
                    return False
        return True

    return check


def _items(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    if not issubclass(kind, list):
        return None
    checks = parts.checks(schema["items"])

    def check(value: Sequence[object]) -> bool:
        for item in value:
            check = checks[type(item)]
            if check is not None and not check(item):
                return False
        return True

    return check


def _unique(_parts: Parts, schema: Keywords, kind: type) -> Check | None:
    if schema["uniqueItems"] is not True:
        return _unsure

    def check(value: Sequence[object]) -> bool:
        if not all(isinstance(item, str) for item in value):
            raise UnsureError
        return len(set(value)) == len(value)

    return check if issubclass(kind, list) else None


def _any_of(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    checks = [parts.checks(part)[kind] for part in schema["anyOf"]]
    if None in checks:
        return None
    some = tuple(check for check in checks if check is not None and check is not _never)
    return some[0] if len(some) == 1 else lambda value: any(check(value) for check in some)


def _choice(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    condition = parts.checks(schema["if"])[kind]
    then, other = parts.checks(schema.get("then", True))[kind], parts.checks(schema.get("else", True))[kind]
    if condition is None or condition is _never:
        return then if condition is None else other

    def check(value: object) -> bool:
        branch = then if condition(value) else other
        return branch is None or bool(branch(value))

    return check


def _all_of(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    """Return the checks of all parts; of those that are for one word at one place each, only that word's is asked."""
    by_place: defaultdict[tuple[str, ...], list[tuple[str, Keywords]]] = defaultdict(list)
    others: list[Schema] = []
    for part in schema["allOf"]:
        case = _case(part) if issubclass(kind, dict) else None
        if case is None:
            others.append(part)
        else:
            by_place[case[0]].append((case[1], part))
    chosen = [_chosen(parts, place, cases, kind) for place, cases in by_place.items()]
    return _together([*(parts.checks(part)[kind] for part in others), *chosen])


def _case(part: Schema) -> tuple[tuple[str, ...], str] | None:
    """Return where and for which word a part has its `then`, if that and no `else` is all that it has."""
    if isinstance(part, bool) or part.keys() != {"if", "then"}:
        return None
    condition, place = part["if"], list[str]()
    while isinstance(condition, dict) and condition.keys() == {"properties", "required"}:
        if len(condition["required"]) != 1 or list(condition["properties"]) != condition["required"]:
            return None
        place.append(condition["required"][0])
        condition = condition["properties"][place[-1]]
    is_word = isinstance(condition, dict) and condition.keys() == {"const"} and isinstance(condition["const"], str)
    return (tuple(place), condition["const"]) if is_word and place else None


def _chosen(parts: Parts, place: tuple[str, ...], cases: Sequence[tuple[str, Keywords]], kind: type) -> Check | None:
    """Return a check that finds the word and asks for its `then`; where there is no word, every part decides itself."""
    values: defaultdict[str, list[Check | None]] = defaultdict(list)
    for value, part in cases:
        values[value].append(parts.checks(part["then"])[kind])
    by_word = {value: _together(checks) for value, checks in values.items()}
    each = _together([parts.checks(part)[kind] for _, part in cases])

    def check(value: object) -> object:
        found = value
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        branch = by_word.get(found) if isinstance(found, str) else each
        return branch is None or branch(value)

    return check


_TEXT = _size(str, "minLength", "maxLength")
_LIST = _size(list, "minItems", "maxItems")
_MAPPING = _size(dict, "minProperties", "maxProperties")
_MAKERS: Mapping[str, Maker] = {
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
    "propertyNames": _names,
    "items": _items,
    "uniqueItems": _unique,
    "allOf": _all_of,
    "anyOf": _any_of,
    "if": _choice,
}


def make_check(parts: Parts, schema: Keywords, kind: type) -> Check | None:
    """Return what a part of a schema asks of the values of one type, None where all of them fit."""
    makers = {_MAKERS.get(keyword, _beyond): None for keyword in schema if keyword not in _SILENT}
    return _together([maker(parts, schema, kind) for maker in makers])
