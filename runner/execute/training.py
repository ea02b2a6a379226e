"""The stage `training`: waits until the job ends, within the time that the manifest allows."""

import math
from datetime import datetime, timedelta

from msgspec import Struct

from runner.errors import Kind
from runner.execute.api_keys import get_key
from runner.execute.commands import Steps, pause, record
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd, failed, failed_with
from runner.execute.polling import SHORTEST, guess, next_pause
from runner.execute.progress_events import InTraining, StatusReceived
from runner.execute.retry import backoff, read
from runner.execute.service_clock import ClockReading, is_over
from runner.execute.upload_evidence import NOT_FOUND, is_said_in_training, says_waiting
from runner.journal.events import Fact, StatusChanged, TrainingFailed, TrainingFinished
from runner.journal.retrain_job import TRAINED, JobStage, RetrainJob
from runner.lib.secrets import Secret
from runner.manifest.durations import duration_text
from runner.plan.model_plan import resolve_commands
from runner.providers.base import Code, ServiceError, Status

_SPREAD = 0.2
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

    def pause(self, value: str, asked: StatusRequest) -> float:
        """Return the seconds until the status is to be asked for again, after it was this word."""
        step = self._step()
        return min(step, max(self._until_known(value, asked), SHORTEST), self.left)

    def _step(self) -> float:
        """Return the next pause; an adaptive one is spread, or models that began together would ask together."""
        poll, training_stats = self.run.model.wait.poll, self.run.context.training_stats
        by = guess(self.last, training_stats.usual)
        step = next_pause(self.before + self._waited(), by, poll, shortest=training_stats.shortest)
        return step if poll is not None else step * (1 + _SPREAD * (self.run.context.rng.random() - 0.5))

    def lingers(self, value: str, asked: StatusRequest) -> bool:
        """Tell whether the job says a doubtful word although the quarantine since its upload is over.

        Once that is recorded it is not told again.
        """
        job = self.run.job
        return self._is_doubtful(job, value) and value not in job.lingered and self._is_settled(job, asked)

    def contradicts(self, status: Status, asked: StatusRequest) -> bool:
        """Tell whether the service says that nothing came, where the store said that everything did.

        Told when nothing can come any more; where a job was trained under this word before, it says nothing. Of a word
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
        """Tell whether the word is one for waiting, or has perhaps been the job's word since before its upload."""
        unchanged = job.status_before_upload in (None, value) and job.status in (None, value)
        return job.stage == JobStage.STARTED and (unchanged or says_waiting(self.run, value))

    def _is_settled(self, job: RetrainJob, asked: StatusRequest) -> bool:
        """Tell whether the quarantine since the upload was confirmed is over.

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


OUTAGES = 10  # reads in a row that may fail, each with its own retries, before this run gives up waiting


def wait(run: ModelRun) -> Steps[StageEnd]:
    """Ask until the training has ended or the deadline of this run has passed."""
    key, watch = (yield from get_key(run)), TrainingWait.begin(run)
    run.tell(InTraining(retrain_job_id=run.job.retrain_job_id, elapsed_s=watch.before, expected_s=watch.last))
    with run.timed("wait_s"), run.context.training_stats.waiting():
        first = watch.first
        if first > 0:
            yield from pause(first)
        while True:
            asked = watch.ask()
            status = yield from _ask(run, key, watch)
            if isinstance(status, ModelOutcome):
                return status
            seen = _take_in(run, status, lingers=watch.lingers(status.value, asked))
            if status.phase != "going":
                return (yield from _ended(run, status, seen))
            if seen:
                yield from record(*seen)
            run.context.training_stats.going = True
            if watch.contradicts(status, asked):
                return _contradicted(run, status.value)
            if watch.left <= 0:
                return _still_training(run)
            yield from pause(watch.pause(status.value, asked))


def _take_in(run: ModelRun, status: Status, *, lingers: bool) -> tuple[StatusChanged, ...]:
    """Return what is to be recorded of a status: a new word, and once more a doubtful one that lingers."""
    job = run.job
    if status.value != job.status:
        _warn_of_drift(run, status)
        run.tell(StatusReceived(retrain_job_id=job.retrain_job_id, status=status.value))
    elif not lingers:
        return ()
    return (StatusChanged(retrain_job_id=job.retrain_job_id, status=status.value),)


def _ask(run: ModelRun, key: Secret, watch: TrainingWait) -> Steps[Status | ModelOutcome]:
    """Read the status; put up with a job that is not known yet, and with outages, a bounded number of times."""
    job, outages = run.job, 0

    def ask() -> Status:
        return run.context.provider.status(key, job.retrain_job_id)

    while True:
        try:
            return (yield from read(run, "status", ask, low_priority=True))
        except ServiceError as error:
            if error.code == Code.JOB_DELETED:
                return (yield from _deleted(run, error))
            if error.code == Code.NOT_FOUND_JOB and _was_never_known(job):
                return Status(
                    value=NOT_FOUND, phase="going", model_id=None, message=None, download_url=None, date=error.date
                )
            outages += 1
            if not (error.again and outages < OUTAGES):
                return failed(error)
            run.warn(f"status: {error.message}")
            if watch.left <= 0:
                return _still_training(run)
        yield from pause(backoff(outages, run.context.rng))


def _was_never_known(job: RetrainJob) -> bool:
    """Tell whether the service did not know the job before its upload, nor since: it may need a moment."""
    never_seen = job.status in (None, NOT_FOUND) and job.upload_proof == "store"
    return job.stage == JobStage.STARTED and job.status_before_upload in (None, NOT_FOUND) and never_seen


def _deleted(run: ModelRun, error: ServiceError) -> Steps[ModelOutcome]:
    yield from record(
        TrainingFailed(retrain_job_id=run.job.retrain_job_id, status="deleted", message=error.message.rstrip("."))
    )
    return failed(error)


def _ended(run: ModelRun, status: Status, seen: tuple[StatusChanged, ...]) -> Steps[StageEnd]:
    """Record the last word together with the end that it tells."""
    name = run.job.retrain_job_id
    if status.phase == "finished":
        news: list[Fact] = [*seen]
        if run.job.stage not in TRAINED:
            news.append(TrainingFinished(retrain_job_id=name, model_id=status.model_id))
        if news:
            yield from record(*news)
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
        f"{again}, or train it now with `{run.context.options.train_anew(run.model.name)}`.",
    )


def _warn_of_drift(run: ModelRun, status: Status) -> None:
    """Say when the service contradicts what the journal knows of the job."""
    job = run.job
    if job.upload_proof == "store" and status.phase == "going" and status.value == job.status_before_upload:
        run.warn(f"drift: the store took the upload, but job {job.retrain_job_id} still says {status.value}")
    if job.stage in TRAINED and status.phase != "finished":
        run.warn(f"drift: job {job.retrain_job_id} had finished by the journal, and says {status.value} now")


def _still_training(run: ModelRun) -> ModelOutcome:
    job, model = run.job, run.model
    _, not_started = resolve_commands(model.name, "upload", state=run.context.state_option)
    doubt = f" If the product shows no training of it, tell: `{not_started}`."
    return ModelOutcome(
        outcome="training",
        reason=f"Job {job.retrain_job_id} is still in training after {duration_text(model.wait.timeout)}; the next "
        f"`retrain run` goes on waiting for it.{doubt if run.progress.upload_unknown is job else ''}",
    )


def _contradicted(run: ModelRun, value: str) -> ModelOutcome:
    name = run.job.retrain_job_id
    started, not_started = resolve_commands(run.model.name, "upload", state=run.context.state_option)
    return ModelOutcome(
        outcome="unknown",
        reason=f"The store confirmed the upload to job {name}, but the service still says {value} after the upload URL "
        "has expired: its data may be lost. `retrain run` asks again. If the product shows no training of it, tell: "
        f"`{not_started}`; if it shows one: `{started}`. Nothing is sent before that.",
    )
