"""One byte form for JSON values (RFC 8785), so that digests do not depend on who wrote them."""

import hashlib
from typing import Any

import rfc8785


def canonical_bytes(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises:
        ValueError: the value holds NaN, an infinity, an integer beyond 2**53 or something that is not JSON.
    """
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """Return the lower-case hex SHA-256 of the value's canonical bytes."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()
