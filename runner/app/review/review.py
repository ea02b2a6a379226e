"""`retrain approve` and `retrain reject`: an operator's decision on a candidate, bound to exactly that candidate."""

import shlex
from datetime import UTC, datetime
from typing import Literal

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
from runner.app.state.read_state import knows_job, read_progress
from runner.app.state.session import Session
from runner.errors import StateError, UsageError
from runner.execute.evaluation import evaluate_stored, judged
from runner.journal.events import ApprovalRecorded, CandidateEvaluated, Fact, ModelFinished
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import Outcome
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.plan.decision_inputs import incumbent_moved, inputs_now
from runner.plan.evidence import evidence
from runner.plan.incumbent import drift_of
from runner.plan.model_plan import STAGES, Action, ModelPlan, person_command, state_option


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
    """Record the word, and on an approval switch at once unless `record_only`.

    Raises:
        UsageError: there is no reason, the model or job is unknown, or no candidate can be approved or rejected.
        StateError: the candidate is another one, or its policy changed since the decision.
    """
    scope, _ = _found(request)
    if request.switches:
        scope.service.require_trusted()
    with deciding(request) as opened:
        return follow(opened, scope, request, rule_on_review(opened, scope, request))


def rule_on_review(opened: Session, scope: Scope, request: ReviewRequest) -> Ruling:
    """Return what the word comes to by the journal as it is now; raises as `review`."""
    opened.require(knows_job(request.model, request.job))
    progress = opened.progress.model(scope.service.name, request.model)
    if _leads_back(request, progress):
        return rule_on_rollback(opened, scope, _back_to(request))
    job = find_candidate(scope, progress, request.wish, opened.clock.now())
    refuse_changed(request, basis(progress, job))
    facts = _facts(opened, scope, progress, job, request)
    options = {"command": request.action, "emulator": scope.service.emulator, "force": request.force}
    if request.switches:
        return Ruling(options=options, facts=facts, plan=_switch_plan(request, job))
    return Ruling(options=options, facts=(*facts, _recorded_only(request, job)))


def _found(request: ReviewRequest) -> tuple[Scope, ModelProgress]:
    if request.action == "approve" and not request.reason.strip():
        raise UsageError("An approval needs a reason.", hint='Say why: --reason "seen by the team".')
    refuse_noted_loss(request.state)
    progress = read_progress(request.state, knows_job(request.model, request.job))
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
    """Return the word; before it, when it is forced after another job came to serve, the decision as it is now."""
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
