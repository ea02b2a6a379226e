"""The shapes of JSON answers that reads and effects share."""

from typing import Any

from runner.http.strict_json import NotJsonError, read_json

_MOST_DIGITS = 15  # an integer that JSON readers everywhere keep exactly (below 2**53)


def read_object(body: bytes) -> dict[str, Any] | None:
    """Return the strict JSON object of a body, or None when it is something else."""
    try:
        document = read_json(body)
    except NotJsonError:
        return None
    return document if isinstance(document, dict) else None


def names_job(document: dict[str, Any], retrain_job_id: str) -> bool | None:
    """Whether the answer's metadata carries the given id; None when it carries none."""
    metadata = document.get("metadata")
    found = metadata.get("retrain_job_id") if isinstance(metadata, dict) else None
    return None if found is None else not isinstance(found, bool) and str(found) == retrain_job_id


def whole_number(value: Any) -> int | None:
    """Return an id given as an integer or as its digits; None for anything else, a bool too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 10**_MOST_DIGITS else None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    return None
