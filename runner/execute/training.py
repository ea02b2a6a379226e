"""The stage `training`: waits until the job ends, within the time that the manifest allows."""

import math
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import Kind
from runner.execute.commands import Workflow, pause, record
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd, failed, failed_with
from runner.execute.polling import SHORTEST, guess, next_pause
from runner.execute.progress_events import InTraining, StatusReceived
from runner.execute.retry import get_key
from runner.execute.training_ends import (
    Trouble,
    ask_status,
    contradicted,
    given_up,
    perhaps_ended,
    sounds_ended,
    still_training,
    still_unread,
    url_elsewhere,
)
from runner.execute.upload_evidence import ClockReading, is_over, is_said_in_training, says_waiting
from runner.journal.events import Fact, StatusChanged, TrainingFailed, TrainingFinished
from runner.journal.retrain_job import DELETED, TRAINED, JobStage, RetrainJob
from runner.manifest.durations import duration_text
from runner.providers.base import Code, ServiceError, Status

_SPREAD = 0.2
_LATE_URL_S = 15.0  # between questions for the URL of a result that is said to be there
_GONE = ("delet", "not_found", "not found")
_FIRST_S = 2.0  # how old a training is at most when its status is asked for first


class StatusRequest(Struct, frozen=True, kw_only=True):
    """When a status was asked for: by the wall clock, and in seconds of this wait.

    Both are read before the question: a process that slept over the answer must not take it for a new one.
    """

    at: datetime
    waited: float


