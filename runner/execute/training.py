"""Waiting for a training, by its job's status, under the manifest's own deadline."""

from runner.errors import Kind
from runner.execute.api_keys import get_key
from runner.execute.commands import Steps, pause, record
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd, failed, failed_with
from runner.execute.progress_events import InTraining, StatusReceived
from runner.execute.retry import backoff, read
from runner.execute.training_wait import TrainingWait
from runner.execute.upload_evidence import NOT_FOUND
from runner.journal.events import Fact, StatusChanged, TrainingFailed, TrainingFinished
from runner.journal.retrain_job import TRAINED, JobStage, RetrainJob
from runner.lib.secrets import Secret
from runner.manifest.durations import duration_text
from runner.plan.operator_commands import resolve_commands
from runner.providers.call_results import Code, ServiceError, Status

OUTAGES = 10  # reads in a row that may fail, each with its own retries, before this run gives up waiting


def wait(run: ModelRun) -> Steps[StageEnd]:
    """Ask until the training has ended or the deadline of this run has passed."""
    key, watch = (yield from get_key(run)), TrainingWait.begin(run)
    run.tell(InTraining(retrain_job_id=run.job.retrain_job_id, elapsed_s=watch.before, expected_s=watch.last))
    with run.timed("wait_s"), run.run.pace.waiting():
        first = watch.first
        if first > 0:
            yield from pause(first)
        while True:
            asked = watch.ask()
            status = yield from _ask(run, key, watch)
            if isinstance(status, ModelOutcome):
                return status
            seen = _take_in(run, status, lingers=watch.lingers(status.word, asked))
            if status.phase != "going":
                return (yield from _ended(run, status, seen))
            if seen:
                yield from record(*seen)
            run.run.pace.going = True
            if watch.contradicts(status, asked):
                return _contradicted(run, status.word)
            if watch.left <= 0:
                return _still_training(run)
            yield from pause(watch.pause(status.word, asked))


def _take_in(run: ModelRun, status: Status, *, lingers: bool) -> tuple[StatusChanged, ...]:
    """Return what is to be recorded of a status: a new word, and once more a doubtful one that lingers."""
    job = run.job
    if status.word != job.word:
        _warn_of_drift(run, status)
        run.tell(StatusReceived(retrain_job_id=job.retrain_job_id, word=status.word))
    elif not lingers:
        return ()
    return (StatusChanged(retrain_job_id=job.retrain_job_id, word=status.word),)


def _ask(run: ModelRun, key: Secret, watch: TrainingWait) -> Steps[Status | ModelOutcome]:
    """Read the status; put up with a job that is not known yet, and with outages, a bounded number of times."""
    job, outages = run.job, 0

    def ask() -> Status:
        return run.run.service.status(key, job.retrain_job_id)

    while True:
        try:
            return (yield from read(run, "status", ask, patient=True))
        except ServiceError as error:
            if error.code == Code.JOB_DELETED:
                return (yield from _deleted(run, error))
            if error.code == Code.NOT_FOUND_JOB and _was_never_known(job):
                return Status(
                    word=NOT_FOUND, phase="going", model_id=None, message=None, download_url=None, date=error.date
                )
            outages += 1
            if not (error.again and outages < OUTAGES):
                return failed(error)
            run.warn(f"status: {error.message}")
            if watch.left <= 0:
                return _still_training(run)
        yield from pause(backoff(outages, run.run.chance))


def _was_never_known(job: RetrainJob) -> bool:
    """Tell whether the service did not know the job before its upload, nor since: it may need a moment."""
    never_seen = job.word in (None, NOT_FOUND) and job.upload_proof == "store"
    return job.stage == JobStage.STARTED and job.status_before_upload in (None, NOT_FOUND) and never_seen


def _deleted(run: ModelRun, error: ServiceError) -> Steps[ModelOutcome]:
    yield from record(
        TrainingFailed(retrain_job_id=run.job.retrain_job_id, word="deleted", message=error.message.rstrip("."))
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
            run.run.pace.learn(run.job.training_seconds)
        run.finished = status
        return None
    message = status.message or f"the service gave no message beside the status {status.word}"
    yield from record(*seen, TrainingFailed(retrain_job_id=name, word=status.word, message=message.rstrip(".")))
    used, allowed = run.progress.attempts(run.job.dataset_sha256 or ""), run.model.retrain.attempts
    again = "The next run tries once more" if used < allowed else "No attempt is left on this data; change the data"
    return failed_with(
        Kind.TRAINING,
        f"The training of job {name} failed ({status.word}): {message.rstrip('.')}.",
        f"{again}, or train it now with `{run.run.options.train_anew(run.model.name)}`.",
    )


def _warn_of_drift(run: ModelRun, status: Status) -> None:
    """Say when the service contradicts what the journal knows of the job."""
    job = run.job
    if job.upload_proof == "store" and status.phase == "going" and status.word == job.status_before_upload:
        run.warn(f"drift: the store took the upload, but job {job.retrain_job_id} still says {status.word}")
    if job.stage in TRAINED and status.phase != "finished":
        run.warn(f"drift: job {job.retrain_job_id} had finished by the journal, and says {status.word} now")


def _still_training(run: ModelRun) -> ModelOutcome:
    job, model = run.job, run.model
    _, not_started = resolve_commands(model.name, "upload", state=run.run.state_option)
    doubt = f" If the product shows no training of it, tell: `{not_started}`."
    return ModelOutcome(
        outcome="training",
        reason=f"Job {job.retrain_job_id} is still in training after {duration_text(model.wait.timeout)}; the next "
        f"`retrain run` goes on waiting for it.{doubt if run.progress.upload_in_doubt is job else ''}",
    )


def _contradicted(run: ModelRun, word: str) -> ModelOutcome:
    name = run.job.retrain_job_id
    started, not_started = resolve_commands(run.model.name, "upload", state=run.run.state_option)
    return ModelOutcome(
        outcome="unknown",
        reason=f"The store confirmed the upload to job {name}, but the service still says {word} after the upload URL "
        "has expired: its data may be lost. `retrain run` asks again. If the product shows no training of it, tell: "
        f"`{not_started}`; if it shows one: `{started}`. Nothing is sent before that.",
    )
