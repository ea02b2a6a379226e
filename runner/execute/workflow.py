"""One model from plan to outcome: walk the plan's stages, then record what happened to it."""

from collections.abc import Mapping

from msgspec.structs import replace

from runner.datasets.file_cache import digest
from runner.datasets.metadata import DatasetDigest
from runner.datasets.prepare import release
from runner.datasets.resolve import resolve
from runner.errors import MEMORY_HINT, Kind, ModelError
from runner.execute.commands import AwaitDecision, OvertakenError, StoppedError, Workflow, call, record, stage
from runner.execute.drift import adopt
from runner.execute.evaluation import decide_again, evaluate_result
from runner.execute.model_run import ModelOutcome, ModelRun, Replan, RunStage, StageEnd, failed, failed_with
from runner.execute.progress_events import ModelEnded, StageStarted
from runner.execute.settle_upload import settle_upload
from runner.execute.switch import settle_switch, switch
from runner.execute.training import wait
from runner.execute.upload import check, upload
from runner.journal.events import ApprovalRecorded, ErrorRecord, ModelFinished
from runner.journal.retrain_job import IN_FLIGHT, JobStage
from runner.plan.approvals import doubts, said_by
from runner.plan.model_plan import Choice, ModelPlan, PlanInputs, PlanStage
from runner.plan.planner import plan_model


def review(run: ModelRun) -> Workflow[StageEnd]:
    """Record the approval or rejection that the plan found; a rejection ends the model's run."""
    job, approval = run.job, run.plan.approval
    if approval is None or job.decided is None:
        raise LookupError(f"{run.model.name}: the review stage was reached without an approval or a decision")
    source = yield from call(lambda: run.context.provenance(approval))
    for doubt in doubts(source):
        run.warn(doubt)  # recorded, and no reason to disregard the approval
    reviewed = ApprovalRecorded(
        retrain_job_id=job.retrain_job_id,
        candidate_sha256=job.decided.fact.candidate_sha256,
        action=approval.action,
        by=said_by(source),
        reason=approval.reason,
        source=source,
    )
    yield from record(reviewed)
    if approval.action == "approve":
        return None
    why = approval.reason or "no reason given"
    return ModelOutcome(
        outcome="unchanged",
        reason=f"{said_by(source)} rejected candidate {job.retrain_job_id} in {approval.file} ({why}); "
        "new data brings a new candidate.",
    )


STARTS = 3  # how many jobs one run may take for a model whose uploads certainly never arrived

BUG_HINT = "Report it with the traceback in internal-errors/ of the state folder; the next run resumes."

_STAGES: Mapping[PlanStage, RunStage] = {
    PlanStage.ADOPT: adopt,
    PlanStage.SETTLE_UPLOAD: settle_upload,
    PlanStage.CHECK: check,
    PlanStage.UPLOAD: upload,
    PlanStage.WAIT: wait,
    PlanStage.EVALUATE: evaluate_result,
    PlanStage.DECIDE: decide_again,
    PlanStage.SETTLE_SWITCH: settle_switch,
    PlanStage.REVIEW: review,
    PlanStage.SWITCH: switch,
}
# What a stage works on; the others only ask the service.
_KINDS: Mapping[PlanStage, Kind] = {
    PlanStage.CHECK: Kind.DATA,
    PlanStage.UPLOAD: Kind.DATA,
    PlanStage.EVALUATE: Kind.RESULT,
    PlanStage.DECIDE: Kind.RESULT,
}


def model_workflow(run: ModelRun) -> Workflow[None]:
    """Bring one model to an outcome and record it. No error of one model leaves this function.

    Nothing is recorded where a person's decision settled the model meanwhile: then that has its end.
    """
    ending: ModelOutcome | None
    try:
        ending = yield from _walk(run)
    except ModelError as error:
        ending = failed(error)
    except StoppedError as stopped:
        ending = _interrupted(run, str(stopped))
    except Exception as bug:  # noqa: BLE001 -- a bug in one model's way must not end the others; the run exits with 70
        run.context.internal_errors.append(bug)
        ending = failed_with(Kind.CONFIG, f"Internal error: {type(bug).__name__}.", BUG_HINT)
    finally:
        if run.prepared is not None:
            release(run.prepared)
    if ending is None:
        return
    if ending.outcome == "failed" and run.context.budget.failures is not None:
        run.context.budget.failures -= 1
    finished = _finished(run, ending)
    yield from record(finished) if ending.last is None else record(ending.last, finished)
    run.tell(ModelEnded(outcome=ending.outcome, reason=ending.reason))


def _walk(run: ModelRun) -> Workflow[ModelOutcome | None]:
    lost = ""
    if run.decision is None and run.decisions:
        run.plan = yield from _plan_again(run, run.context.choice)
    for _ in range(STARTS):
        plan = run.plan
        if plan.outcome is not None:
            return ModelOutcome(outcome=plan.outcome, reason=plan.reason, error=plan.error, still_held=plan.still_held)
        if run.context.budget.stopped is not None:
            raise StoppedError(run.context.budget.stopped)
        closed = run.context.budget.closed()
        if closed:
            return ModelOutcome(outcome="skipped", reason=closed)
        end = yield from _walk_plan(run)
        if not isinstance(end, Replan):
            return end
        lost = end.reason.rstrip(".")
        run.warn(f"{lost}; the model is planned again")
        run.plan = yield from _plan_again(run, run.context.choice)
    return failed_with(
        Kind.SERVICE,
        f"{STARTS} jobs were taken and none of their uploads arrived; of the last one: {lost}.",
        "Run again; if it stays so, tell the service's support. Nothing was started.",
    )


