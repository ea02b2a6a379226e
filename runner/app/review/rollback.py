"""`retrain rollback`: a person lets an earlier job of the project serve again; recorded like any decision to switch."""

from collections.abc import Iterator

from runner.app.audit.foreign_files import gone
from runner.app.planning.scope import Scope, model_scope
from runner.app.review.candidates import DecisionRequest, Proposal, Ruling, basis, full_job_id, refuse_changed
from runner.app.review.following import deciding, follow
from runner.app.run.run_end import RunResult
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.read_state import knows_job, read_begun
from runner.app.state.session import Session
from runner.errors import RetrainError, StateError, UsageError
from runner.execute.evaluation import blob_sha256
from runner.journal.checkpoint import Enough
from runner.journal.events import RollbackDecided, RunOptions
from runner.journal.forms import DEFAULT
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.plan.eligibility import last_served
from runner.plan.evidence import evidence
from runner.plan.model_plan import STAGES, Action, ModelPlan, resolve_commands, state_option

_MOST_LISTED = 10


def find_target(
    progress: ModelProgress, model: str, to: str | None, *, state: str = DEFAULT
) -> tuple[RetrainJob, RetrainJob | None]:
    """Return the job to switch back to, and the incumbent, or None if an adopted model is in service.

    `state` names the state, for commands in messages.

    Raises:
        UsageError: no job of the model has served before, or the one named never did.
        StateError: whether the last switch was applied is not known yet.
    """
    incumbent, current = progress.incumbent, progress.current
    if not progress.serving.ids:
        raise UsageError(
            f"No job of {model} has served, and the API can bring nothing else back into service.",
            hint="`retrain status` shows every model; check --state.",
        )
    if current is not None and current.stage == JobStage.SWITCHING:
        done, undone = resolve_commands(model, "switch", state=state_option(state))
        raise StateError(
            f"Whether the switch of {model} to job {current.retrain_job_id} was applied is not known yet.",
            hint=f"Run `retrain run`, which asks; or look in the product, and tell: `{done}` or `{undone}`. "
            "Then roll back.",
        )
    return (_named(progress, model, to, incumbent) if to else _default(progress, model, incumbent)), incumbent


def _named(progress: ModelProgress, model: str, given: str, incumbent: RetrainJob | None) -> RetrainJob:
    to = full_job_id(model, progress.jobs, given)
    if incumbent is not None and to == incumbent.retrain_job_id:
        return incumbent  # somebody may have published another model since
    found = next((job for job in _others(progress, incumbent) if job.retrain_job_id == to), None)
    if found is None:
        raise UsageError(f"Job {to} of {model} has never served.", hint=_choices(progress, incumbent))
    return found


def _default(progress: ModelProgress, model: str, incumbent: RetrainJob | None) -> RetrainJob:
    """Return the job that served last before the incumbent: an older one, which nobody has rolled back from."""
    if incumbent is None:
        raise UsageError(
            f"The model in service for {model} was adopted, so no job came before it.",
            hint=_choices(progress, incumbent),
        )
    for job in _others(progress, incumbent):
        older = progress.served is not None or progress.is_older(job.retrain_job_id, incumbent.retrain_job_id)
        if older and job.retrain_job_id not in progress.serving.left:
            return job
    raise UsageError(
        f"No job of {model} served before job {incumbent.retrain_job_id}, or all were rolled back from.",
        hint=_choices(progress, incumbent),
    )


def _others(progress: ModelProgress, incumbent: RetrainJob | None) -> list[RetrainJob]:
    """Return the jobs that have served beside the incumbent, the one that served last first."""
    now = incumbent.retrain_job_id if incumbent else None
    ids = dict.fromkeys(reversed(progress.serving.ids))
    jobs = [progress.jobs[name] for name in ids if name in progress.jobs and name != now]
    return [job for job in jobs if job.stage == JobStage.SWITCHED]


def _dated(job: RetrainJob) -> str:
    name, since = job.retrain_job_id, job.switched_at
    return f"{name} (switched to {since:%Y-%m-%d %H:%M} UTC)" if since else name


