"""Headers that say when: `Date` and `Retry-After`."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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
    if text.isascii() and text.isdecimal():
        return LONGEST if len(text) > _MOST_DIGITS else min(float(text), LONGEST)
    try:
        when = parsedate_to_datetime(text)
        zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (zoned - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST)
