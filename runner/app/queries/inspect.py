"""`retrain inspect`: what a stored result, or any file, holds of metrics; offline, and nothing is recorded."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from runner.app.planning.scope import model_scope
from runner.app.review.candidates import full_job_id
from runner.app.state.open_state import open_state
from runner.app.state.partitions import partition_of
from runner.app.state.read_state import read_progress
from runner.errors import UsageError
from runner.journal.checkpoint import always, never
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import RetrainJob
from runner.lib.atomic_files import open_file
from runner.lib.text import did_you_mean, shown
from runner.manifest.load import load
from runner.plan.approvals import place_before
from runner.reports.inspection import Inspected
from runner.results.content import Definitions
from runner.results.inspection import inspect_result


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
    progress = read_progress(request.state, never if request.job else always)
    names = {name for _, name in progress.models}
    if request.subject in names:
        return _of_model(request, progress)
    if request.job is None and path.is_file():
        return _of_file(request, path)
    hint = did_you_mean(request.subject, names, otherwise="Name a model of this state (`retrain status`) or a file.")
    raise UsageError(f"There is neither a model nor a file {shown(request.subject)}.", hint=hint)


def _of_file(request: InspectRequest, path: Path) -> Inspected:
    definitions = load(list(request.manifest)).metrics if request.manifest else {}
    return _inspected(str(path), partial(open_file, path), definitions)


def _of_model(request: InspectRequest, progress: Progress) -> Inspected:
    scope = model_scope(progress, request.subject, request.manifest, state=request.state)
    known = progress.model(scope.service.name, request.subject)
    job = _job(request, known)
    if job.result is None:
        raise UsageError(
            f"Job {job.retrain_job_id} of {request.subject} has no stored result.",
            hint="`retrain history` shows the jobs and how far each came.",
        )
    blobs, name = open_state(partition_of(request.state, request.subject, scope.service.name)).blobs, job.result.path
    found = _inspected(
        blobs.shown(name), partial(blobs.open, name), scope.manifest.metrics, before=place_before(known, job)
    )
    return replace(found, model=request.subject, retrain_job_id=job.retrain_job_id)


def _job(request: InspectRequest, known: ModelProgress) -> RetrainJob:
    if request.job is not None:
        return known.jobs[full_job_id(request.subject, known.jobs, request.job)]
    stored = [job for job in known.jobs.values() if job.result is not None]
    if not stored:
        raise UsageError(
            f"{request.subject} has no stored result yet.",
            hint="A training that ends leaves one; `retrain status` shows the model's status.",
        )
    return stored[-1]


def _inspected(
    shown_name: str, opened: Callable[[], BinaryIO], definitions: Definitions, before: str | None = None
) -> Inspected:
    try:
        with opened() as stream:
            inspection = inspect_result(stream, definitions, before)
            size = stream.seek(0, 2)
    except OSError as error:
        raise UsageError(
            f"{shown_name} cannot be read: {error.strerror or error}.", hint="Check its name, and who may read it."
        ) from error
    return Inspected(file=shown_name, bytes=size, model=None, retrain_job_id=None, inspection=inspection)
