"""`retrain approve` and `retrain reject`: an operator's decision on a candidate, bound to exactly that candidate."""

import json
import os
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from msgspec import Struct

from runner.app.audit.foreign_files import gone
from runner.app.planning.scope import Scope, model_scope
from runner.app.review.candidates import (
    CandidateSelector,
    DecisionRequest,
    Proposal,
    Ruling,
    basis,
    find_candidate,
    full_job_id,
    refuse_changed,
)
from runner.app.review.following import deciding, follow
from runner.app.review.rollback import RollbackRequest, propose_rollback, rule_on_rollback
from runner.app.run.run_end import RunResult
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.read_state import knows_job, read_begun
from runner.app.state.session import Session
from runner.errors import RetrainError, StateError, UsageError
from runner.execute.evaluation import evaluate_stored, judged
from runner.journal.events import ApprovalRecorded, CandidateEvaluated, Fact, ModelFinished, RunOptions
from runner.journal.lock import current_user
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import Outcome
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.atomic_files import write_whole
from runner.lib.git import identity, top_level
from runner.lib.paths import refuse_link_out
from runner.plan.approvals import incumbent_moved, inputs_now
from runner.plan.evidence import evidence
from runner.plan.incumbent import drift_of
from runner.plan.model_plan import STAGES, Action, ModelPlan, person_command, state_option
from runner.plan.planner import approval_expires_at
from runner.reports.text import inline


class ReviewRequest(DecisionRequest, frozen=True, kw_only=True):
    """The arguments of `retrain approve` and `retrain reject`."""

    action: Literal["approve", "reject"]
    job: str | None = None
    force: bool = False
    record_only: bool = False

    @property
    def wish(self) -> CandidateSelector:
        """Return what the person wants to say."""
        return CandidateSelector(action=self.action, job=self.job, force=self.force)

    @property
    def switches(self) -> bool:
        """Whether the service is asked to switch at once."""
        return self.action == "approve" and not self.record_only


def propose_review(request: ReviewRequest) -> Proposal:
    """Return what the person is asked. The journal is read only, and no lock is needed.

    Raises:
        UsageError, StateError: as `review`.
    """
    scope, progress = _found(request)
    if _leads_back(request, progress):
        return propose_rollback(_back_to(request))
    job = find_candidate(scope, progress, request.wish, datetime.now(UTC))
    return Proposal(
        action=request.action,
        model=request.model,
        service=scope.service.name,
        emulator=scope.service.emulator,
        evidence=evidence(progress, job),
        basis=basis(progress, job),
    )


def review(request: ReviewRequest) -> RunResult:
    """Record the approval or rejection, and switch at once after an approval unless `record_only`.

    Raises:
        UsageError: the reason is empty, the model or job is unknown, or no candidate can be approved or rejected.
        StateError: the candidate is another one, or its policy changed since the decision.
    """
    scope, _ = _found(request)
    if request.switches:
        scope.service.require_trusted()
    with deciding(request, scope.service.name) as opened:
        return follow(opened, scope, request, rule_on_review(opened, scope, request))


def rule_on_review(opened: Session, scope: Scope, request: ReviewRequest) -> Ruling:
    """Return the effects of the approval or rejection on the journal as it is now; raises as `review`."""
    opened.require(knows_job(request.model, request.job))
    progress = opened.progress.model(scope.service.name, request.model)
    if _leads_back(request, progress):
        return rule_on_rollback(opened, scope, _back_to(request))
    job = find_candidate(scope, progress, request.wish, opened.clock.now())
    refuse_changed(request, basis(progress, job))
    facts = _facts(opened, scope, progress, job, request)
    options = RunOptions(command=request.action, emulator=scope.service.emulator, force=request.force)
    if request.switches:
        return Ruling(options=options, facts=facts, plan=_switch_plan(request, job))
    return Ruling(options=options, facts=(*facts, _recorded_only(request, job)))


def _found(request: ReviewRequest) -> tuple[Scope, ModelProgress]:
    if request.action == "approve" and not request.reason.strip():
        raise UsageError("An approval needs a reason.", hint='Say why: --reason "seen by the team".')
    refuse_noted_loss(request.state)
    progress = read_begun(request.state, knows_job(request.model, request.job))
    scope = model_scope(
        progress, request.model, request.manifest, state=request.state, trusted_hosts=request.trusted_hosts
    )
    return scope, progress.model(scope.service.name, request.model)


def _leads_back(request: ReviewRequest, progress: ModelProgress) -> bool:
    """Return whether it is about a job that once served; what makes no sense then is refused."""
    if not request.force or not _has_served(request.model, progress, request.job):
        return False
    _refuse_serving(request, progress)
    _refuse_later(request)
    return True


def _has_served(model: str, progress: ModelProgress, job: str | None) -> bool:
    """Return whether the job once served: to let it serve again is a rollback, in whatever direction."""
    return job is not None and progress.jobs[full_job_id(model, progress.jobs, job)].stage == JobStage.SWITCHED


