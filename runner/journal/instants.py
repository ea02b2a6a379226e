"""Instants as the journal writes them: RFC 3339 in UTC with microseconds."""

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """Return an aware moment as `2026-03-01T04:05:06.000007Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """Return the aware UTC moment of a stamp."""
    return datetime.fromisoformat(text)
