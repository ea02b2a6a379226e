"""Manifest and progress in, plan out. The same function feeds `retrain plan` and `retrain run`. Pure."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from runner.datasets.metadata import DatasetDigest, UnreadDataset
from runner.errors import Kind, ModelError
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import Outcome
from runner.journal.retrain_job import ABANDONED, DELETED, JobStage, RetrainJob
from runner.lib.timestamps import age
from runner.manifest.durations import duration_text
from runner.manifest.model import Approval, Manifest, Model
from runner.plan.approvals import (
    ApprovalContext,
    approval_for,
    contradiction,
    definition_moved,
    incumbent_moved,
    inputs_moved,
    unused_approvals,
    why_followed,
    without_provenance,
)
from runner.plan.eligibility import blocked, blocked_data, history_lost, turned_back, was_rejected, withdrawn
from runner.plan.evidence import Evidence, evidence
from runner.plan.incumbent import ONE_WAY, is_unrecorded, learnt_since, statement_due
from runner.plan.model_plan import (
    STAGES,
    Action,
    Choice,
    ModelPlan,
    PlanInputs,
    PlanStage,
    person_command,
    review_commands,
)
from runner.policy.types import unread_clause

_LEAST_JITTER, _MOST_JITTER = timedelta(seconds=3), timedelta(minutes=15)
_CLOCK_CHANGE = timedelta(hours=1)
_SPANS_CLOCK_CHANGE = timedelta(hours=6)  # of shorter intervals an hour would be too large a part
_RESUMED = {
    JobStage.SENDING: (
        (PlanStage.SETTLE_UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH),
        "may or may not have started",
    ),
    JobStage.STARTED: ((PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH), "is in training"),
    JobStage.FINISHED: ((PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH), "has finished and is not judged yet"),
    JobStage.STORED: ((PlanStage.DECIDE, PlanStage.SWITCH), "has a stored result that is not judged yet"),
    JobStage.SWITCHING: ((PlanStage.SETTLE_SWITCH, PlanStage.SWITCH), "may or may not have been switched to"),
}


def plan_model(
    manifest: Manifest, model: Model, progress: ModelProgress, inputs: PlanInputs, choice: Choice
) -> ModelPlan:
    """Return what a run would do to the model now, and why."""
    plan = _planned(manifest, model, progress, inputs, choice)
    return _with_statement(model, progress, _with_first_contact(model, progress, plan, choice))


def _with_first_contact(model: Model, progress: ModelProgress, plan: ModelPlan, choice: Choice) -> ModelPlan:
    """Say what a first switch replaces, and that the API cannot take it back."""
    if PlanStage.SWITCH not in plan.stages or choice.no_switch or progress.serving.ids:
        return plan
    nothing = is_unrecorded(progress) and statement_due(model, progress) is None
    unknown = " A switch replaces a model this project knows nothing about." if nothing else ""
    return replace(plan, reason=f"{plan.reason}{unknown} {ONE_WAY}")


def _with_statement(model: Model, progress: ModelProgress, plan: ModelPlan) -> ModelPlan:
    """Let the plan begin with what the manifest states of the model in service, where that is to be recorded."""
    statement = statement_due(model, progress)
    if statement is None or plan.outcome == "failed":
        return plan
    values = ", ".join(f"{name} {text}" for name, text in statement.metrics.items())
    told = f"The model in service is adopted as stated ({values})."
    if plan.stages:
        stages = (PlanStage.ADOPT, *plan.stages)
        return replace(plan, stages=stages, statement=statement, reason=f"{told} {plan.reason}")
    return ModelPlan(
        model=plan.model,
        action=Action.ADOPT,
        stages=STAGES[Action.ADOPT],
        reason=f"{told} {plan.reason}",
        dataset_sha256=plan.dataset_sha256,
        statement=statement,
    )


def _planned(
    manifest: Manifest, model: Model, progress: ModelProgress, inputs: PlanInputs, choice: Choice
) -> ModelPlan:
    job = progress.current
    if choice.force:
        return _retrain(model, inputs, _why_forced(job))
    if job is None:
        first = _retrain(model, inputs, "it has not been trained by this project yet")
        return _unless_lost(model, progress, first, choice)
    case = ApprovalContext(manifest=manifest, model=model, progress=progress, job=job, now=inputs.now)
    plan = _underway(case, inputs) or _by_data(replace(case, job=progress.last or job), inputs, choice)
    plan = _unless_lost(model, progress, plan, choice)
    idle = [f"{approval}." for approval in unused_approvals(case)]
    return replace(plan, reason=" ".join([plan.reason, *idle]), evidence=_evidence(plan, progress))


def _unless_lost(model: Model, progress: ModelProgress, plan: ModelPlan, choice: Choice) -> ModelPlan:
    """Train nothing that may have been trained in events that are lost: a person says whether it was."""
    if progress.loss is None or PlanStage.UPLOAD not in plan.stages:
        return plan
    error = ModelError(
        Kind.CONFIG,
        f"{model.name} may have been trained already: {history_lost(progress.loss)}.",
        hint=f"Look in the product for newer jobs; `{choice.train_anew(model.name)}` trains it.",
    )
    return failed_plan(model, error, dataset_sha256=plan.dataset_sha256)


def _evidence(plan: ModelPlan, progress: ModelProgress) -> Evidence | None:
    """Return what a person decides by, where a candidate rests until they do."""
    job = progress.jobs.get(plan.retrain_job_id or "") if plan.outcome in ("awaiting_approval", "held") else None
    return evidence(progress, job) if job is not None else None


def _is_given_up(case: ApprovalContext, inputs: PlanInputs) -> bool:
    """Return whether the job in training is older than `wait.give_up`, and there is other data to train."""
    job, limit = case.job, case.model.wait.give_up
    old = age(job.started_at, inputs.now) if job.stage == JobStage.STARTED and job.started_at is not None else None
    data = inputs.dataset
    changed = isinstance(data, UnreadDataset) or (isinstance(data, DatasetDigest) and data.sha256 != job.dataset_sha256)
    return old is not None and old >= limit and changed


def _underway(case: ApprovalContext, inputs: PlanInputs) -> ModelPlan | None:
    """Plan for what was begun or decided and is not done; None when there is nothing of that kind."""
    model, job = case.model, case.job
    if _is_given_up(case, inputs):
        return None
    if job.stage in _RESUMED:
        stages, state = _RESUMED[job.stage]
        return ModelPlan(
            model=model.name,
            action=Action.RESUME,
            stages=stages,
            reason=_sentence(f"job {job.retrain_job_id} {state}; the run continues from there"),
            retrain_job_id=job.retrain_job_id,
            dataset_sha256=job.dataset_sha256,
        )
    if case.progress.serving.wanted and job.rollback is not None:
        why = f"the rollback to job {job.retrain_job_id} was decided by {job.rollback.fact.by} and not done yet"
        return _on_candidate(model, job, Action.ROLLBACK, why)
    if job.stage != JobStage.JUDGED:
        return None
    approval = None if _expired(case.manifest, model, job, case.now) else approval_for(case)
    if approval is not None:
        clash = contradiction(case)
        return _undecided(model, job, clash) if clash else _by_approval(model, job, approval)
    return _due_switch(case.manifest, model, case.progress, job) if _switch_is_due(job) else None


def _by_approval(model: Model, job: RetrainJob, approval: Approval) -> ModelPlan:
    """Plan for a candidate on which a file of the approvals folder has the word."""
    approves = approval.action == "approve"
    action = Action.SWITCH if approves else Action.REJECT
    plan = _on_candidate(model, job, action, why_followed(approval, without_provenance(approval)))
    return replace(plan, stages=(PlanStage.REVIEW, *plan.stages) if approves else plan.stages, approval=approval)


def _undecided(model: Model, job: RetrainJob, clash: tuple[Approval, Approval]) -> ModelPlan:
    """Plan nothing for a candidate on which two files say the opposite."""
    one, other = clash
    error = ModelError(
        Kind.CONFIG,
        f"{one.file} and {other.file} contradict each other about candidate {job.retrain_job_id}.",
        hint="Remove one of the two files.",
    )
    return failed_plan(model, error)


def _why_forced(job: RetrainJob | None) -> str:
    """Name what a forced training leaves behind: nobody looks after it any more."""
    if job is not None and job.stage in _RESUMED:
        return f"--force was given; job {job.retrain_job_id}, which {_RESUMED[job.stage][1]}, is left alone"
    if job is not None and job.stage == JobStage.JUDGED:
        return f"--force was given; candidate {job.retrain_job_id} is left behind"
    return "--force was given"


def _switch_is_due(job: RetrainJob) -> bool:
    """Return whether a switch to the candidate was decided, or a person decided it; `barred` says what prevents it."""
    if job.decided is None:
        return False
    return job.review is not None or job.decided.action == "switch"


def _due_switch(manifest: Manifest, model: Model, progress: ModelProgress, job: RetrainJob) -> ModelPlan | None:
    if blocked(progress, job):
        return None
    moved = inputs_moved(manifest, model, progress, job)
    if moved:
        return _on_candidate(model, job, Action.JUDGE, f"the switch to job {job.retrain_job_id} was due, but {moved}")
    why = "was approved" if job.review else "is decided"
    return _on_candidate(model, job, Action.SWITCH, f"the switch to job {job.retrain_job_id} {why} and not done yet")


def _by_data(case: ApprovalContext, inputs: PlanInputs, choice: Choice) -> ModelPlan:
    """Plan for a model with nothing in flight: is there a reason to train again?"""
    model, progress, job = case.model, case.progress, case.job
    if isinstance(inputs.dataset, ModelError):
        return failed_plan(model, inputs.dataset)
    turn = None if isinstance(inputs.dataset, UnreadDataset) else blocked_data(progress, inputs.dataset.sha256)
    if turn is not None:
        text = f"{turned_back(turn)}; new data, or `{choice.train_anew(model.name)}`, brings a new candidate"
        return _rest(model, progress.incumbent or job, "unchanged", text)
    if progress.incumbent is not None and withdrawn(progress, job):
        job = progress.incumbent
    reason = _why_train(model, job, inputs)
    if reason:
        return _too_soon(model, job, inputs, reason) or _retrain(model, inputs, reason)
    if job.stage == JobStage.FAILED:
        return _after_failure(model, progress, job, inputs, choice)
    if job.stage == JobStage.JUDGED:
        return _candidate_rests(replace(case, job=job), choice)
    serves = "was switched to last" if job.retrain_job_id == progress.incumbent_id else "has served"
    saved_anew = inputs.same_rows.get(job.dataset_sha256 or "")
    but = f", but for {saved_anew}" if saved_anew else ""
    return _rest(
        model,
        job,
        "unchanged",
        f"the data is the same as for job {job.retrain_job_id}{but}, which {serves}; nothing to do",
    )


def _why_train(model: Model, job: RetrainJob, inputs: PlanInputs) -> str | None:
    data = inputs.dataset
    if isinstance(data, UnreadDataset):
        return f"the data has another size than that of job {job.retrain_job_id}"
    if isinstance(data, DatasetDigest) and job.dataset_sha256 not in {data.sha256, *inputs.same_rows}:
        return f"the data changed since job {job.retrain_job_id}"
    if model.retrain.when == "always":
        return "its manifest says `when: always`"
    trained_at, max_age = job.run_started_at, model.retrain.max_age
    if max_age is None or trained_at is None:
        return None
    old = age(trained_at, inputs.now)
    if old is None:
        return f"its last training is dated {trained_at:%Y-%m-%dT%H:%M:%SZ}, which is in the future, and max_age is set"
    return f"its last training is older than max_age ({duration_text(max_age)})" if old >= _shortest(max_age) else None


def _too_soon(model: Model, job: RetrainJob, inputs: PlanInputs, reason: str) -> ModelPlan | None:
    interval, last = model.retrain.min_interval, job.run_started_at
    since = age(last, inputs.now) if last else None
    if interval is None or last is None or since is None or since >= _shortest(interval):
        return None
    until = f"{last + _shortest(interval):%Y-%m-%dT%H:%M:%SZ}"
    text = f"{reason}, but min_interval ({duration_text(interval)}) is not over before {until}; a later run trains it"
    return _rest(model, job, "skipped", text)


def _shortest(interval: timedelta) -> timedelta:
    """Return from which time on an interval between the starts of two runs counts as over.

    A schedule as long as the interval comes early by what the run before was late, and by the hour of daylight saving
    time: a night without a training would be its end.
    """
    jitter = min(max(interval / 5, min(interval / 2, _LEAST_JITTER)), _MOST_JITTER)
    return interval - jitter - (_CLOCK_CHANGE if interval >= _SPANS_CLOCK_CHANGE else timedelta(0))


def _after_failure(
    model: Model, progress: ModelProgress, job: RetrainJob, inputs: PlanInputs, choice: Choice
) -> ModelPlan:
    failed = progress.attempts(job.dataset_sha256 or "")
    if job.status in (DELETED, ABANDONED):  # it may have been trained, or may be still
        gone = "The service says that job {} may be deleted, and nothing else about it."
        error = ModelError(
            Kind.TRAINING,
            (gone if job.status == DELETED else "An operator abandoned job {}.").format(job.retrain_job_id),
            hint=f"Look for it in the product; `{choice.train_anew(model.name)}` trains this data again.",
        )
        return failed_plan(model, error)
    if failed < model.retrain.attempts:
        reason = f"attempt {failed} of {model.retrain.attempts} on this data failed ({job.failure})"
        return _too_soon(model, job, inputs, reason) or _retrain(model, inputs, reason)
    error = ModelError(
        Kind.TRAINING,
        f"The training failed {failed} times on this data, all that `attempts` allows; the last time: {job.failure}.",
        hint=f"Change the data, or train once more with `{choice.train_anew(model.name)}`.",
    )
    return failed_plan(model, error)


def _candidate_rests(case: ApprovalContext, choice: Choice) -> ModelPlan:
    """Plan for a candidate that was held or waits for a person."""
    manifest, model, progress, job = case.manifest, case.model, case.progress, case.job
    name = job.retrain_job_id
    if job.rejection is not None:
        anew = choice.train_anew(model.name)
        text = f"{was_rejected(job, job.rejection)}; new data, or `{anew}`, brings a new candidate"
        return _rest(model, job, "unchanged", text)
    moved = definition_moved(manifest, model, job) or learnt_since(model, progress, job)
    if job.review is None and job.decided and job.decided.action == "await_approval":
        moved = moved or incumbent_moved(manifest, model, progress, job)
    if moved:
        return _on_candidate(model, job, Action.JUDGE, f"candidate {name} is judged again: {moved}")
    bar = blocked(progress, job)
    if job.decided and job.decided.action == "await_approval" and (bar is None or progress.loss is None):
        return _awaiting(case, choice)
    return _held(model, progress, job, _blocked(model, job, bar, choice) if bar else _decision_reason(job))


def _blocked(model: Model, job: RetrainJob, bar: str, choice: Choice) -> str:
    """Return what is in the way of a candidate, and the command of a person who switches to it anyway."""
    forced = person_command("approve", model.name, "--job", job.retrain_job_id, "--force", state=choice.state_option)
    return f"{bar}; `{forced}` switches to it anyway"


def _decision_reason(job: RetrainJob) -> str:
    return job.decided.fact.evaluation.decision.reason.removesuffix(".") if job.decided else ""


def _held(model: Model, progress: ModelProgress, job: RetrainJob, why: str) -> ModelPlan:
    """Plan for a candidate that stays held until there is a newer one, an approval or a rejection."""
    name, still = job.retrain_job_id, progress.reported_held == job.retrain_job_id
    plan = _rest(model, job, "held", f"candidate {name} is {'still held' if still else 'held'}: {why}")
    return replace(plan, still_held=still)


def _expired(manifest: Manifest, model: Model, job: RetrainJob, now: datetime) -> datetime | None:
    """Return when the time to decide about the candidate ended; None while it has not."""
    expires = approval_expires_at(manifest, model, job)
    return expires if expires and now >= expires else None


def _awaiting(case: ApprovalContext, choice: Choice) -> ModelPlan:
    manifest, model, progress, job = case.manifest, case.model, case.progress, case.job
    expires, name = _expired(manifest, model, job, case.now), job.retrain_job_id
    if expires:
        text = f"the time to approve it ended at {expires:%Y-%m-%dT%H:%M:%SZ}"
        return _held(
            model, progress, job, f"{text}; new data or `{choice.train_anew(model.name)}` brings a new candidate"
        )
    approve, reject = review_commands(model.name, state=choice.state_option)
    text = f"candidate {name} waits for `{approve}` or `{reject}`"
    if manifest.approvals_folder is not None:
        written = person_command("approve", model.name, "--write", state=choice.state_option)
        text = f"{text}, or for a file that `{written}` makes"
    if job.decided is not None and job.decided.unread is not None:
        text = f"{text}; {unread_clause(job.decided.unread)}"
    return _rest(model, job, "awaiting_approval", text)


def approval_expires_at(manifest: Manifest, model: Model, job: RetrainJob) -> datetime | None:
    """Return when the waiting candidate can no longer be approved, or None when it always can."""
    policy = manifest.policies[model.policy]
    if policy.expires is None or job.decided is None:
        return None
    return job.decided.at + policy.expires


def _retrain(model: Model, inputs: PlanInputs, reason: str) -> ModelPlan:
    if isinstance(inputs.dataset, ModelError):
        return failed_plan(model, inputs.dataset)
    return ModelPlan(
        model=model.name,
        action=Action.RETRAIN,
        stages=STAGES[Action.RETRAIN],
        reason=_sentence(reason),
        dataset_sha256=None if isinstance(inputs.dataset, UnreadDataset) else inputs.dataset.sha256,
    )


def _on_candidate(model: Model, job: RetrainJob, action: Action, reason: str) -> ModelPlan:
    return ModelPlan(
        model=model.name,
        action=action,
        stages=STAGES[action],
        reason=_sentence(reason),
        retrain_job_id=job.retrain_job_id,
        dataset_sha256=job.dataset_sha256,
    )


def _rest(model: Model, job: RetrainJob, outcome: Outcome, reason: str) -> ModelPlan:
    return ModelPlan(
        model=model.name,
        action=Action.NONE,
        stages=(),
        reason=_sentence(reason),
        outcome=outcome,
        retrain_job_id=job.retrain_job_id,
        dataset_sha256=job.dataset_sha256,
    )


def failed_plan(model: Model, error: ModelError, *, dataset_sha256: str | None = None) -> ModelPlan:
    """Return the plan of a model that fails before anything is done to it."""
    return ModelPlan(
        model=model.name,
        action=Action.NONE,
        stages=(),
        reason=str(error),
        outcome="failed",
        error=error,
        dataset_sha256=dataset_sha256,
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
