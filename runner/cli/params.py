"""Types of values on the command line: durations and points in time."""

import re
from datetime import UTC, datetime, timedelta

import click

from runner.manifest.durations import FORMS, LONGEST, parse_duration


class Duration(click.ParamType[timedelta]):
    """A duration as in the manifest: `500ms 90s 15m 6h 7d`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration, or fail with a usage error."""
        if isinstance(value, timedelta):
            return value
        duration = parse_duration(str(value))
        if duration is None:
            self.fail(f"{value!r} is not a duration of at most {LONGEST.days} days such as {FORMS}.", param, ctx)
        return duration


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class PointInTime(click.ParamType[datetime]):
    """A moment in UTC. A day means its beginning or, with `end_of_day`, the beginning of the next day."""

    name = "moment"

    def __init__(self, *, end_of_day: bool = False) -> None:
        self._end_of_day = end_of_day

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the aware moment, or fail with a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            return self._read(str(value), param, ctx)
        except (ValueError, OverflowError, click.BadParameter):
            example = (
                "a day such as 2026-03-01, a time with its zone such as 2026-03-01T04:05:06Z, nor an age such as 30d"
            )
            self.fail(f"{value!r} is neither {example}.", param, ctx)

    def _read(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if _DAY.fullmatch(text):
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day + timedelta(days=1) if self._end_of_day else day
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        return datetime.now(UTC) - Duration().convert(text, param, ctx)
