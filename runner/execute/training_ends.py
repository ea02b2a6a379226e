"""How a wait ends while the training continues: what the service says, since when, and the line that helps."""

from datetime import timedelta

from runner.errors import Kind
from runner.execute.model_run import ModelOutcome, ModelRun, failed_with
from runner.execute.service_clock import about
from runner.execute.status_reading import Trouble
from runner.execute.unknown_statuses import failed_line, finished_line, quoted, sounds_failed, sounds_finished
from runner.journal.retrain_job import RetrainJob
from runner.lib.text import shown
from runner.lib.timestamps import seconds_text
from runner.manifest.durations import duration_text
from runner.plan.model_plan import abandon_command, resolve_commands
from runner.providers.base import Status

_GOES_ON = "the next run keeps waiting for it"


def sounds_ended(job: RetrainJob, status: Status) -> bool:
    """Return whether a status that the manifest does not know is an end anyway: it has a result, or sounds so."""
    sounds = sounds_finished(status.value) or sounds_failed(status.value)
    return status.download_url is not None or (sounds and status.value != job.status_before_upload)


def still_training(run: ModelRun, status: Status) -> ModelOutcome:
    """Return the outcome of a wait whose deadline has passed."""
    if status.phase == "finished":
        missing = "but its answers name no URL of the result; the next run asks for it again"
        failed = failed_line(run.context.manifest.service.statuses, status.value)
        wrong = f"If this status is a failure, take it out of `finished` and add `{failed}` under `service:`."
        return _training(f"{_said(run, status)}, {missing}. {wrong}")
    _, not_started = resolve_commands(run.model.name, "upload", state=run.context.state_option)
    doubt = f" If the product shows no training of it, tell: `{not_started}`."
    waited = f"and was waited for for {duration_text(run.model.wait.timeout)} in this run; {_GOES_ON}"
    known = doubt if run.progress.upload_unknown is run.job else f" {_way_out(run)}"
    return _training(f"{_said(run, status)}, {waited}. {_lines(run, status.value)}{known}")


def _way_out(run: ModelRun) -> str:
    abandon = abandon_command(run.model.name, state=run.context.state_option)
    return (
        f"If the product shows that it will never end, abandon it: `{abandon}`. New data is trained as usual then, and "
        f"`{run.context.choice.train_anew(run.model.name)}` trains this data once more."
    )


def still_unread(run: ModelRun, trouble: Trouble) -> ModelOutcome:
    """Return the outcome of a wait that ends while the status cannot be read."""
    since = f" since {seconds_text(trouble.since)}" if trouble.since is not None else ""
    last = f": {trouble.last.message.rstrip('.')}" if trouble.last is not None else ""
    hint = f" {trouble.last.hint}" if trouble.last is not None else ""
    name = run.job.retrain_job_id
    return _training(f"The status of job {name} could not be read{since}{last}; {_GOES_ON}.{hint}")


def perhaps_ended(run: ModelRun, status: Status) -> ModelOutcome:
    """Return the outcome of a training that sounds ended, in a status that the manifest does not know."""
    if sounds_failed(status.value) and status.download_url is None:
        return _training(f"{_said(run, status)}, which this manifest does not know. {_lines(run, status.value)}")
    line = finished_line(run.context.manifest.service.statuses, status.value)
    result = ", and has a result to download" if status.download_url is not None else ""
    return _training(
        f"{_said(run, status)}{result}, which this manifest does not know as the end of a training. If it is the end, "
        f"add `{line}` under `service:`, then run again: it continues with this job, without another training."
    )


def url_elsewhere(run: ModelRun, status: Status) -> ModelOutcome:
    """Return the outcome of a finished training whose answer has an address, but none under a name that is known."""
    keys = ", ".join(shown(key) for key in status.url_keys)
    return _training(
        f"{_said(run, status)}, but names no `download_url`; there is an address under {keys}. If that is the result, "
        f"add `fields: {{download_url: {quoted(status.url_keys[0])}}}` under `service:`, then run again: it continues "
        "with this job, without another training."
    )


def given_up(run: ModelRun, status: Status) -> ModelOutcome:
    """Return the outcome of a training that has taken longer than any does."""
    limit = duration_text(run.model.wait.give_up)
    return failed_with(
        Kind.TRAINING,
        f"{_said(run, status)}, {limit} after its upload (`wait.give_up`).",
        f"{_lines(run, status.value) if status.phase == 'going' else 'Ask the support of the service for its result.'} "
        f"New data is trained as usual; `{run.context.choice.train_anew(run.model.name)}` trains this data once more.",
    )


def contradicted(run: ModelRun, status: str) -> ModelOutcome:
    """Return the outcome of a job that has no data by the service, and has by the store."""
    name = run.job.retrain_job_id
    started, not_started = resolve_commands(run.model.name, "upload", state=run.context.state_option)
    return ModelOutcome(
        outcome="unknown",
        reason=f"The store confirmed the upload to job {name}, but the service still says {status} after the upload "
        "URL has expired: its data may be lost. The next run asks again. If the product shows no training of it, "
        "tell: "
        f"`{not_started}`; if it shows one: `{started}`. Nothing is sent before that.",
    )


def _training(reason: str) -> ModelOutcome:
    return ModelOutcome(outcome="training", reason=reason)


def _said(run: ModelRun, status: Status) -> str:
    """Return what the service says of the job and since when, as the start of a sentence."""
    job = run.job
    if job.status != status.value or job.status_since is None:
        return f"Job {job.retrain_job_id} says {shown(status.value)}"
    lasts = about(max(run.context.clock.now() - job.status_since, timedelta(0)))
    return f"Job {job.retrain_job_id} says {shown(status.value)} since {seconds_text(job.status_since)} ({lasts})"


def _lines(run: ModelRun, status: str) -> str:
    statuses = run.context.manifest.service.statuses
    if sounds_failed(status):
        return f"If this status is a failure, add `{failed_line(statuses, status)}` under `service:`, then run again."
    return (
        f"If this status is the end of a training, add `{finished_line(statuses, status)}` under `service:`; if it is "
        f"a failure, add `{failed_line(statuses, status)}`."
    )