def _walk_plan(run: ModelRun) -> Workflow[ModelOutcome | Replan | None]:
    """Walk the plan's stages. After a person's decision that came first, go on by what is in flight.

    None if nothing is in flight any more: then the decision settled the model.
    """
    while True:
        try:
            return (yield from _walk_stages(run, run.plan.stages))
        except OvertakenError:
            before = run.decisions
        yield AwaitDecision()
        job = run.progress.last
        flies = job is not None and (job.stage in IN_FLIGHT or job.stage == JobStage.SWITCHING)
        if run.decisions > before and not flies:
            return None
        run.plan = yield from _plan_again(run, replace(run.context.choice, force=False))
        if run.plan.outcome is not None:
            return ModelOutcome(outcome=run.plan.outcome, reason=run.plan.reason, error=run.plan.error)


def _plan_again(run: ModelRun, choice: Choice) -> Workflow[ModelPlan]:
    """Plan by the data as it is now: it may have changed since the upload that never arrived."""
    if run.prepared is not None:
        release(run.prepared)
        run.prepared = None
    dataset = run.context.manifest.datasets[run.model.dataset]
    found: DatasetDigest | ModelError
    readings = run.context.readings
    try:
        found = yield from stage(lambda: digest(resolve(dataset, readings.access), readings.metadata))
    except ModelError as error:
        found = error
    inputs = PlanInputs(now=run.context.clock.now(), dataset=found)
    return plan_model(run.context.manifest, run.model, run.progress, inputs, choice)


def _walk_stages(run: ModelRun, stages: tuple[PlanStage, ...]) -> Workflow[ModelOutcome | Replan]:
    for plan_stage in stages:
        run.tell(StageStarted(stage=plan_stage))
        end: StageEnd = yield from _walk_stage(run, plan_stage)
        if end is not None:
            return end
    raise LookupError(f"{run.model.name}: the stages {stages} ended without an outcome")


def _walk_stage(run: ModelRun, stage: PlanStage) -> Workflow[StageEnd]:
    """Walk one stage; a disk or a memory that does not suffice is an error of this model, told with the file."""
    try:
        return (yield from _STAGES[stage](run))
    except (MemoryError, OSError) as error:
        kind = _KINDS.get(stage, Kind.SERVICE)
        if isinstance(error, MemoryError):
            message = f"{_object(run, kind)} needs more memory than there is."
            raise ModelError(kind, message, hint=MEMORY_HINT) from error
        where = error.filename or run.context.address
        message = f"{_object(run, kind)} cannot be processed, {where}: {error.strerror or error}."
        raise ModelError(kind, message, hint="Make room or give access there, then run again.") from error


def _object(run: ModelRun, kind: Kind) -> str:
    """Return what a stage works on."""
    if kind == Kind.DATA:
        dataset = run.context.manifest.datasets[run.model.dataset]
        train = dataset.train
        where = train.shown if train.scheme else train.folder / train.pattern
        return f"The data of {run.model.name}, {where},"
    job = run.current
    if kind == Kind.RESULT and job is not None:
        place = run.context.run_folder / "results" / run.model.name
        where = run.context.blobs.shown(job.result.path) if job.result else place
        return f"The result of job {job.retrain_job_id}, {where},"
    return f"The work on {run.model.name}"


def _interrupted(run: ModelRun, why: str) -> ModelOutcome:
    """Return the outcome of a model whose run was stopped: what is in flight stays, the next run continues."""
    job = run.current
    if job is None or job.stage in (JobStage.SWITCHED, JobStage.JUDGED, JobStage.FAILED):
        return ModelOutcome(outcome="skipped", reason=f"{why}; nothing is in flight, the next run continues.")
    name = job.retrain_job_id
    if job.stage in (JobStage.SENDING, JobStage.SWITCHING):
        text = f"{why} before the result of the last request about job {name} was known; the next run asks."
        return ModelOutcome(outcome="unknown", reason=text)
    return ModelOutcome(outcome="training", reason=f"{why}; job {name} is kept, the next run continues with it.")


def _finished(run: ModelRun, ending: ModelOutcome) -> ModelFinished:
    job, error = run.current, ending.error
    return ModelFinished(
        outcome=ending.outcome,
        reason=ending.reason,
        retrain_job_id=job.retrain_job_id if job else None,
        error=None if error is None else ErrorRecord(kind=error.kind, message=error.message, hint=error.hint),
        timings={name: round(seconds, 3) for name, seconds in run.timings.items()},
        calls=dict(run.calls),
        warnings=tuple(run.warnings),
        still_held=ending.still_held,
    )
