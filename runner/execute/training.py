"""Waiting for a training, by its job's status, under the manifest's own deadline."""

from datetime import datetime, timedelta

from runner.errors import Kind
from runner.execute.asks import Steps, pause, record
from runner.execute.model_run import Ending, ModelRun, StageEnd, failed, failed_with
from runner.execute.polling import next_pause
from runner.execute.retry import backoff, read
from runner.execute.upload import NOT_FOUND
from runner.journal.events import StatusSeen, TrainingFailed, TrainingFinished
from runner.journal.progress import TRAINED
from runner.manifest.durations import duration_text
from runner.secret import Secret
from runner.service.outcomes import Code, ServiceError, Status

NOT_YET_KNOWN = 3  # a service that did not know the job before its upload may need a moment after it
OUTAGES = 10  # reads in a row that may fail, each with its own retries, before this run gives up waiting


def wait(run: ModelRun) -> Steps[StageEnd]:
    """Ask until the training has ended or the deadline of this run has passed."""
    key, deadline = (yield from run.get_key()), run.run.clock.now() + run.model.wait.timeout
    last = run.progress.last_training_seconds()
    with run.timed("wait_s"):
        while True:
            status = yield from _ask(run, key, deadline)
            if isinstance(status, Ending):
                return status
            if status.word != run.job.word:
                _warn_of_drift(run, status)
                run.say(f"job {run.job.retrain_job_id}: {status.word}")
                yield from record(StatusSeen(retrain_job_id=run.job.retrain_job_id, word=status.word))
            if status.phase != "going":
                return (yield from _ended(run, status))
            left = deadline - run.run.clock.now()
            if left <= timedelta(0):
                return _still_training(run)
            step = next_pause(_elapsed(run), last, run.model.wait.poll)
            yield from pause(min(step, left.total_seconds()))


def _ask(run: ModelRun, key: Secret, deadline: datetime) -> Steps[Status | Ending]:
    """Read the status; put up with a job not known yet and with outages, each a bounded number of times."""
    job, unknown, outages = run.job, 0, 0
    while True:
        try:
            return (yield from read(run, "status", lambda: run.run.service.status(key, job.retrain_job_id)))
        except ServiceError as error:
            if error.code == Code.JOB_DELETED:
                return (yield from _deleted(run, error))
            unknown += error.code == Code.NOT_FOUND_JOB and job.word_before == NOT_FOUND
            outages += error.again
            if not (error.again and outages < OUTAGES) and not 0 < unknown <= NOT_YET_KNOWN:
                return failed(error)
            run.warn(f"status: {error.message}")
            if run.run.clock.now() >= deadline:
                return _still_training(run)
        yield from pause(backoff(unknown + outages, run.run.chance))


def _deleted(run: ModelRun, error: ServiceError) -> Steps[Ending]:
    yield from record(
        TrainingFailed(retrain_job_id=run.job.retrain_job_id, word="deleted", message=error.message.rstrip("."))
    )
    return failed(error)


def _ended(run: ModelRun, status: Status) -> Steps[StageEnd]:
    name = run.job.retrain_job_id
    if status.phase == "finished":
        if run.job.stage not in TRAINED:
            yield from record(TrainingFinished(retrain_job_id=name, model_id=status.model_id))
        run.finished = status
        return None
    message = status.message or f"the service gave no message beside the status {status.word}"
    yield from record(TrainingFailed(retrain_job_id=name, word=status.word, message=message.rstrip(".")))
    used, allowed = run.progress.attempts(run.job.dataset_sha256 or ""), run.model.retrain.attempts
    again = "The next run tries once more" if used < allowed else "No attempt is left on this data; change the data"
    return failed_with(
        Kind.TRAINING,
        f"The training of job {name} failed ({status.word}): {message.rstrip('.')}.",
        f"{again}, or train it now with `retrain run --force`.",
    )


def _warn_of_drift(run: ModelRun, status: Status) -> None:
    """Say when the service contradicts what the journal knows of the job."""
    job = run.job
    if job.upload_proof == "store" and status.phase == "going" and status.word == job.word_before:
        run.warn(f"drift: the store took the upload, but job {job.retrain_job_id} still says {status.word}")
    if job.stage in TRAINED and status.phase != "finished":
        run.warn(f"drift: job {job.retrain_job_id} had finished by the journal, and says {status.word} now")


def _still_training(run: ModelRun) -> Ending:
    return Ending(
        outcome="training",
        reason=f"Job {run.job.retrain_job_id} is still in training after {duration_text(run.model.wait.timeout)}; "
        "the next `retrain run` goes on waiting for it.",
    )


def _elapsed(run: ModelRun) -> float:
    started: datetime | None = run.job.started_at or run.job.intended_at
    return (run.run.clock.now() - started).total_seconds() if started else 0.0
