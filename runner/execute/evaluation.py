"""From a finished training to a durable decision: download the result, read its metrics, judge them."""

import hashlib
import math
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.execute.commands import Workflow, call, pause, record, stage
from runner.execute.drift import observe_serving
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd, failed
from runner.execute.progress_events import Decided
from runner.execute.retry import RetryBudget
from runner.execute.training import wait
from runner.journal.events import CandidateEvaluated, ResultDownloaded
from runner.journal.state_store import Blobs
from runner.lib.atomic_files import open_file, real_folder, sync_folder
from runner.lib.secrets import Secret
from runner.manifest.model import Manifest, Model
from runner.plan.approvals import binding, candidate_digest, inputs_now
from runner.plan.model_plan import inspect_command
from runner.policy.decide import Inputs, evaluate, inputs_to_json, policy_digest
from runner.policy.evaluation import Evaluation
from runner.policy.types import unread_clause
from runner.providers.base import Code, Downloaded, ProviderCalls, ServiceError
from runner.results.members import HEAD, form_of
from runner.results.search import place_phrase

RESULT_LIMIT = 1 << 30  # bytes; a result with raw evaluation data stays far below
_BLOCK = 1 << 20
DOWNLOADS = 3  # a download URL may expire between the status that brought it and its use
_ENDINGS: Mapping[str, str] = MappingProxyType({"zip": "zip", "tar": "tar", "gzip": "gz", "markup": "html"})
_SUSPECT_PAUSE_S = 30.0  # a proxy that answered with a page of its own may be back by then


class LostResultError(ModelError):
    """A stored result file is gone or has other bytes than the journal recorded."""


class Evaluated(Struct, frozen=True, kw_only=True):
    """A stored result file and what comes of it: an evaluation to record, or why this run cannot make one.

    `suspect` is why the file may be what a proxy made of the result: it cannot be read and is not a whole archive.
    """

    path: Path
    downloaded: Downloaded
    evaluation: Evaluation | ModelError
    suspect: str | None = None


def fetch_and_evaluate(service: ProviderCalls, url: Secret, folder: Path, inputs: Inputs) -> Evaluated:
    """Store the result file in `folder` and judge it. A plain function: any executor may run it."""
    path, downloaded = _store(service, url, folder)
    try:
        evaluation = evaluate_file(path, inputs)
        suspect = None if zipfile.is_zipfile(path) else evaluation.unread
        return Evaluated(path=path, downloaded=downloaded, evaluation=evaluation, suspect=suspect)
    except ModelError as error:
        return Evaluated(path=path, downloaded=downloaded, evaluation=error)
    except OSError as error:  # it is stored; the next run reads it again
        return Evaluated(path=path, downloaded=downloaded, evaluation=_trouble("read", folder, error))


def _store(service: ProviderCalls, url: Secret, folder: Path) -> tuple[Path, Downloaded]:
    """Download into `folder` durably, or leave nothing there: what is not recorded would look put there by others."""
    path = beside = folder / "result.download"
    try:
        real_folder(folder.parents[1], *folder.parts[-2:])
        downloaded = service.download(url, beside, limit=RESULT_LIMIT)
        path = beside.with_name(f"result.{_form(beside)}")
        beside.replace(path)
        sync_folder(folder)
    except BaseException as error:
        for left in (beside, path):  # a folder's fsync fails after the rename
            with suppress(OSError):
                left.unlink()
        if isinstance(error, OSError):
            raise _trouble("stored", folder, error) from error
        raise
    return path, downloaded


def _trouble(done: str, folder: Path, error: OSError) -> ModelError:
    return ModelError(
        Kind.RESULT,
        f"The result file in {folder} cannot be {done}: {error.strerror}.",
        hint="Make room or give write access there, then run again.",
    )


def evaluate_file(path: Path, inputs: Inputs) -> Evaluation:
    """Judge a stored result file.

    Raises:
        ModelError: a rule's metric is not defined.
        OSError: the file cannot be read.
    """
    with open_file(path) as stream:
        return evaluate(inputs, stream)


def file_sha256(path: Path) -> str:
    """Return the lower-case hex SHA-256 of a file."""
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def blob_sha256(blobs: Blobs, name: str) -> str:
    """Return the lower-case hex SHA-256 of a stored file; raises OSError where it cannot be read."""
    sha256 = hashlib.sha256()
    with blobs.open(name) as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
    return sha256.hexdigest()


def evaluate_result(run: ModelRun) -> Workflow[StageEnd]:
    """Download the result of the finished job, store it, judge it, record the decision."""
    yield from observe_serving(run)
    job, inputs = run.job, inputs_now(run.context.manifest, run.model, run.progress, run.job)
    with run.timed("evaluate_s"):
        try:
            evaluated = yield from _download(run, inputs)
        except ModelError as error:
            return failed(error)
    if isinstance(evaluated, ModelOutcome):
        return evaluated
    name = f"runs/{run.context.run_id}/results/{run.model.name}/{evaluated.path.name}"
    try:
        yield from call(partial(run.context.blobs.keep, name, evaluated.path))
    except OSError as error:
        return failed(_trouble("stored", evaluated.path.parent, error))
    stored = ResultDownloaded(
        retrain_job_id=job.retrain_job_id,
        path=name,
        sha256=evaluated.downloaded.sha256,
        bytes=evaluated.downloaded.bytes,
    )
    if isinstance(evaluated.evaluation, ModelError):
        yield from record(stored)
        return failed(evaluated.evaluation)
    yield from record(stored, judged(run.context.manifest, run.model, stored, inputs, evaluated.evaluation))
    _tell(run, evaluated.evaluation)
    return None


