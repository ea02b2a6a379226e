"""`retrain approve` and `retrain reject`: a person's word on a candidate, bound to exactly that candidate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from runner.app.engine import Driven, Job, execute
from runner.app.plan import read_progress
from runner.app.provenance import actor
from runner.app.realm import EMULATOR, Realm, realm_of
from runner.app.run import RunResult, conclude
from runner.app.selection import find_model
from runner.app.session import Session, session
from runner.errors import StateError, UsageError
from runner.execute.ports import Listener
from runner.journal.events import Draft, Fact, ModelFinished, Outcome, Reviewed
from runner.journal.instants import stamp
from runner.journal.progress import Decided, JobStage, Progress, RunRecord
from runner.journal.progress import Job as RetrainJob
from runner.manifest.load import load
from runner.manifest.model import Manifest, Model
from runner.plan.inputs import inputs_moved
from runner.plan.model import STAGES, Action, ModelPlan, Options
from runner.plan.planner import approval_expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """The arguments of `retrain approve` and `retrain reject`."""

    model: str
    action: Literal["approve", "reject"]
    state: str
    listener: Listener
    manifest: Sequence[Path] = ()
    job: str | None = None
    reason: str = ""
    record_only: bool = False
    lock_timeout: timedelta = timedelta(0)


def review(request: ReviewRequest) -> RunResult:
    """Record the word, and on an approval switch at once unless `record_only`.

    Raises:
        UsageError: the model is unknown, or no candidate of it can be approved or rejected.
        StateError: the candidate is another one, or its policy changed since the decision.
    """
    record = _last_run_with(read_progress(request.state), request.model)
    paths = tuple(request.manifest) or tuple(Path(path) for path in record.started.paths)
    if not request.manifest:
        _refuse_missing(record, paths)
    manifest = load(paths)
    model = find_model(manifest, request.model)
    realm = realm_of(manifest, emulator=record.started.realm == EMULATOR)
    with session(request.state, lock_timeout=request.lock_timeout) as opened:
        decided = _candidate(opened, manifest, model, realm, request)
        options = {"command": request.action, "emulator": realm.emulator}
        opened.start(manifest, realm, tuple(str(path) for path in paths), options)
        _write(opened, model, _reviewed(request, decided))
        if request.action == "reject" or request.record_only:
            return _recorded_only(opened, model, request, decided)
        job = Job(
            manifest=manifest,
            paths=paths,
            realm=realm,
            plans=[_switch_plan(model, decided)],
            options=Options(),
            parallel=1,
            listener=request.listener,
        )
        return conclude(opened, execute(opened, job), allow_held=False)


def _refuse_missing(record: RunRecord, paths: Sequence[Path]) -> None:
    """Say that the last run's manifest is looked for from here, when it is not here."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(
            f"The manifest of run {record.run_id}, {missing[0]}, is not found from this folder.",
            hint="Go to the folder that run was started in, or name the manifest with --manifest.",
        )


def _last_run_with(progress: Progress, model: str) -> RunRecord:
    found = [run for run in progress.runs.values() if model in run.models]
    if not found:
        raise UsageError(
            f"No run of this state had a model {model}.", hint="`retrain status` lists the models; check --state."
        )
    return found[-1]


def _candidate(opened: Session, manifest: Manifest, model: Model, realm: Realm, request: ReviewRequest) -> Decided:
    """Return the decision the word is about, after making sure that it is the one the person means."""
    progress = opened.progress.model(realm.name, model.name)
    job = progress.last
    if job is None or job.stage != JobStage.JUDGED or job.decided is None:
        raise UsageError(
            f"No candidate of {model.name} waits for a decision.", hint="`retrain status` shows where it stands."
        )
    if request.job not in (None, job.retrain_job_id):
        raise StateError(
            f"The candidate of {model.name} is job {job.retrain_job_id}, not {request.job}.",
            hint="Look at the newest report and name that job, or leave --job out.",
        )
    moved = inputs_moved(manifest, model, progress, job)
    if moved:
        raise StateError(
            f"The candidate of {model.name} cannot be reviewed: {moved}.",
            hint="`retrain run` judges it again without a new training; then review that decision.",
        )
    _refuse_expired(opened, manifest, model, job)
    return job.decided


def _refuse_expired(opened: Session, manifest: Manifest, model: Model, job: RetrainJob) -> None:
    expires = approval_expires_at(manifest, model, job)
    if expires and opened.clock.now() >= expires:
        raise StateError(
            f"The time to decide about job {job.retrain_job_id} of {model.name} ended at {stamp(expires)}.",
            hint="`retrain run --force` trains a new candidate.",
        )


def _reviewed(request: ReviewRequest, decided: Decided) -> Reviewed:
    return Reviewed(
        retrain_job_id=decided.fact.retrain_job_id,
        candidate_sha256=decided.fact.candidate_sha256,
        action=request.action,
        by=actor(),
        reason=request.reason,
    )


def _switch_plan(model: Model, decided: Decided) -> ModelPlan:
    return ModelPlan(
        model=model.name,
        action=Action.SWITCH,
        stages=STAGES[Action.SWITCH],
        reason="the candidate was approved",
        retrain_job_id=decided.fact.retrain_job_id,
    )


def _recorded_only(opened: Session, model: Model, request: ReviewRequest, decided: Decided) -> RunResult:
    outcome: Outcome = "held" if request.action == "reject" else "skipped"
    text = (
        f"{actor()} rejected it: {request.reason or 'no reason given'}."
        if request.action == "reject"
        else ("The approval is recorded; the next `retrain run` switches.")
    )
    _write(
        opened,
        model,
        ModelFinished(
            outcome=outcome,
            reason=text,
            retrain_job_id=decided.fact.retrain_job_id,
            error=None,
            timings={},
            calls={},
            warnings=(),
        ),
    )
    return conclude(opened, Driven(outcomes=(outcome,), stopped=None, bugs=()), allow_held=True)


def _write(opened: Session, model: Model, fact: Fact) -> None:
    at = stamp(opened.clock.now())
    opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=model.name, fact=fact)])
