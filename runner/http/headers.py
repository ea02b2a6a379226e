"""Headers that say when, and those that a signed URL asks for: what it does not name is not sent."""

import mimetypes
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from runner.lib.secrets import Secret

YEARS = range(2000, 2200)  # any other leaves no room for the arithmetic of waiting, and is not a time that is meant
_FORM = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    r" [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


def read_date(value: str | None) -> datetime | None:
    """Return the aware UTC instant that the header tells, or None where it is absent, doubled or no date of today."""
    text = (value or "").strip()
    if _FORM.fullmatch(text) is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.year in YEARS else None


LONGEST = 300.0
_MOST_DIGITS = 9


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds to wait, 0 to 300, or None for an absent or unreadable header.

    Args:
        value: the header, either seconds or an HTTP date.
        now: the aware instant a date is compared with; the answer's own Date, or the present where it has none.
    """
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return LONGEST if len(text) > _MOST_DIGITS else min(float(text), LONGEST)
    try:
        when = parsedate_to_datetime(text)
        zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (zoned - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST)


_SIGNED = ("x-amz-signedheaders", "x-goog-signedheaders")
_BY_ITSELF = frozenset({"content-length", "host"})
_TYPES = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".zip": "application/zip"}
_BINARY = "application/octet-stream"
_OF_AZURE = frozenset({"sig", "sv", "se"})  # of a shared access signature
_AZURE = {"x-ms-blob-type": "BlockBlob"}


def header_sets(url: Secret, given: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """Return the headers to send with an upload, and what to send instead where the store refuses the signature.

    `given` are those of the manifest, in lower case. A URL names the headers that it signs, but not their values: a
    content type is guessed, as long as the manifest gives none.
    """
    parts = urlsplit(url.reveal())
    query = {name.lower(): value for name, value in parse_qsl(parts.query)}
    azure = _AZURE if query.keys() >= _OF_AZURE else {}
    fixed = {**azure, **given}
    if "content-type" not in _signed(query) or "content-type" in given:
        return (fixed,)
    name = unquote(parts.path)
    ending = name[name.rfind(".") :].lower()
    guesses = dict.fromkeys((_BINARY, _TYPES.get(ending) or mimetypes.guess_type(name)[0] or _BINARY))
    return tuple({**fixed, "content-type": guess} for guess in guesses)


def unsent_headers(url: Secret, sent: Mapping[str, str]) -> tuple[str, ...]:
    """Return the headers that the URL signs and nobody sends: the store refuses it without them."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url.reveal()).query)}
    return tuple(sorted(_signed(query) - _BY_ITSELF - sent.keys()))


def _signed(query: Mapping[str, str]) -> frozenset[str]:
    names = (query[name] for name in _SIGNED if name in query)
    return frozenset(part.strip().lower() for name in names for part in name.split(";") if part.strip())
