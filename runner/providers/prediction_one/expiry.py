"""When a signed URL stops working, read from its query.

Sources: Amazon S3 "Authenticating Requests: Using Query Parameters" (signature versions 4 and 2), Google
Cloud Storage "Signed URLs" (V4, V2), Azure Storage "Create a service SAS" (`se`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from runner.http.headers import YEARS

_STAMP = "%Y%m%dT%H%M%SZ"
_LONGEST_NUMBER = 12  # digits; beyond it no date is meant


def expiry(url: str) -> datetime | None:
    """Return the aware UTC instant at which the URL expires, or None when it does not tell one that can be meant."""
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
        told = (
            _dated(query, "x-amz-date", "x-amz-expires")
            or _dated(query, "x-goog-date", "x-goog-expires")
            or _epoch(query)
            or _sas(query)
        )
    except (ValueError, OverflowError):
        return None
    return told if told is not None and told.year in YEARS else None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise ValueError("not a plain number")
    return int(text)


def _dated(query: Mapping[str, str], date: str, seconds: str) -> datetime | None:
    if date not in query or seconds not in query:
        return None
    signed = datetime.strptime(query[date], _STAMP).replace(tzinfo=UTC)
    return signed + timedelta(seconds=_number(query[seconds]))


def _epoch(query: Mapping[str, str]) -> datetime | None:
    if "expires" not in query:
        return None
    return datetime.fromtimestamp(_number(query["expires"]), UTC)


def _sas(query: Mapping[str, str]) -> datetime | None:
    if "se" not in query:
        return None
    end = datetime.fromisoformat(query["se"])
    return end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC)
