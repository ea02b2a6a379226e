"""One run's waiting for one training, measured by the clock that does not jump."""

import math
from datetime import datetime, timedelta

from msgspec import Struct

from runner.execute.model_run import ModelRun
from runner.execute.polling import SHORTEST, guess, next_pause
from runner.execute.service_clock import ClockReading, surely_over
from runner.execute.upload_evidence import is_said_in_training, says_waiting
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.providers.call_results import Status

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
        clock, started = run.run.clock, run.job.started_at or run.job.intended_at
        before = max((clock.now() - started).total_seconds(), 0.0) if started else 0.0
        return cls(run=run, began=clock.monotonic(), before=before, last=run.progress.last_training_seconds())

    def ask(self) -> StatusRequest:
        """Return the moment of a question that is put now."""
        return StatusRequest(at=self.run.run.clock.now(), waited=self._waited())

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
        return 0.0 if fixed or not self.run.run.pace.going else min(self._step(), _FIRST_S, self.left) - self.before

    def pause(self, word: str, asked: StatusRequest) -> float:
        """Return the seconds until the status is to be asked for again, after it was this word."""
        step = self._step()
        return min(step, max(self._until_known(word, asked), SHORTEST), self.left)

    def _step(self) -> float:
        """Return the next pause; an adaptive one is spread, or models that began together would ask together."""
        poll, pace = self.run.model.wait.poll, self.run.run.pace
        by = guess(self.last, pace.usual)
        step = next_pause(self.before + self._waited(), by, poll, shortest=pace.shortest)
        return step if poll is not None else step * (1 + _SPREAD * (self.run.run.chance.random() - 0.5))

    def lingers(self, word: str, asked: StatusRequest) -> bool:
        """Tell whether the job says a doubtful word although the quarantine since its upload is over.

        Once that is recorded it is not told again.
        """
        job = self.run.job
        return self._is_doubtful(job, word) and word not in job.lingered and self._is_settled(job, asked)

    def contradicts(self, status: Status, asked: StatusRequest) -> bool:
        """Tell whether the service says that nothing came, where the store said that everything did.

        Told when nothing can come any more; where a job was trained under this word before, it says nothing. Of a word
        that only never changed it is told at the end of the wait.
        """
        job, word = self.run.job, status.word
        lost = self._is_doubtful(job, word) and job.upload_proof == "store" and word in job.lingered
        plain = says_waiting(self.run, word) or self.left <= 0
        reading = ClockReading(date=status.date, before=asked.at, after=self.run.run.clock.now())
        over = asked.waited >= self._steady() and surely_over(self.run, job.url_expires_at, reading)
        return lost and plain and over and not is_said_in_training(self.run, word)

    def _until_known(self, word: str, asked: StatusRequest) -> float:
        """Return the seconds until the next of the two above could be told."""
        job = self.run.job
        if not self._is_doubtful(job, word):
            return math.inf
        if word not in job.lingered:
            return math.inf if self._is_settled(job, asked) else self._steady() - self._waited()
        by_clock = (job.url_expires_at + self.run.quarantine - self.run.run.clock.now()).total_seconds()
        return math.inf if by_clock <= 0 else max(by_clock, self._steady() - self._waited())

    def _is_doubtful(self, job: RetrainJob, word: str) -> bool:
        """Tell whether the word is one for waiting, or has perhaps been the job's word since before its upload."""
        unchanged = job.status_before_upload in (None, word) and job.word in (None, word)
        return job.stage == JobStage.STARTED and (unchanged or says_waiting(self.run, word))

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
        return self.run.run.clock.monotonic() - self.began


def _confirmed_at(job: RetrainJob) -> datetime:
    if job.started_at is None:
        raise LookupError(f"job {job.retrain_job_id} is in training and never started")
    return job.started_at