def _refuse_serving(request: ReviewRequest, progress: ModelProgress) -> None:
    """Refuse to approve what is recorded in service, unless the service said that another model is."""
    incumbent = progress.incumbent
    if incumbent is None or drift_of(progress) == "changed_outside":
        return
    job = incumbent.retrain_job_id
    if request.job is not None and full_job_id(request.model, progress.jobs, request.job) == job:
        again = person_command("rollback", request.model, "--to", job, state=state_option(request.state))
        raise UsageError(
            f"Job {job} of {request.model} is recorded in service: there is nothing to approve.",
            hint=f"To switch to it once more, run `{again}`.",
        )


def _refuse_later(request: ReviewRequest) -> None:
    """Refuse to leave a switch back to the next run: it is a rollback, which is done at once."""
    if request.record_only:
        raise UsageError(
            f"Job {request.job} of {request.model} has served: it would be switched to at once, not by the next run.",
            hint="Leave --record-only out to switch back now.",
        )


def _back_to(request: ReviewRequest) -> RollbackRequest:
    return RollbackRequest(to=request.job, **request.shared)


def _facts(
    opened: Session, scope: Scope, progress: ModelProgress, job: RetrainJob, request: ReviewRequest
) -> tuple[Fact, ...]:
    """Return the review; before it the decision as it is now, if it is forced after another job was switched to."""
    decided = job.decided.fact if job.decided else None
    again = None
    if request.force and incumbent_moved(scope.manifest, scope.model, progress, job):
        again = _judged_again(opened, scope, progress, job)
    about = again or decided
    if about is None:
        raise LookupError(f"{request.model}: a candidate without a decision was chosen")
    approval = ApprovalRecorded(
        retrain_job_id=job.retrain_job_id,
        candidate_sha256=about.candidate_sha256,
        action=request.action,
        by=request.by,
        reason=request.reason,
        forced=request.force,
    )
    return (approval,) if again is None else (again, approval)


def _judged_again(opened: Session, scope: Scope, progress: ModelProgress, job: RetrainJob) -> CandidateEvaluated:
    if job.result is None:
        raise LookupError(f"job {job.retrain_job_id} was judged without a result")
    removal = gone(opened.state.blobs, opened.progress, job.result)
    if removal is not None:
        raise StateError(
            f"The result of job {job.retrain_job_id}, {job.result.path}, {removal.told}, so it cannot be judged again.",
            hint="Put the file back from a copy of the state, or train again with `retrain run --force --select "
            f"{shlex.quote(scope.model.name)}`.",
        )
    inputs = inputs_now(scope.manifest, scope.model, progress, job)
    evaluation = evaluate_stored(opened.state.blobs, job.result.path, job.result.sha256, inputs)
    return judged(scope.manifest, scope.model, job.result, inputs, evaluation)


def _switch_plan(request: ReviewRequest, job: RetrainJob) -> ModelPlan:
    return ModelPlan(
        model=request.model,
        action=Action.SWITCH,
        stages=STAGES[Action.SWITCH],
        reason="the candidate was approved",
        retrain_job_id=job.retrain_job_id,
    )


def _recorded_only(request: ReviewRequest, job: RetrainJob) -> ModelFinished:
    outcome: Outcome = "unchanged" if request.action == "reject" else "skipped"
    text = (
        f"{request.by} rejected it: {request.reason or 'no reason given'}."
        if request.action == "reject"
        else ("The approval is recorded; the next run switches.")
    )
    return ModelFinished(
        outcome=outcome,
        reason=text,
        retrain_job_id=job.retrain_job_id,
        error=None,
        timings={},
        calls={},
        warnings=(),
    )


_HEAD = "# An approval of one candidate of `retrain`; it counts for runs once it is in the approvals folder.\n"


class WrittenApproval(Struct, frozen=True, kw_only=True):
    """An approval file that was created, or existed with the same approval; `expires` is when it ceases to count.

    `approvals` is the manifest's folder, the only one whose words count; `counts` tells that the file is in it.
    """

    path: Path
    retrain_job_id: str
    expires: datetime
    approvals: Path | None
    counts: bool


def write_approval(request: ReviewRequest, folder: Path | None, lasts: timedelta) -> WrittenApproval:
    """Write the approval into the folder, by default the manifest's. The journal is only read; no lock is needed.

    Raises:
        UsageError: no folder is named, the candidate is unknown, another file has that name, or a link leads elsewhere.
        StateError: the candidate is another one, or its policy or manifest changed since the decision.
    """
    if request.force or request.record_only:
        raise UsageError(
            "An approval file cannot be forced or only recorded.", hint="Leave --force and --record-only out."
        )
    refuse_noted_loss(request.state)
    progress, now = read_begun(request.state, knows_job(request.model, request.job)), datetime.now(UTC)
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
    """Return when the approval ceases to count: never later than the candidate can be approved."""
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
