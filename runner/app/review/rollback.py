"""`retrain rollback`: a person lets an earlier job of the project serve again; recorded like any decision to switch."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from runner.app.audit.pruned_results import gone
from runner.app.planning.model_scope import ModelScope, model_scope
from runner.app.planning.plan import read_progress
from runner.app.review.proposal import Proposal, refuse_changed
from runner.app.review.rollback_target import find_target
from runner.app.run.run import RunResult, carry_out
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.session import Session, session
from runner.errors import StateError, UsageError
from runner.execute.evaluation import blob_sha256
from runner.execute.progress_events import Listener
from runner.journal.events import Draft, RollbackDecided
from runner.journal.lock import current_user
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import RetrainJob
from runner.lib.timestamps import stamp
from runner.plan.evidence import Evidence, evidence
from runner.plan.model_plan import STAGES, Action, ModelPlan

# What only the service could tell, and is not asked: it has no call for the first two, and the answer to the third may
# be about models that are not of this project.
_NEVER_VERIFIED = (
    "whether the service still has that job",
    "whether its model is still the one that was judged",
    "which model serves at this moment",
)


class RollbackRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain rollback`; without `to`, the job that served before the incumbent is meant.

    `agreed` is what the person was shown who said yes; the rollback is refused when there is other evidence by then.
    """

    model: str
    reason: str
    state: str
    listener: Listener
    to: str | None = None
    manifest: Sequence[Path] = ()
    trusted_hosts: frozenset[str] = frozenset()
    lock_timeout: timedelta = timedelta(0)
    agreed: Evidence | None = None


def propose_rollback(request: RollbackRequest) -> Proposal:
    """Return what the person is asked. The journal is read only, and no lock is needed.

    Raises:
        UsageError, StateError: as `roll_back`.
    """
    scope, progress = _found(request)
    target, incumbent = find_target(progress, request.model, request.to, state=request.state)
    return Proposal(
        action="rollback",
        model=request.model,
        emulator=scope.realm.emulator,
        evidence=evidence(progress, target),
        again=incumbent is not None and target.retrain_job_id == incumbent.retrain_job_id,
    )


def _found(request: RollbackRequest) -> tuple[ModelScope, ModelProgress]:
    if not request.reason.strip():
        raise UsageError("A rollback needs a reason.", hint='Say why: --reason "predictions are off since Monday".')
    refuse_noted_loss(request.state)
    progress = read_progress(request.state)
    scope = model_scope(
        progress, request.model, request.manifest, state=request.state, trusted_hosts=request.trusted_hosts
    )
    return scope, progress.model(scope.realm.name, request.model)


def roll_back(request: RollbackRequest) -> RunResult:
    """Record the decision and switch back.

    Raises:
        UsageError: there is no reason, no such model, or no such job that has served.
        StateError: the last switch's result is not known yet, or the job's stored result is not the recorded one.
    """
    scope, _ = _found(request)
    scope.realm.require_trusted()
    with session(request.state, lock_timeout=request.lock_timeout) as opened:
        progress = opened.progress.model(scope.realm.name, request.model)
        target, incumbent = find_target(progress, request.model, request.to, state=request.state)
        refuse_changed(request.model, request.agreed, evidence(progress, target))
        decision = RollbackDecided(
            retrain_job_id=target.retrain_job_id,
            from_job_id=incumbent.retrain_job_id if incumbent else None,
            by=current_user(),
            reason=request.reason,
            unverified=(*_NEVER_VERIFIED, *_unproven_result(opened, target)),
        )
        to = target.retrain_job_id if request.to else None
        options = {"command": "rollback", "emulator": scope.realm.emulator, "to": to}
        opened.start(scope.manifest, scope.realm, tuple(str(path) for path in scope.paths), options)
        at = stamp(opened.clock.now())
        opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=request.model, fact=decision)])
        return carry_out(opened, scope, _plan(request.model, decision), request.listener)


def _unproven_result(opened: Session, target: RetrainJob) -> Iterator[str]:
    """Yield what cannot be said of the stored result; a file with other bytes than recorded stops the rollback."""
    if target.result is None:
        yield "what its result was, since none is recorded"
        return
    removal = gone(opened.state.blobs, opened.progress, target.result)
    if removal is not None:
        yield f"its stored result, which {removal.told}"
        return
    blobs, path = opened.state.blobs, target.result.path
    try:
        found = blob_sha256(blobs, path)
    except OSError:
        yield "its stored result, which is gone"
        return
    if found != target.result.sha256:
        raise StateError(
            f"The stored result of job {target.retrain_job_id}, {blobs.shown(path)}, "
            "is not the file the journal recorded.",
            hint="Restore it from a copy; or move it away: a missing result is told, and stops no rollback.",
        )


def _plan(model: str, decision: RollbackDecided) -> ModelPlan:
    return ModelPlan(
        model=model,
        action=Action.ROLLBACK,
        stages=STAGES[Action.ROLLBACK],
        reason=f"{decision.by} rolls back to job {decision.retrain_job_id}",
        retrain_job_id=decision.retrain_job_id,
    )
