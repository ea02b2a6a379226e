"""Instants as the journal writes them: RFC 3339 in UTC with microseconds."""

from datetime import UTC, datetime, timedelta

NOTICED = timedelta(minutes=1)  # clocks that differ by less are not worth a warning
_LARGEST_SKEW = timedelta(minutes=5)  # of two clocks that are set; more than that, one of them was wrong


def stamp(moment: datetime) -> str:
    """Return an aware moment as `2026-03-01T04:05:06.000007Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """Return the aware UTC moment of a stamp."""
    return datetime.fromisoformat(text)


def seconds_text(moment: datetime) -> str:
    """Return an aware UTC moment as people read it, in whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def age(at: datetime, now: datetime) -> timedelta | None:
    """Return how long ago a recorded moment was, perhaps a little below zero.

    None where it is so far ahead of `now` that it tells nothing: a machine whose clock was wrong wrote it.
    """
    return now - at if now - at >= -_LARGEST_SKEW else None
