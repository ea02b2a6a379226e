"""What a plain YAML scalar means here: JSON's constants and numbers, and text for everything else.

YAML 1.1 would read `on` and `no` as booleans, `12:30` as 750, `017` as 15 and `2026-01-01` as a date.
"""

import re
from decimal import Decimal
from functools import lru_cache

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 40
_HIGHEST_EXPONENT = 100
_NUMBER_STARTS = frozenset("-0123456789")

Scalar = str | int | Decimal | bool | None


class NumberRangeError(ValueError):
    """A number is longer or larger than any setting of a manifest can be."""


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar; decimals are exact.

    Raises:
        NumberRangeError: a number has more than 40 characters or an exponent beyond 100.
    """
    if text[:1] in _NUMBER_STARTS:
        return _resolve_number(text)
    return _CONSTANTS.get(text, text)


@lru_cache(maxsize=1024)
def _resolve_number(text: str) -> Scalar:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise NumberRangeError
    if match[1] is None and match[2] is None:
        return int(text)
    exponent = int(match[2][1:]) if match[2] else 0
    if abs(exponent) > _HIGHEST_EXPONENT:
        raise NumberRangeError
    return Decimal(text)
