"""How a training's status is read, and how a training ends: done, failed, unknown, or with a status nobody knows."""

import json
import math
import re
from datetime import datetime, timedelta

from msgspec import Struct

from runner.errors import Kind
from runner.execute.commands import Workflow, call
from runner.execute.model_run import ModelOutcome, ModelRun, failed_with
from runner.execute.retry import backoff
from runner.execute.upload_evidence import NOT_FOUND, about
from runner.journal.retrain_job import DELETED, JobStage, RetrainJob
from runner.lib.secrets import Secret
from runner.lib.text import shown
from runner.lib.timestamps import seconds_text
from runner.manifest.durations import duration_text
from runner.plan.model_plan import abandon_command, resolve_commands
from runner.providers.base import Code, ServiceError, Status
from runner.providers.facts import Statuses

# Reading a training's status: what tells no status is put up with as long as that may pass. An outage of the service
# and answers that no document describes are bounded by the wait's own deadline alone. A job that is "not found" or
# "deleted" may only not be known yet; it is a status like others until the job was seen once. A job that was seen,
# and a key that is refused, must stay so for the quarantine before they are believed.

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
    """Ask for the status once; None if the answer did not contain it and a later one may.

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


_ENDED = re.compile(r"(?<!un)finish(?!ing)|(?<!in)(?<!un)complete|(?<!un)succe|done(?![a-z])|(?<!未)完了|(?<!不)成功")
_FAILED = re.compile(
    r"\b(ng|dead|lost|broken|halted|crash\w*)\b|abandon|exception|unsucc|interrupt|invalid|失敗|異常|中止|停止"
)
_NOT_ENDED = re.compile(r"\b(not|yet|never|almost|partly|partially)\b|upload|receiv|アップロード")
_PLAIN = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_RESERVED = frozenset({"false", "no", "null", "off", "on", "true", "yes", "y", "n"})


def sounds_finished(status: str) -> bool:
    """Return whether a status sounds like the end of a training, such as `succeeded` or `学習完了`."""
    if sounds_failed(status):
        return False
    return _ENDED.search(status) is not None and _NOT_ENDED.search(re.sub(r"[_-]", " ", status)) is None


def sounds_failed(status: str) -> bool:
    """Return whether a status sounds like a training that failed, such as `ng` or `異常終了`."""
    return _FAILED.search(re.sub(r"[_-]", " ", status)) is not None


def finished_line(statuses: Statuses, status: str) -> str:
    """Return the line for the manifest by which the status means success, beside those that do so already."""
    return _line("finished", (*statuses.finished, status))


def failed_line(statuses: Statuses, status: str) -> str:
    """Return the line for the manifest by which the status means failure, beside those that do so already."""
    return _line("failed", (*statuses.failed, status))


def _line(name: str, values: tuple[str, ...]) -> str:
    return f"statuses: {{{name}: [{', '.join(quoted(value) for value in values)}]}}"


def quoted(value: str) -> str:
    """Return a status as YAML takes it for text within a list or an object."""
    plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _RESERVED
    return value if plain else json.dumps(value, ensure_ascii=False)


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