class TrainingWait(Struct, frozen=True, kw_only=True):
    """A wait that began at `began` (monotonic seconds), `before` seconds into the training.

    `last` is how many seconds the model's training before this one took, where that is known.
    """

    run: ModelRun
    began: float
    before: float
    last: float | None

    @classmethod
    def begin(cls, run: ModelRun) -> "TrainingWait":
        """Return the wait that begins now. Only here does the wall clock tell how old the training is."""
        clock, started = run.context.clock, run.job.started_at or run.job.intended_at
        before = max((clock.now() - started).total_seconds(), 0.0) if started else 0.0
        return cls(run=run, began=clock.monotonic(), before=before, last=run.progress.last_training_seconds())

    def ask(self) -> StatusRequest:
        """Return the moment of a question that is put now."""
        return StatusRequest(at=self.run.context.clock.now(), waited=self._waited())

    @property
    def left(self) -> float:
        """Return the seconds until the model's `wait.timeout` is over; none are left when it is not above zero."""
        return self.run.model.wait.timeout.total_seconds() - self._waited()

    @property
    def first(self) -> float:
        """Return the seconds until the status is to be asked for first; at once where they are not above zero.

        A training that has just begun is left alone for a moment once the run knows that trainings do not end at once.
        """
        fixed = self.run.model.wait.poll is not None
        return (
            0.0
            if fixed or not self.run.context.training_stats.going
            else min(self._step(), _FIRST_S, self.left) - self.before
        )

    def pause(self, status: Status, asked: StatusRequest) -> float:
        """Return the seconds until the status is to be asked for again."""
        step = min(self._step(), _LATE_URL_S) if status.phase == "finished" else self._step()
        return min(step, max(self._until_known(status.value, asked), SHORTEST), self.left)

    @property
    def is_given_up(self) -> bool:
        """Return whether the training is older than a training can be by `wait.give_up`."""
        return self.before + self._waited() >= self.run.model.wait.give_up.total_seconds()

    def stays_deleted(self, status: Status, asked: StatusRequest) -> bool:
        """Return whether a job was deleted for the whole wait and the quarantine, and nothing else about it."""
        return status.value == DELETED and self.left <= 0 and self._is_settled(self.run.job, asked)

    def is_early(self, status: Status) -> bool:
        """Return whether an end is one that may have been said of a job without data.

        So it is when nothing else was heard of the job since its upload, and it was said before that too, or speaks of
        a job that is gone.
        """
        job, value = self.run.job, status.value
        unheard = job.stage == JobStage.STARTED and job.upload_proof != "status" and job.status in (None, value)
        gone = status.phase == "failed" and any(part in value for part in _GONE)
        return status.phase != "going" and unheard and (gone or value == job.status_before_upload)

    def _step(self) -> float:
        """Return the next pause; an adaptive one is spread, or models that began together would ask together."""
        poll, training_stats = self.run.model.wait.poll, self.run.context.training_stats
        by = guess(self.last, training_stats.usual)
        step = next_pause(self.before + self._waited(), by, poll, shortest=training_stats.shortest)
        return step if poll is not None else step * (1 + _SPREAD * (self.run.context.rng.random() - 0.5))

    def lingers(self, value: str, asked: StatusRequest) -> bool:
        """Return whether the job says a doubtful status although the quarantine since its upload is over.

        Once that is recorded it is not told again.
        """
        job = self.run.job
        return self._is_doubtful(job, value) and value not in job.lingered and self._is_settled(job, asked)

    def contradicts(self, status: Status, asked: StatusRequest) -> bool:
        """Return whether the service says that nothing came, where the store said that everything did.

        Told when nothing can come any more; where a job was trained under this status before, it says nothing. Of one
        that only never changed it is told at the end of the wait.
        """
        job, value = self.run.job, status.value
        lost = self._is_doubtful(job, value) and job.upload_proof == "store" and value in job.lingered
        plain = says_waiting(self.run, value) or self.left <= 0
        reading = ClockReading(date=status.date, before=asked.at, after=self.run.context.clock.now())
        over = asked.waited >= self._steady() and is_over(self.run, job.url_expires_at, reading)
        return lost and plain and over and not is_said_in_training(self.run, value)

    def _until_known(self, value: str, asked: StatusRequest) -> float:
        """Return the seconds until the next of the two above could be told."""
        job = self.run.job
        if not self._is_doubtful(job, value):
            return math.inf
        if value not in job.lingered:
            return math.inf if self._is_settled(job, asked) else self._steady() - self._waited()
        by_clock = (job.url_expires_at + self.run.quarantine - self.run.context.clock.now()).total_seconds()
        return math.inf if by_clock <= 0 else max(by_clock, self._steady() - self._waited())

    def _is_doubtful(self, job: RetrainJob, value: str) -> bool:
        """Return whether the status is one for waiting, or has perhaps been the job's since before its upload."""
        unchanged = job.status_before_upload in (None, value) and job.status in (None, value)
        return job.stage == JobStage.STARTED and (unchanged or says_waiting(self.run, value))

    def _is_settled(self, job: RetrainJob, asked: StatusRequest) -> bool:
        """Return whether the quarantine since the upload was confirmed is over.

        This wait began after that, so it may tell alone; another machine's time of the confirmation only shortens it.
        """
        quarantine = self.run.quarantine
        by_clock = asked.at >= _confirmed_at(job) + quarantine
        return asked.waited >= quarantine.total_seconds() or (by_clock and asked.waited >= self._steady())

    def _steady(self) -> float:
        """Return the seconds that this wait must have lasted, in case the wall clock was set forward."""
        return min(self.run.quarantine, self.run.model.wait.timeout) / timedelta(seconds=1)

    def _waited(self) -> float:
        return self.run.context.clock.monotonic() - self.began


def _confirmed_at(job: RetrainJob) -> datetime:
    if job.started_at is None:
        raise LookupError(f"job {job.retrain_job_id} is in training and never started")
    return job.started_at


def wait(run: ModelRun) -> Workflow[StageEnd]:
    """Ask until the training has ended or the deadline of this run has passed."""
    key, watch, trouble = (yield from get_key(run)), TrainingWait.begin(run), Trouble()
    run.tell(InTraining(retrain_job_id=run.job.retrain_job_id, elapsed_s=watch.before, expected_s=watch.last))
    with run.timed("wait_s"), run.context.training_stats.waiting():
        first = watch.first
        if first > 0:
            yield from pause(first, interruptible=True)
        while True:
            asked = watch.ask()
            try:
                status = yield from ask_status(run, key, trouble)
            except ServiceError as error:
                return (
                    still_unread(run, trouble)
                    if error.code == Code.PART_ELSEWHERE
                    else (yield from _not_told(run, error))
                )
            if status is None:
                if watch.left <= 0:
                    return still_unread(run, trouble)
                yield from pause(min(trouble.pause(run), watch.left), interruptible=True)
                continue
            if watch.is_early(status):
                status = replace(status, phase="going")
            lingers = status.phase == "going" and watch.lingers(status.value, asked)
            seen = _take_in(run, status, lingers=lingers)
            if status.phase == "failed" or (status.phase == "finished" and status.download_url is not None):
                return (yield from _ended(run, status, seen))
            if seen:
                yield from record(*seen)
            run.context.training_stats.going = True
            end = _end_of_wait(run, watch, status, asked)
            if end is not None:
                return (yield from _gone(run)) if watch.stays_deleted(status, asked) else end
            yield from pause(watch.pause(status, asked), interruptible=True)


