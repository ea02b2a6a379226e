"""`retrain run`: plan the models, take them to their outcomes, write the report."""

import os
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from runner.app.planning.data_checks import recorded_contents
from runner.app.planning.plan import plan_models
from runner.app.planning.plan_document import Planned, read_plan
from runner.app.planning.scope import Scope, read_scope
from runner.app.run.execution import ExecutionRequest, ExecutionResult, OpenInbox, execute
from runner.app.run.notifier import Notifier
from runner.app.run.planned_run import agreed_plan, planned_scope
from runner.app.run.run_end import RunResult, finish_run, readings_of
from runner.app.state.read_state import Warn, knows_approved, warn_of_future
from runner.app.state.session import Session, session
from runner.datasets.metadata import DatasetDigest
from runner.errors import ModelError, UsageError
from runner.execute.progress_events import Listener
from runner.journal.checkpoint import never
from runner.journal.events import Draft, Fact, KnownContent, ModelPlanned, ModelsMoved, ServiceMoved
from runner.journal.forms import is_run_id
from runner.lib.atomic_files import open_file, read_up_to, write_whole
from runner.lib.timestamps import stamp
from runner.manifest.model import Manifest
from runner.plan.document import PlanDocument
from runner.plan.model_plan import Choice, ModelPlan, PlanStage
from runner.policy.decide import policy_digest

_LONGEST_ID = 100  # bytes


class RunRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain run`; `plan` is a plan's file, which then holds the choice. `warn` takes a sentence.

    `inbox` opens what people decide meanwhile; without it that waits for another run.
    `run_id_file` is where the run's id is written once the run has begun; a run that is refused leaves no such file.
    """

    choice: Choice
    state: str
    listener: Listener
    warn: Warn
    inbox: OpenInbox | None = None
    plan: Path | None = None
    allow_held: bool = False
    parallel: int | None = None
    recording: Path | None = None
    run_id_file: Path | None = None
    lock_timeout: timedelta = timedelta(0)


def run(request: RunRequest) -> RunResult:
    """Retrain, judge and switch the selected models.

    Raises:
        ManifestError, UsageError, LockedError, StateError: nothing was started (a plan that is stale included), or the
            journal can no longer be written; models' own trouble is in the result.
    """
    if request.run_id_file is not None:
        _clear(request.run_id_file)
    document = read_plan(request.plan) if request.plan else None
    scope = planned_scope(document, request.choice, str(request.plan)) if document else read_scope(request.choice)
    scope.service.require_trusted()
    notifier = Notifier(scope, request.warn)
    enough = never if scope.manifest.limits.keep else knows_approved(scope.service.name, scope.manifest)
    hold = session(request.state, lock_timeout=request.lock_timeout, listener=request.listener, enough=enough)
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
    if request.run_id_file is not None:
        _write_id(request.run_id_file, opened.run_id, request.warn)
    planned = agreed or plan_models(scope, opened.progress, readings, request.listener)
    _record_plans(opened, scope.manifest, scope.service.name, planned)
    job = ExecutionRequest(
        scope=scope,
        plans=planned.plans,
        parallel=request.parallel or scope.manifest.limits.parallel,
        listener=request.listener,
        readings=readings,
        recording=request.recording,
        inbox=request.inbox,
    )
    executed = execute(opened, job)
    _prune(opened, scope, executed, request.warn)
    return finish_run(opened, executed, allow_held=request.allow_held)


def _clear(run_id_file: Path) -> None:
    """Remove the id of an earlier run, so that nobody takes it for the one of this run.

    Raises:
        UsageError: there is something else, it cannot be removed, or no file can be made there.
    """
    if not run_id_file.parent.is_dir():
        raise UsageError(
            f"The folder of {run_id_file} does not exist.", hint="Name a file in a folder that you may write to."
        )
    try:
        if os.path.lexists(run_id_file):
            with open_file(run_id_file) as file:
                earlier = read_up_to(file, _LONGEST_ID).decode(errors="replace").strip()
            if earlier and not is_run_id(earlier):
                raise UsageError(
                    f"{run_id_file} is not the id of an earlier run, so it is not replaced.", hint="Name another file."
                )
            run_id_file.unlink()
    except OSError as error:
        raise UsageError(
            f"{run_id_file} cannot be replaced: {error.strerror}.", hint="Name a file that you may write."
        ) from error


def _write_id(run_id_file: Path, run_id: str, warn: Warn) -> None:
    try:
        write_whole(run_id_file, f"{run_id}\n".encode())
    except OSError as error:
        warn(f"The run's id {run_id} cannot be written to {run_id_file}: {error.strerror}.")


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


def _record_plans(opened: Session, manifest: Manifest, service: str, planned: Planned) -> None:
    """Write all plans in one transaction, after what moved."""
    facts: list[tuple[str | None, Fact]] = [(None, ModelsMoved(moves=planned.moves))] if planned.moves else []
    recorded = recorded_contents(planned.progress, service)
    for plan in planned.plans:
        before = planned.services_before.get(plan.model)
        if before is not None and plan.outcome != "failed":
            facts.append((plan.model, ServiceMoved(from_service=before)))
        contents = tuple(_new_contents(plan, planned.data[manifest.models[plan.model].dataset], recorded))
        facts.append((plan.model, _planned(manifest, plan, contents)))
    at = stamp(opened.clock.now())
    opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=model, fact=fact) for model, fact in facts])


def _planned(manifest: Manifest, plan: ModelPlan, contents: tuple[KnownContent, ...]) -> ModelPlanned:
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
        contents=contents,
    )


def _new_contents(
    plan: ModelPlan, data: DatasetDigest | ModelError, recorded: Collection[str]
) -> Iterator[KnownContent]:
    """Yield what was read for a plan that trains nothing, so that nobody reads it again; a training records its own."""
    if PlanStage.CHECK in plan.stages or isinstance(data, ModelError):
        return
    for file in filter(None, (data.train, data.eval)):
        if file.content_id is not None and file.content_id not in recorded:
            yield KnownContent(content_id=file.content_id, sha256=file.sha256, bytes=file.bytes)