def _choices(progress: ModelProgress, incumbent: RetrainJob | None) -> str:
    served = [_dated(job) for job in _others(progress, incumbent)[:_MOST_LISTED]]
    if served:
        return f"These have served: {', '.join(served)}; name one with --to."
    return "Publish the earlier model in the product, then record it (`retrain adopt --help`)."


# What only the service could tell, and is not asked: it has no call for the first two, and the answer to the third may
# be about models that are not of this project.
_NEVER_VERIFIED = (
    "whether the service still has that job",
    "whether its model is still the one that was judged",
    "which model serves at this moment",
)


class RollbackRequest(DecisionRequest, frozen=True, kw_only=True):
    """The arguments of `retrain rollback`; without `to`, the job that served before the incumbent is meant."""

    to: str | None = None


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
        service=scope.service.name,
        emulator=scope.service.emulator,
        evidence=evidence(progress, target),
        basis=basis(progress, target),
        again=incumbent is not None and target.retrain_job_id == incumbent.retrain_job_id,
    )


def _found(request: RollbackRequest) -> tuple[Scope, ModelProgress]:
    if not request.reason.strip():
        raise UsageError("A rollback needs a reason.", hint='Say why: --reason "predictions are off since Monday".')
    refuse_noted_loss(request.state)
    progress = read_begun(request.state, _knows_target(request))
    scope = model_scope(
        progress, request.model, request.manifest, state=request.state, trusted_hosts=request.trusted_hosts
    )
    return scope, progress.model(scope.service.name, request.model)


def _knows_target(request: RollbackRequest) -> Enough:
    """Return whether a progress has the job that is meant; one that served long ago is looked for in all events."""
    if request.to is not None:
        return knows_job(request.model, request.to)

    def is_known(progress: Progress) -> bool:
        models = [model for (_, name), model in progress.models.items() if name == request.model]
        try:
            targets = [(model, find_target(model, request.model, None)[0]) for model in models]
        except RetrainError:
            return False
        return all(target.retrain_job_id in last_served(model.serving.ids) for model, target in targets)

    return is_known


def roll_back(request: RollbackRequest) -> RunResult:
    """Record the decision and switch back.

    Raises:
        UsageError: the reason is empty, the model is unknown, or the job has never been in service.
        StateError: the last switch's result is not known yet, or the job's stored result is not the recorded one.
    """
    scope, _ = _found(request)
    scope.service.require_trusted()
    with deciding(request, scope.service.name) as opened:
        return follow(opened, scope, request, rule_on_rollback(opened, scope, request))


def rule_on_rollback(opened: Session, scope: Scope, request: RollbackRequest) -> Ruling:
    """Return the effects of the decision on the journal as it is now; raises as `roll_back`."""
    opened.require(_knows_target(request))
    progress = opened.progress.model(scope.service.name, request.model)
    target, incumbent = find_target(progress, request.model, request.to, state=request.state)
    refuse_changed(request, basis(progress, target))
    decision = RollbackDecided(
        retrain_job_id=target.retrain_job_id,
        from_job_id=incumbent.retrain_job_id if incumbent else None,
        by=request.by,
        reason=request.reason,
        unverified=(*_NEVER_VERIFIED, *_unproven_result(opened, target)),
    )
    to = target.retrain_job_id if request.to else None
    options = RunOptions(command="rollback", emulator=scope.service.emulator, to=to)
    return Ruling(options=options, facts=(decision,), plan=_plan(request.model, decision))


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
            hint="Restore it from a copy; or move it away: a missing result is reported, and stops no rollback.",
        )


def _plan(model: str, decision: RollbackDecided) -> ModelPlan:
    return ModelPlan(
        model=model,
        action=Action.ROLLBACK,
        stages=STAGES[Action.ROLLBACK],
        reason=f"{decision.by} rolls back to job {decision.retrain_job_id}",
        retrain_job_id=decision.retrain_job_id,
    )
