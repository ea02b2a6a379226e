"""Moments on the command line: a day, an RFC 3339 time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from runner.cli.options import Duration

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class PointInTime(click.ParamType[datetime]):
    """A moment in UTC. A day stands for its beginning or, with `end_of_day`, for the beginning of the next."""

    name = "moment"

    def __init__(self, *, end_of_day: bool = False) -> None:
        self._end_of_day = end_of_day

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
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


since = click.option(
    "--since",
    type=PointInTime(),
    metavar="WHEN",
    help="From then on: a day in UTC, a time with its zone, or an age (30d).",
)
until = click.option(
    "--until", type=PointInTime(end_of_day=True), metavar="WHEN", help="Up to then; a day counts to its end."
)
