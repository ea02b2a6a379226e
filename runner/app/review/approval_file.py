"""`retrain approve --write` and `retrain reject --write`: an approval of a candidate as a file, to be committed."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from runner.app.planning.scope import Scope, model_scope
from runner.app.review.candidates import find_candidate
from runner.app.review.review import ReviewRequest
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.read_state import knows_job, read_progress
from runner.errors import RetrainError, UsageError
from runner.journal.lock import current_user
from runner.journal.retrain_job import RetrainJob
from runner.lib.atomic_files import write_whole
from runner.lib.checkout_boundary import refuse_link_out
from runner.lib.git.checkout import identity, top_level
from runner.plan.planner import approval_expires_at
from runner.reports.text import inline

_HEAD = "# An approval of one candidate of `retrain`; it counts for runs once it is in the approvals folder.\n"


class WrittenApproval(Struct, frozen=True, kw_only=True):
    """A file that was made, or was there with the same word; `expires` is when the word ceases to count.

    `approvals` is the manifest's folder, the only one whose words count; `counts` tells that the file is in it.
    """

    path: Path
    retrain_job_id: str
    expires: datetime
    approvals: Path | None
    counts: bool


def write_approval(request: ReviewRequest, folder: Path | None, lasts: timedelta) -> WrittenApproval:
    """Write the word into the folder, by default the manifest's. The journal is read only, and no lock is needed.

    Raises:
        UsageError: there is no folder, no such candidate, or another file of that name, or a link leads elsewhere.
        StateError: the candidate is another one, or its policy or manifest changed since the decision.
    """
    if request.force or request.record_only:
        raise UsageError(
            "An approval file cannot be forced or only recorded.", hint="Leave --force and --record-only out."
        )
    refuse_noted_loss(request.state)
    progress, now = read_progress(request.state, knows_job(request.model, request.job)), datetime.now(UTC)
    scope = model_scope(progress, request.model, request.manifest, state=request.state)
    job = find_candidate(scope, progress.model(scope.service.name, request.model), request.wish, now)
    expires = _expires(scope, job, now + lasts)
    candidate = job.decided.fact.candidate_sha256 if job.decided else ""
    target, approvals = _folder(scope, folder), scope.manifest.approvals_folder
    path = target / f"{request.model}-{candidate[:12]}.yaml"
    refuse_link_out(path)
    _write_new(path, _text(request, job, expires, _approver(target)))
    counts = approvals is not None and os.path.realpath(target) == os.path.realpath(approvals)
    return WrittenApproval(
        path=path, retrain_job_id=job.retrain_job_id, expires=expires, approvals=approvals, counts=counts
    )


def _folder(scope: Scope, folder: Path | None) -> Path:
    found = folder or scope.manifest.approvals_folder
    if found is None:
        raise UsageError(
            "The manifest names no folder for approvals.",
            hint="Add `approvals: approvals/` to it, or give a folder: --write DIR.",
        )
    return found


def _expires(scope: Scope, job: RetrainJob, wanted: datetime) -> datetime:
    """Return when the word ceases to count: never later than the candidate can be approved."""
    latest = approval_expires_at(scope.manifest, scope.model, job)
    return (min(wanted, latest) if latest else wanted).replace(microsecond=0)


def _approver(folder: Path) -> str:
    """Return the author that a commit of the file will have, so that file and commit name the same person."""
    top = top_level(folder)
    return (identity(top) if top else None) or current_user()


def _text(request: ReviewRequest, job: RetrainJob, expires: datetime, approver: str) -> str:
    """Return the file; a JSON text is a YAML text too, so nothing a person or the service wrote can end its line."""
    if job.decided is None:
        raise LookupError(f"job {job.retrain_job_id} has no decision")
    decided = job.decided.fact
    values = {
        "model": request.model,
        "job": job.retrain_job_id,
        "result_sha256": decided.result_sha256,
        "candidate_sha256": decided.candidate_sha256,
        "action": request.action,
        "approver": inline(approver),
        "reason": inline(request.reason),
        "expires": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    return "".join([_HEAD, "version: 1\n", *lines])


def _write_new(path: Path, text: str) -> None:
    """Write the file unless there is one of that name: what somebody said there is not replaced."""
    try:
        if path.exists():
            raise UsageError(
                f"There is an approval of this candidate already: {path}.",
                hint="Read it, and remove it first if you want to replace it.",
            )
        write_whole(path, text.encode())
    except OSError as error:
        raise RetrainError(
            f"{path} could not be written: {error.strerror}.", hint="Name a folder you may write to: --write DIR."
        ) from error
