"""The Retry-After header (RFC 9110, section 10.2.3), read so that no value of it can crash or stall a run."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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
