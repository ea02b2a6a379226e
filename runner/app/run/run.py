"""`retrain run`: plan the models, take them to their outcomes, write the report."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from runner.app.planning.plan import plan_models
from runner.app.planning.plan_document import Planned, read_plan
from runner.app.planning.scope import Scope, read_scope
from runner.app.run.execution import ExecutionRequest, ExecutionResult, execute
from runner.app.run.notifier import Notifier
from runner.app.run.planned_run import agreed_plan, planned_scope
from runner.app.service import TargetService
from runner.app.state.read_state import Warn, warn_of_future
from runner.app.state.session import Session, session
from runner.datasets.access import DataAccess
from runner.datasets.file_cache import FileCache
from runner.errors import PRECEDENCE, ExitCode
from runner.execute.progress_events import Listener
from runner.journal.events import Draft, Fact, ModelFinished, ModelPlanned, ModelsMoved, ServiceMoved
from runner.journal.outcomes import OUTCOMES
from runner.lib.timestamps import stamp
from runner.manifest.model import Manifest
from runner.plan.document import PlanDocument
from runner.plan.model_plan import Choice, ModelPlan
from runner.policy.decide import policy_digest
from runner.reports.model import Report

_BY_SIGNAL = {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.UNFINISHED}


def exit_code(
    ends: Iterable[ModelFinished], *, internal_errors: bool, stopped: str | None, allow_held: bool
) -> ExitCode:
    """Return the exit code of a run; a signal's own code is above all but a bug of ours."""
    if internal_errors:
        return ExitCode.BUG
    if stopped in _BY_SIGNAL:
        return _BY_SIGNAL[stopped]
    codes = {ExitCode.OK if end.still_held else OUTCOMES[end.outcome].exit_code for end in ends}
    if allow_held:
        codes.discard(ExitCode.HELD)
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)


class RunRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain run`; `plan` is a plan's file, which then holds the choice. `warn` takes a sentence."""

    choice: Choice
    state: str
    listener: Listener
    warn: Warn
    plan: Path | None = None
    allow_held: bool = False
    parallel: int | None = None
    recording: Path | None = None
    lock_timeout: timedelta = timedelta(0)


class RunResult(Struct, frozen=True, kw_only=True):
    """What a run left: its report, its folder on this machine, its exit code, and bugs to trace.

    `where` is how its files are named to people.
    """

    report: Report
    folder: Path
    where: str
    exit_code: ExitCode
    internal_errors: tuple[Exception, ...]


def run(request: RunRequest) -> RunResult:
    """Retrain, judge and switch the selected models.

    Raises:
        ManifestError, UsageError, LockedError, StateError: nothing was started (a plan that is stale included), or the
            journal can no longer be written; models' own trouble is in the result.
    """
    document = read_plan(request.plan) if request.plan else None
    scope = planned_scope(document, request.choice, str(request.plan)) if document else read_scope(request.choice)
    scope.service.require_trusted()
    notifier = Notifier(scope, request.warn)
    hold = session(request.state, lock_timeout=request.lock_timeout, listener=request.listener)
    with notifier.failing(), hold as opened:
        notifier.began()
        result = _retrain(opened, request, scope, document)
    notifier.ended(result.report)
    return result


def _retrain(opened: Session, request: RunRequest, scope: Scope, document: PlanDocument | None) -> RunResult:
    readings = readings_of(opened, scope.service)
    warn_of_future(opened.found_at, request.warn)
    agreed = agreed_plan(opened, scope, document, str(request.plan), readings) if document else None
    paths = tuple(str(path) for path in scope.choice.paths)
    opened.start(scope.manifest, scope.service, paths, _recorded(scope, document))
    planned = agreed or plan_models(scope, opened.progress, readings, request.listener)
    _record_plans(opened, scope.manifest, planned)
    job = ExecutionRequest(
        scope=scope,
        plans=planned.plans,
        parallel=request.parallel or scope.manifest.limits.parallel,
        listener=request.listener,
        readings=readings,
        recording=request.recording,
    )
    executed = execute(opened, job)
    _prune(opened, scope, executed, request.warn)
    return finish_run(opened, executed, allow_held=request.allow_held)


def _prune(opened: Session, scope: Scope, executed: ExecutionResult, warn: Warn) -> None:
    """Remove results by `limits.keep`, after a run that nobody stopped."""
    age = scope.manifest.limits.keep
    if age is None or executed.stopped is not None:
        return
    if opened.state.folder is None:
        warn(f"limits.keep: results in {opened.state.blobs.shown('runs')} are not removed; only those of a folder are")
        return
    from runner.app.state.prune import prune_after_run  # noqa: PLC0415 -- few manifests ask for it

    places = {(scope.service.name, name) for name in scope.manifest.models}
    for trouble in prune_after_run(opened.folder, opened.recorder, age, places).refused:
        warn(f"limits.keep: {trouble}; it was not removed")


def carry_out(opened: Session, scope: Scope, plan: ModelPlan, listener: Listener) -> RunResult:
    """Do what a person decided about one model, and end the run."""
    job = ExecutionRequest(
        scope=scope, plans=[plan], parallel=1, listener=listener, readings=readings_of(opened, scope.service)
    )
    return finish_run(opened, execute(opened, job), allow_held=False)


def readings_of(opened: Session, service: TargetService) -> FileCache:
    """Return what reads a run's data: it may start the manifest's commands, and keeps copies in the run's spool."""
    access = DataAccess(
        trusted_hosts=service.trusted_hosts,
        starts_commands=True,
        spool=lambda: opened.folder.make("spool", opened.run_id),
    )
    return FileCache(access)


def finish_run(opened: Session, executed: ExecutionResult, *, allow_held: bool) -> RunResult:
    """End the run: its exit code, its record, its files."""
    code = exit_code(
        executed.ends, internal_errors=bool(executed.internal_errors), stopped=executed.stopped, allow_held=allow_held
    )
    report = opened.finish(code, executed.stopped)
    return RunResult(
        report=report,
        folder=opened.run_folder,
        where=opened.state.blobs.shown(f"runs/{opened.run_id}"),
        exit_code=code,
        internal_errors=executed.internal_errors,
    )


def _recorded(scope: Scope, document: PlanDocument | None) -> dict[str, Any]:
    choice = scope.choice
    return {
        "command": "run",
        "select": list(choice.select),
        "force": choice.force,
        "no_switch": choice.no_switch,
        "emulator": choice.emulator,
        "allow_service_change": choice.allow_service_change,
        "quarantine_s": scope.manifest.service.quarantine.total_seconds(),
        "plan_sha256": document.sha256 if document else None,
    }


def _record_plans(opened: Session, manifest: Manifest, planned: Planned) -> None:
    """Write all plans in one transaction, after what moved."""
    facts: list[tuple[str | None, Fact]] = [(None, ModelsMoved(moves=planned.moves))] if planned.moves else []
    for plan in planned.plans:
        before = planned.services_before.get(plan.model)
        if before is not None and plan.outcome != "failed":
            facts.append((plan.model, ServiceMoved(from_service=before)))
        facts.append((plan.model, _planned(manifest, plan)))
    at = stamp(opened.clock.now())
    opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=model, fact=fact) for model, fact in facts])


def _planned(manifest: Manifest, plan: ModelPlan) -> ModelPlanned:
    model = manifest.models[plan.model]
    policy = model.policy
    return ModelPlanned(
        action=plan.action,
        stages=tuple(plan.stages),
        reason=plan.reason,
        policy=policy,
        policy_sha256=policy_digest(manifest.policies[policy], manifest.metrics),
        dataset_sha256=plan.dataset_sha256,
        owner=model.owner,
        tags=model.tags,
    )