def _gone(run: ModelRun) -> Workflow[ModelOutcome]:
    """End with a job that was reported as deleted for a whole wait, without any other status."""
    message = "the service says that the job may be deleted"
    yield from record(TrainingFailed(retrain_job_id=run.job.retrain_job_id, status=DELETED, message=message))
    train = run.context.choice.train_anew(run.model.name)
    return failed_with(
        Kind.TRAINING,
        f"The service says that job {run.job.retrain_job_id} may be deleted, and nothing else about it.",
        f"Look for it in the product; `{train}` trains this data again.",
    )


def _end_of_wait(run: ModelRun, watch: TrainingWait, status: Status, asked: StatusRequest) -> ModelOutcome | None:
    """Return why this run waits no longer for a training that has not ended, or None."""
    if status.phase == "going" and watch.contradicts(status, asked):
        return contradicted(run, status.value)
    if status.phase == "finished" and status.url_keys:
        return url_elsewhere(run, status)
    if status.phase == "going" and run.job.stage == JobStage.STARTED and sounds_ended(run.job, status):
        return perhaps_ended(run, status)
    if watch.is_given_up:
        return given_up(run, status)
    return still_training(run, status) if watch.left <= 0 else None


def _take_in(run: ModelRun, status: Status, *, lingers: bool) -> tuple[StatusChanged, ...]:
    """Return what is to be recorded of a status: a new one, and once more a doubtful one that lingers."""
    job = run.job
    if lingers and job.upload_proof == "store" and status.value == job.status_before_upload:
        told = f"job {job.retrain_job_id} still says {status.value}, as before its upload, which the store confirmed"
        run.warn(f"{told} more than {duration_text(run.quarantine)} ago")
    if status.value != job.status:
        if job.stage in TRAINED and status.phase != "finished":
            run.warn(f"job {job.retrain_job_id} had finished by the journal, and says {status.value} now")
        run.tell(StatusReceived(retrain_job_id=job.retrain_job_id, status=status.value))
    elif not lingers:
        return ()
    return (StatusChanged(retrain_job_id=job.retrain_job_id, status=status.value),)


def _not_told(run: ModelRun, error: ServiceError) -> Workflow[ModelOutcome]:
    """End with an error that stays; a job that was seen and is deleted now has failed."""
    if error.code == Code.JOB_DELETED:
        message = error.message.rstrip(".")
        yield from record(TrainingFailed(retrain_job_id=run.job.retrain_job_id, status="deleted", message=message))
    return failed(error)


def _ended(run: ModelRun, status: Status, seen: tuple[StatusChanged, ...]) -> Workflow[StageEnd]:
    """Record the last status together with the end that it tells."""
    name = run.job.retrain_job_id
    if status.phase == "finished":
        facts: list[Fact] = [*seen]
        if run.job.stage not in TRAINED:
            facts.append(TrainingFinished(retrain_job_id=name, model_id=status.model_id))
        if facts:
            yield from record(*facts)
            run.context.training_stats.learn(run.job.training_seconds)
        run.finished = status
        return None
    message = status.message or f"the service gave no message beside the status {status.value}"
    yield from record(*seen, TrainingFailed(retrain_job_id=name, status=status.value, message=message.rstrip(".")))
    used, allowed = run.progress.attempts(run.job.dataset_sha256 or ""), run.model.retrain.attempts
    again = "The next run tries once more" if used < allowed else "No attempt is left on this data; change the data"
    return failed_with(
        Kind.TRAINING,
        f"The training of job {name} failed ({status.value}): {message.rstrip('.')}.",
        f"{again}, or train it now with `{run.context.choice.train_anew(run.model.name)}`.",
    )
