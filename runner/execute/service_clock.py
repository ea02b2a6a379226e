"""The service's clock, as its answers tell it: a signed URL ends by that, whatever the machines of the runs show.

Each answer's Date counts by itself, at the moment of that answer: no offset is kept over a process's sleep. This
machine's clock counts where an answer tells no time, with a margin, and to see that one of the two clocks is wrong. So
it is never believed that the service's clock is ahead of this one by more than the tolerance.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.execute.model_run import ModelRun
from runner.execute.ports import Clock
from runner.lib.timestamps import NOTICED, seconds_text
from runner.manifest.durations import duration_text

_TICK = timedelta(seconds=1)  # a Date leaves out what is less


class ClockReading(Struct, frozen=True, kw_only=True):
    """What the service's clock showed in an answer, None where that told no time; and ours before and after it."""

    date: datetime | None
    before: datetime
    after: datetime

    @property
    def ahead(self) -> timedelta:
        """Return how far our clock is ahead of the service's at least; below zero where it is behind."""
        if self.date is None:
            return timedelta(0)
        ahead, behind = self.before - self.date - _TICK, self.after - self.date
        return ahead if ahead > timedelta(0) else min(behind, timedelta(0))

    @property
    def latest(self) -> datetime:
        """Return the latest time that the service's clock can have shown when the question was put."""
        return self.before if self.date is None else self.date + _TICK


class UploadEnd(Struct, frozen=True, kw_only=True):
    """When an upload may begin no more: as early as its URL can have expired by the service's clock.

    Counted from `begun_at` by both of our clocks: the one may be set back, the other may stand still in a sleep.
    """

    expires: datetime
    latest: datetime
    wall: datetime
    monotonic: float

    def passed(self, clock: Clock) -> bool:
        """Return whether the URL may have expired by now."""
        slept = timedelta(seconds=clock.monotonic() - self.monotonic)
        return self.latest + max(clock.now() - self.wall, slept) >= self.expires


def tolerance(run: ModelRun) -> timedelta:
    """Return by how much our clock and the service's may differ before one of them is taken for wrong."""
    return max(run.quarantine, NOTICED)


def is_over(run: ModelRun, expires: datetime, reading: ClockReading) -> bool:
    """Return whether a URL had expired and the quarantine was over when the service answered.

    A Date that is ahead of our clock by more than the tolerance is not believed; without one, our clock counts, later
    by the tolerance.
    """
    over = expires + run.quarantine
    if reading.date is None:
        return reading.before >= over + tolerance(run)
    return reading.date >= over and reading.ahead >= -tolerance(run)


def url_end(run: ModelRun, told: datetime | None, reading: ClockReading) -> datetime:
    """Return when a URL expires by the service's clock: as it tells itself, else as late as it can be meant."""
    if told is not None:
        return told
    lifetime = run.context.manifest.service.url_lifetime
    return reading.after + tolerance(run) + lifetime if reading.date is None else reading.latest + lifetime


def compare_clocks(run: ModelRun, reading: ClockReading) -> None:
    """Warn once a run where our clock and the service's differ, or where the service tells no time.

    Raises:
        ModelError: they differ by more than the tolerance; nothing may be sent before that is put right.
    """
    if reading.date is None:
        _warn_once(run, "the service's answers tell no time: this machine's clock counts instead")
        return
    if abs(reading.ahead) < NOTICED:
        return
    told = clock_difference(reading)
    if abs(reading.ahead) <= tolerance(run):
        _warn_once(run, f"{told[0].lower()}{told[1:]}; set it by a time server")
        return
    raise ModelError(
        Kind.CONFIG,
        f"{told}, more than the {duration_text(tolerance(run))} allowed before an upload.",
        hint="Set this machine's clock by a time server, then run again. If it is right, the service's clock is wrong: "
        "tell its support. Nothing was uploaded.",
    )


def refuse_expired(end: UploadEnd, reading: ClockReading) -> None:
    """Refuse a URL that has expired when it is issued: by which clock, the message says.

    Raises:
        ModelError: it has.
    """
    if end.latest < end.expires:
        return
    if reading.date is not None:
        raise ModelError(
            Kind.SERVICE,
            f"The service issued an upload URL that expires at {seconds_text(end.expires)}, when its own clock showed "
            f"{seconds_text(reading.date)}.",
            hint="Tell the service's support; nothing was uploaded.",
        )
    raise ModelError(
        Kind.CONFIG,
        f"The service issued an upload URL that expires at {seconds_text(end.expires)}, and this machine's clock shows "
        f"{seconds_text(reading.before)} already: it is ahead by about {about(reading.before - end.expires)}.",
        hint="Set this machine's clock by a time server, then run again. Nothing was uploaded.",
    )


def clock_difference(reading: ClockReading) -> str:
    """Return by how much our clock and the service's differ, as the begin of a sentence."""
    side = "ahead of" if reading.ahead > timedelta(0) else "behind"
    date = reading.latest if reading.date is None else reading.date
    return (
        f"This machine's clock ({seconds_text(reading.before)}) is {about(abs(reading.ahead))} {side} the service's "
        f"({seconds_text(date)})"
    )


def about(length: timedelta) -> str:
    """Return a length rounded to a unit of which there are at least two."""
    units = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))
    unit, size = next((known_unit for known_unit in units if length >= 2 * known_unit[1]), ("s", timedelta(seconds=1)))
    return f"{round(length / size)}{unit}"


def _warn_once(run: ModelRun, text: str) -> None:
    if not run.context.noted_clocks:
        run.context.noted_clocks.append(text)
        run.warn(text)
