"""Finds out whether an upload without an answer arrived: the job's status is asked for until that is known."""

from datetime import datetime

from runner.execute.commands import Workflow, call, pause, record
from runner.execute.model_run import ModelOutcome, ModelRun, Replan, StageEnd
from runner.execute.retry import backoff, get_key
from runner.execute.upload_evidence import (
    NO_STATUS,
    NOT_FOUND,
    ClockReading,
    evidence_against,
    is_over,
    proves_start,
    proves_waiting,
    says_waiting,
    word_of,
)
from runner.journal.events import JobAbandoned, UploadSucceeded
from runner.lib.secrets import Secret
from runner.lib.timestamps import seconds_text
from runner.plan.model_plan import resolve_commands
from runner.providers.base import Code, ServiceError, Status

_PAUSE_S = 15.0


def settle_upload(run: ModelRun) -> Workflow[StageEnd]:
    """Find out by the job's status whether an upload without an answer arrived."""
    key, job, clock = (yield from get_key(run)), run.job, run.context.clock
    dead_at, began, timeout = job.url_expires_at + run.quarantine, clock.monotonic(), run.model.wait.timeout
    steady = min(run.quarantine, timeout).total_seconds()  # waited at least, in case the wall clock was set forward
    run.say(f"asking whether the upload to job {job.retrain_job_id} arrived; known by {seconds_text(dead_at)}")
    attempt = 0
    while True:
        attempt += 1
        waited = clock.monotonic() - began  # before the question: a sleep over the answer makes it an old one
        run.count("status")
        answer, reading = yield from call(lambda: job_status(run, key, job.retrain_job_id))
        if proves_start(run, answer, job.status_before_upload):
            if job.is_cut_short:
                return started_without_end(run)
            yield from record(UploadSucceeded(retrain_job_id=job.retrain_job_id, proof="status"))
            return None
        over = waited >= steady and is_over(run, job.url_expires_at, reading)
        if over and proves_waiting(run, answer):
            yield from record(JobAbandoned(retrain_job_id=job.retrain_job_id, by="quarantine"))
            return Replan(reason=f"the upload to job {job.retrain_job_id} never arrived")
        left = timeout.total_seconds() - waited
        if left <= 0:
            return _unknown(run, job.retrain_job_id, dead_at, word_of(answer))
        wait = min(backoff(attempt, run.context.rng), _PAUSE_S)
        yield from pause(min(wait, left), interruptible=True)


def job_status(run: ModelRun, key: Secret, retrain_job_id: str) -> tuple[Status | str | None, ClockReading]:
    """Ask for the job's status, and return it with what the clocks showed.

    The status is NOT_FOUND for an unknown job, NO_STATUS where it is refused in words that no document describes, and
    None when it could not be read this time.
    """
    answer: Status | str | None
    before = run.context.clock.now()
    try:
        answer = run.context.provider.status(key, retrain_job_id)
        date = answer.date
    except ServiceError as error:
        refused = None if error.again or error.understood else NO_STATUS
        answer, date = NOT_FOUND if error.code == Code.NOT_FOUND_JOB else refused, error.date
    return answer, ClockReading(date=date, before=before, after=run.context.clock.now())


def _unknown(run: ModelRun, retrain_job_id: str, dead_at: datetime, value: str | None) -> ModelOutcome:
    against = evidence_against(run, value) if value is not None and says_waiting(run, value) else None
    other = f" Job {against[1].retrain_job_id} of {against[0]} says {value} too, after its upload." if against else ""
    started, not_started = resolve_commands(run.model.name, "upload", state=run.context.state_option)
    answers = f"`{not_started}`" if run.job.is_cut_short else f"`{started}` or `{not_started}`"
    return ModelOutcome(
        outcome="unknown",
        reason=f"Whether the upload to job {retrain_job_id} started a training is not known yet.{other} Run "
        f"`retrain run` again after {seconds_text(dead_at)}; it asks the service, and sends nothing before it knows. "
        f"If it never learns, look in the product and tell: {answers}.",
    )


def started_without_end(run: ModelRun) -> ModelOutcome:
    """Return the end of a model whose job has started although the end of its data was never sent."""
    name = run.job.retrain_job_id
    _, not_started = resolve_commands(run.model.name, "upload", state=run.context.state_option)
    return ModelOutcome(
        outcome="unknown",
        reason=f"Job {name} has started although the end of its data was never sent, so nobody knows what it is "
        f"trained on. Look in the product, and remove the model that it makes; then `{not_started}` lets the next run "
        "train the data.",
    )