def decide_again(run: ModelRun) -> Workflow[StageEnd]:
    """Judge the stored result by the policy as it is now, without a new training.

    It is downloaded again only where it is gone or damaged; before there is a decision the job's status is read first,
    so that a job which the service has deleted ends here.
    """
    yield from observe_serving(run)
    job, inputs = run.job, inputs_now(run.context.manifest, run.model, run.progress, run.job)
    if job.result is None:
        return (yield from evaluate_result(run))
    stored, blobs = job.result, run.context.blobs
    try:
        with run.timed("evaluate_s"):
            evaluation = yield from stage(lambda: evaluate_stored(blobs, stored.path, stored.sha256, inputs))
    except LostResultError as lost:
        run.warn(f"the stored result is downloaded again: {lost.message}")
        ended = (yield from wait(run)) if job.decided is None else None
        return ended or (yield from evaluate_result(run))
    except ModelError as error:
        return failed(error)
    yield from record(judged(run.context.manifest, run.model, stored, inputs, evaluation))
    _tell(run, evaluation)
    return None


def _tell(run: ModelRun, evaluation: Evaluation) -> None:
    look = f"`{inspect_command(run.model.name, state=run.context.state_option)}`"
    if evaluation.unread is not None:
        run.warn(f"{unread_clause(evaluation.unread)}; {look} shows what the result holds")
    elif evaluation.searched and evaluation.place is not None:
        place = place_phrase(evaluation.place)
        run.warn(f"the metrics were found by a search, in {place}; {look} prints the lines that pin it")
    elif any(rule.cause == "unusable" and rule.level == "decide" for rule in evaluation.rules):
        run.warn(f"a rule has no usable value; {look} shows what the result holds")
    elif evaluation.problems and not any(evaluation.metrics.values()):
        name, problem = next(iter(evaluation.problems.items()))
        run.warn(f"no metric has a usable value: {name} {problem}; {look} shows what the result holds")
    policy = str(run.context.manifest.policies[run.model.policy].__struct_config__.tag)
    run.tell(Decided(verdict=evaluation.verdict, action=evaluation.decision.action, policy=policy))


def _download(run: ModelRun, inputs: Inputs) -> Workflow[Evaluated | ModelOutcome]:
    """Download by the URL of a fresh status; an expired one is replaced by asking again.

    A suspect file is downloaded once more; what comes then is the result. An outage of the store is waited for as one
    of the service is.
    """
    folder = run.context.run_folder / "results" / run.model.name
    expired = RetryBudget(run, "download", attempts=DOWNLOADS, longest=math.inf)  # a file may take hours
    outage = RetryBudget(run, "download", attempts=None, longest=run.model.wait.timeout.total_seconds())
    suspect = None
    while True:
        if run.finished is None:
            end = yield from wait(run)
            if isinstance(end, ModelOutcome):
                return end
        status, run.finished = run.finished, None
        url = status.download_url if status is not None else None
        if url is None:
            raise LookupError(f"{run.model.name}: a training ended without a result")
        run.count("download")
        try:
            evaluated = yield from stage(partial(fetch_and_evaluate, run.context.provider, url, folder, inputs))
        except ServiceError as error:
            failure = error
        else:
            if suspect or not evaluated.suspect:
                return evaluated
            suspect = evaluated.suspect
            yield from _pass_by(run, evaluated.path, suspect)
            continue
        if failure.code == Code.EXPIRED_URL:
            yield from expired.wait(failure)
        else:
            run.finished = status  # its URL may still be good
            yield from outage.wait(failure)


def _pass_by(run: ModelRun, path: Path, why: str) -> Workflow[None]:
    """Remove a suspect file, and wait a little."""
    path.unlink()
    run.retry(f"download: {unread_clause(why)}; it is downloaded once more")
    yield from pause(_SUSPECT_PAUSE_S)


def evaluate_stored(blobs: Blobs, name: str, sha256: str, inputs: Inputs) -> Evaluation:
    """Judge a stored result file after making sure that it is the recorded one.

    Raises:
        LostResultError: it is gone or has other bytes.
        ModelError: the disk does not let it be read, or a rule's metric is not defined.
    """
    path = blobs.shown(name)
    try:
        if blob_sha256(blobs, name) == sha256:
            with blobs.open(name) as stream:
                return evaluate(inputs, stream)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LostResultError(
            Kind.RESULT,
            f"The stored result {path} is gone.",
            hint="Restore the state folder from a copy, or train again with `retrain run --force`.",
        ) from error
    except OSError as error:
        raise _trouble("read", Path(path).parent, error) from error
    raise LostResultError(
        Kind.RESULT,
        f"The stored result {path} is not the file the journal recorded.",
        hint="Run `retrain verify`, then restore the file from a copy or train again with `retrain run --force`.",
    )


def judged(
    manifest: Manifest, model: Model, result: ResultDownloaded, inputs: Inputs, evaluation: Evaluation
) -> CandidateEvaluated:
    """Return the decision about a stored result as it is recorded, bound to job, result, policy and manifest."""
    policy_sha256, bound = policy_digest(inputs.policy, inputs.definitions), binding(manifest, model)
    return CandidateEvaluated(
        retrain_job_id=result.retrain_job_id,
        result_sha256=result.sha256,
        policy=inputs.policy.name,
        policy_sha256=policy_sha256,
        candidate_sha256=candidate_digest(result.retrain_job_id, result.sha256, policy_sha256, bound),
        inputs=inputs_to_json(inputs),
        evaluation=evaluation,
        bound=bound,
    )


def _form(path: Path) -> str:
    """Return the file ending that fits the bytes: the service's own name for the file is not documented."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    form = form_of(head)
    if form != "text":
        return _ENDINGS.get(form, "bin")
    return "json" if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")) else "csv"
