"""Frozen structs <-> JSON values, exactly both ways, by the types of their fields alone.

A decimal becomes its text and a duration its microseconds as text, so that no number passes through a float.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

_MICROSECOND = timedelta(microseconds=1)
_INTEGER = re.compile(r"-?[0-9]{1,20}")


class EncodingError(ValueError):
    """A JSON value does not have the form that a type asks for."""


def encode(value: Any) -> Any:
    """Return the JSON value of a frozen struct of texts, integers, decimals, durations, tuples and mappings."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Struct):
        return {name: encode(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, timedelta):
        return str(value // _MICROSECOND)
    return str(value) if isinstance(value, Decimal) else value


def decode(expected: Any, value: Any) -> Any:
    """Return the value of the expected type that `encode` made this JSON value from.

    Raises:
        EncodingError: the JSON value has another type, a key too many or too few, or a text in another spelling.
    """
    if isinstance(expected, type) and issubclass(expected, Struct):
        return _decode_struct(expected, value)
    if expected is Decimal:
        return _decode_decimal(value)
    if expected is timedelta:
        return _decode_duration(value)
    if get_origin(expected) is not None:
        return _decode_composed(expected, value)
    if type(value) is not expected:  # exact, since a bool is an int
        raise EncodingError(f"expected {expected.__name__}")
    return value


@cache
def _types(expected: Any) -> dict[str, Any]:
    """Return the types of a struct's fields; working them out takes longer than all the rest."""
    return get_type_hints(expected)


def _decode_struct(expected: type[Struct], value: Any) -> Any:
    types = _types(expected)
    names = expected.__struct_fields__
    if not isinstance(value, dict) or value.keys() != set(names):
        raise EncodingError(f"expected an object of {', '.join(names)}")
    return expected(**{name: decode(types[name], value[name]) for name in names})


def _decode_composed(expected: Any, value: Any) -> Any:
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
        raise EncodingError(f"expected one of {', '.join(arguments)}")
    if origin in (Union, UnionType):
        return None if value is None and NoneType in arguments else decode(arguments[0], value)
    if origin is tuple and isinstance(value, list):
        return tuple(decode(arguments[0], item) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {decode(arguments[0], key): decode(arguments[1], item) for key, item in value.items()}
    raise EncodingError("expected a list or an object")


def _decode_decimal(value: Any) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation as error:
        raise EncodingError("expected the text of a number") from error
    if not number.is_finite() or str(number) != value:
        raise EncodingError("expected the text of a number")
    return number


def _decode_duration(value: Any) -> timedelta:
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise EncodingError("expected the text of a whole number of microseconds")
    try:
        return timedelta(microseconds=int(value))
    except OverflowError as error:
        raise EncodingError("expected a duration within Python's range") from error
