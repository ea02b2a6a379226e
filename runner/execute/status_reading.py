"""Reading a training's status: what tells no status is put up with as long as that may pass.

An outage of the service and answers that no document describes are bounded by the wait's own deadline alone. A job that
is "not found" or "deleted" may only not be known yet; it is a status like others until the job was seen once. A job
that was seen, and a key that is refused, must stay so for the quarantine before they are believed.
"""

import math
from datetime import datetime, timedelta

from msgspec import Struct

from runner.errors import Kind
from runner.execute.commands import Workflow, call
from runner.execute.model_run import ModelRun
from runner.execute.retry import backoff
from runner.execute.service_clock import about
from runner.execute.upload_evidence import NOT_FOUND
from runner.journal.retrain_job import DELETED, JobStage, RetrainJob
from runner.lib.secrets import Secret
from runner.providers.base import Code, ServiceError, Status

_GONE = {Code.NOT_FOUND_JOB: NOT_FOUND, Code.JOB_DELETED: DELETED}


class Trouble(Struct, kw_only=True):
    """Answers in a row that told no status: how many, the last one, and since when by both clocks."""

    count: int = 0
    last: ServiceError | None = None
    since: datetime | None = None
    began: float = 0.0

    def note(self, run: ModelRun, error: ServiceError) -> None:
        """Count one; the first of them is told."""
        if not self.count:
            self.since, self.began = run.context.clock.now(), run.context.clock.monotonic()
            run.retry(f"status: {error.message}")
        self.count += 1
        self.last = error

    def end(self, run: ModelRun) -> None:
        """Take in that a status was told again."""
        if self.count > 1 and self.last is not None:
            lasted = about(timedelta(seconds=run.context.clock.monotonic() - self.began))
            run.warn(f"the status could not be read for {lasted} ({self.count} times): {self.last.message}")
        self.count, self.last, self.since = 0, None, None

    def is_final(self, run: ModelRun) -> bool:
        """Return whether it has lasted longer than such an answer may pass."""
        return self.last is None or run.context.clock.monotonic() - self.began >= _patience(run, self.last)

    def pause(self, run: ModelRun) -> float:
        """Return the seconds before the next question."""
        asked = self.last.after if self.last is not None else None
        return max(backoff(self.count, run.context.rng), asked or 0.0)


def ask_status(run: ModelRun, key: Secret, trouble: Trouble) -> Workflow[Status | None]:
    """Ask for the status once; None where it was not told and may be later.

    Raises:
        ServiceError: it will not be told.
    """
    name = run.job.retrain_job_id
    run.count("status")
    try:
        status = yield from call(lambda: run.context.provider.status(key, name), low_priority=True)
    except ServiceError as error:
        failure = error
    else:
        trouble.end(run)
        return status
    value = _GONE.get(failure.code) if failure.code is not None else None
    if value is not None and _was_never_known(run.job):
        trouble.end(run)
        return Status(value=value, phase="going", model_id=None, message=None, download_url=None, date=failure.date)
    trouble.note(run, failure)
    if trouble.is_final(run):
        raise failure
    return None


def _patience(run: ModelRun, error: ServiceError) -> float:
    """Return how many seconds such an answer is put up with, at most until the wait's deadline."""
    if error.again:
        return math.inf
    if error.code in _GONE or (error.kind == Kind.CREDENTIALS and not error.understood):
        return run.quarantine.total_seconds()
    return 0.0 if error.understood or error.code == Code.PART_ELSEWHERE else math.inf


def _was_never_known(job: RetrainJob) -> bool:
    """Return whether nothing was heard of the job since its upload: the service may need a moment."""
    unheard = job.status in (None, *_GONE.values()) and job.upload_proof != "status"
    return job.stage == JobStage.STARTED and unheard
