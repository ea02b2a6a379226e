"""`retrain run`: plan the models, drive them to their outcomes, write the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from runner.app.engine import Driven, Job, execute
from runner.app.outcomes import exit_code
from runner.app.plan import plan_models
from runner.app.realm import realm_of
from runner.app.selection import select
from runner.app.session import Session, session
from runner.errors import ExitCode
from runner.execute.ports import Listener
from runner.journal.events import Draft, ModelPlanned
from runner.journal.instants import stamp
from runner.manifest.load import load
from runner.manifest.model import Manifest
from runner.plan.model import ModelPlan, Options
from runner.policy.record import policy_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The arguments of `retrain run`."""

    paths: Sequence[Path]
    state: str
    listener: Listener
    select: Sequence[str] = ()
    force: bool = False
    no_switch: bool = False
    emulator: bool = False
    allow_held: bool = False
    parallel: int | None = None
    lock_timeout: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run left: its report (JSON value), the folder with its files, its exit code, and bugs to trace."""

    report: dict[str, Any]
    folder: Path
    exit_code: ExitCode
    bugs: tuple[Exception, ...]


def run(request: RunRequest) -> RunResult:
    """Retrain, judge and switch the selected models.

    Raises:
        ManifestError, UsageError, LockedError, StateError: nothing was started, or the journal can no longer be
            written; models' own trouble is in the result.
    """
    manifest = load(request.paths)
    models = select(manifest, request.select)
    realm = realm_of(manifest, emulator=request.emulator)
    options = Options(force=request.force, no_switch=request.no_switch)
    with session(request.state, lock_timeout=request.lock_timeout) as opened:
        opened.start(manifest, realm, tuple(str(path) for path in request.paths), _recorded(request, manifest))
        plans = plan_models(manifest, models, opened.progress, realm, options)
        _record_plans(opened, manifest, plans)
        job = Job(
            manifest=manifest,
            paths=request.paths,
            realm=realm,
            plans=plans,
            options=options,
            parallel=request.parallel or manifest.limits.parallel,
            listener=request.listener,
        )
        return conclude(opened, execute(opened, job), allow_held=request.allow_held)


def conclude(opened: Session, driven: Driven, *, allow_held: bool) -> RunResult:
    """End the run: its exit code, its record, its files."""
    code = exit_code(driven.outcomes, bugs=bool(driven.bugs), stopped=driven.stopped, allow_held=allow_held)
    report = opened.finish(code, driven.stopped)
    return RunResult(report=report, folder=opened.run_folder, exit_code=code, bugs=driven.bugs)


def _recorded(request: RunRequest, manifest: Manifest) -> dict[str, Any]:
    return {
        "command": "run",
        "select": list(request.select),
        "force": request.force,
        "no_switch": request.no_switch,
        "emulator": request.emulator,
        "quarantine_s": manifest.service.quarantine.total_seconds(),
    }


def _record_plans(opened: Session, manifest: Manifest, plans: Sequence[ModelPlan]) -> None:
    """Write all plans in one transaction."""
    at = stamp(opened.clock.now())
    drafts = [Draft(at=at, run_id=opened.run_id, model=plan.model, fact=_planned(manifest, plan)) for plan in plans]
    opened.recorder.append(drafts)


def _planned(manifest: Manifest, plan: ModelPlan) -> ModelPlanned:
    policy = manifest.policies[manifest.models[plan.model].policy]
    return ModelPlanned(
        action=plan.action,
        stages=tuple(plan.stages),
        reason=plan.reason,
        policy=policy.name,
        policy_sha256=policy_digest(policy, manifest.metrics),
        dataset_sha256=plan.dataset_sha256,
    )
