"""The Date header of an answer (RFC 9110, section 6.6.1): the clock of whoever answered, in whole seconds."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

YEARS = range(2000, 2200)  # any other leaves no room for the arithmetic of waiting, and is no time that is meant
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
