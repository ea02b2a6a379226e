"""What a status tells about an upload: that its data arrived, that it never did, or neither.

The statuses of waiting (`service.statuses.waiting`) are assumptions: a service may say `waiting` of a job that waits
for its data, or of one that waits for a machine. So such a status is believed only while no other job speaks against
it:

- not while it is the latest status of a model's newest job whose upload is held to have arrived: that job may be in
  training under this status, or the store lied; nobody knows yet;
- not after a job said it when a whole quarantine had passed since its upload arrived (`Job.lingered`).

A job that turned out never to have started speaks against nothing any more. Safe: a job that started is called dead
only if the service says a status of waiting longer than the quarantine after the data arrived, and no job was ever seen
to do so. Within the quarantine a status may lag behind an upload; that is its bound, as it is for late requests, so
what was said only then does not count. Live: the first kind of doubt ends when that job moves on; either ends when a
person says that the store lied.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.execute.commands import Clock
from runner.execute.model_run import ModelRun
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.timestamps import NOTICED, seconds_text
from runner.manifest.durations import duration_text
from runner.providers.base import Status

# What is where a status is expected, and the service gave none.
NOT_FOUND = "not_found"  # it knows no such job
NO_STATUS = "no_status"  # it refuses to tell, in words that no document describes


def says_waiting(run: ModelRun, value: str) -> bool:
    """Return whether the manifest takes the status for one of a job whose data has not arrived."""
    return value == NOT_FOUND or any(part in value for part in run.context.manifest.service.statuses.waiting)


def proves_start(run: ModelRun, answer: Status | str | None, status_before_upload: str | None) -> bool:
    """Return whether the status shows that the upload arrived: it ended, or moved on from what it was before."""
    if not isinstance(answer, Status) or answer.value == status_before_upload:
        return False
    told_before = status_before_upload not in (None, NO_STATUS)
    return answer.phase != "going" or (told_before and not says_waiting(run, answer.value))


def proves_waiting(run: ModelRun, answer: Status | str | None) -> bool:
    """Return whether the status shows that nothing arrived.

    That a status did not change proves nothing: a service may call a job by one status before and after its upload.
    """
    value = word_of(answer)
    return value is not None and says_waiting(run, value) and evidence_against(run, value) is None


def word_of(answer: Status | str | None) -> str | None:
    """Return the status, NOT_FOUND included."""
    return answer.value if isinstance(answer, Status) else answer


def evidence_against(run: ModelRun, value: str) -> tuple[str, RetrainJob] | None:
    """Return a model and its job that speak against taking the status for waiting, or None."""
    for (service, name), progress in run.context.progress.models.items():
        newest = progress.last
        for job in progress.jobs.values() if service == run.context.service else ():
            open_under_it = job is newest and job.stage == JobStage.STARTED and job.status == value
            if open_under_it or (value in job.lingered and job.stage != JobStage.NEVER_STARTED):
                return name, job
    return None


def is_said_in_training(run: ModelRun, value: str) -> bool:
    """Return whether a job that went on to its end said the status long after its data had arrived."""
    jobs = (
        job
        for (service, _), model in run.context.progress.models.items()
        if service == run.context.service
        for job in model.jobs.values()
    )
    return any(value in job.lingered and job.stage not in (JobStage.STARTED, JobStage.NEVER_STARTED) for job in jobs)


# The service's clock, as its answers tell it: a signed URL ends by that, whatever the machines of the runs show. Each
# answer's Date counts by itself, at the moment of that answer: no offset is kept over a process's sleep. This
# machine's clock counts where an answer tells no time, with a margin, and to see that one of the two clocks is wrong.
# So it is never believed that the service's clock is ahead of this one by more than the tolerance.

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
    """Return a duration, rounded to the largest unit of which it has at least two."""
    units = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))
    unit, size = next((known_unit for known_unit in units if length >= 2 * known_unit[1]), ("s", timedelta(seconds=1)))
    return f"{round(length / size)}{unit}"


def _warn_once(run: ModelRun, text: str) -> None:
    if not run.context.noted_clocks:
        run.context.noted_clocks.append(text)
        run.warn(text)
