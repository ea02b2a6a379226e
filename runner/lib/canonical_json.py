"""One byte form for JSON values (RFC 8785), so that digests do not depend on who wrote them."""

import hashlib
from typing import Any

import msgspec
import rfc8785

_LARGEST = 2**53 - 1  # of the integers that every reader of JSON takes as they are
_ENCODER = msgspec.json.Encoder(order="sorted")
_NAMED = frozenset((str, bool, type(None)))


def canonical_bytes(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises:
        ValueError: the value holds NaN, an infinity, an integer beyond 2**53 or something that is not JSON.
    """
    if _is_common(value):
        try:
            return _ENCODER.encode(value)
        except UnicodeEncodeError:
            pass  # half of a surrogate pair: the error below says so
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """Return the lower-case hex SHA-256 of the value's canonical bytes."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def _is_common(value: Any) -> bool:
    """Return whether msgspec, ten times as fast, writes the same bytes: it sorts by UTF-8, and has its own floats."""
    left = [value]
    while left:
        item = left.pop()
        kind = type(item)
        if kind is dict:
            if not all(type(name) is str and name.isascii() for name in item):
                return False
            left += item.values()
        elif kind is list or kind is tuple:
            left += item
        elif kind is int:
            if not -_LARGEST <= item <= _LARGEST:
                return False
        elif kind is float:
            if not 1e-3 <= item < 1e15 or item.is_integer():
                return False
        elif kind not in _NAMED:
            return False
    return True
