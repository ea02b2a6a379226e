"""`retrain inspect`: what a stored result, or any file, holds of metrics; offline, and nothing is recorded."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from runner.app.job_ids import full_job_id
from runner.app.model_scope import model_scope
from runner.app.plan import read_progress
from runner.durable import open_file
from runner.errors import UsageError
from runner.journal.folder import state_folder
from runner.journal.job import Job
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.manifest.load import load
from runner.manifest.words import did_you_mean, shown
from runner.plan.inputs import place_before
from runner.policy.content import Definitions
from runner.policy.inspection import inspect_result
from runner.report.inspection import Inspected


class InspectRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain inspect`: `subject` is a model or a file; `job` is an id or the beginning of one."""

    subject: str
    state: str
    job: str | None = None
    manifest: Sequence[Path] = ()


def inspect(request: InspectRequest) -> Inspected:
    """Return what the newest stored result of a model, or a file, holds.

    A name that is both is taken for the model; `./NAME` is the file.

    Raises:
        UsageError: there is neither such a model nor such a file, or the model has no stored result.
        ManifestError: the manifest is invalid.
        StateError: the journal is missing, foreign or damaged.
    """
    path = Path(request.subject)
    if "/" in request.subject and request.job is None:
        return _of_file(request, path)
    progress = read_progress(request.state)
    names = {name for _, name in progress.models}
    if request.subject in names:
        return _of_model(request, progress)
    if request.job is None and path.is_file():
        return _of_file(request, path)
    hint = did_you_mean(request.subject, names, otherwise="Name a model of this state (`retrain status`) or a file.")
    raise UsageError(f"There is neither a model nor a file {shown(request.subject)}.", hint=hint)


def _of_file(request: InspectRequest, path: Path) -> Inspected:
    definitions = load(list(request.manifest)).metrics if request.manifest else {}
    return _inspected(path, definitions, None, None, None)


def _of_model(request: InspectRequest, progress: Progress) -> Inspected:
    scope = model_scope(progress, request.subject, request.manifest, state=request.state)
    known = progress.model(scope.realm.name, request.subject)
    job = _job(request, known)
    if job.result is None:
        raise UsageError(
            f"Job {job.retrain_job_id} of {request.subject} has no stored result.",
            hint="`retrain history` shows the jobs and how far each came.",
        )
    path = state_folder(request.state).root / job.result.path
    return _inspected(path, scope.manifest.metrics, request.subject, job.retrain_job_id, place_before(known, job))


def _job(request: InspectRequest, known: ModelProgress) -> Job:
    if request.job is not None:
        return known.jobs[full_job_id(request.subject, known.jobs, request.job)]
    stored = [job for job in known.jobs.values() if job.result is not None]
    if not stored:
        raise UsageError(
            f"{request.subject} has no stored result yet.",
            hint="A training that ends leaves one; `retrain status` shows where the model stands.",
        )
    return stored[-1]


def _inspected(
    path: Path, definitions: Definitions, model: str | None, job: str | None, before: str | None
) -> Inspected:
    try:
        with open_file(path) as stream:
            inspection = inspect_result(stream, definitions, before)
            size = stream.seek(0, 2)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.", hint="Check its name, and who may read it."
        ) from error
    return Inspected(file=str(path), bytes=size, model=model, retrain_job_id=job, inspection=inspection)
