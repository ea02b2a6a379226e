"""`retrain resolve`: a person says what happened to a request or a training that the service cannot tell."""

from typing import Literal

from msgspec.structs import replace

from runner.app.provenance import ci_actor, tool
from runner.app.review.candidates import DecisionRequest, Ruling, Subject
from runner.app.review.following import deciding, write
from runner.app.run.execution import ExecutionResult
from runner.app.run.run_end import RunResult, finish_run
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.read_state import read_begun, require_seen
from runner.app.state.session import Session
from runner.errors import StateError, UsageError
from runner.journal.events import (
    Fact,
    JobAbandoned,
    ModelFinished,
    Resolved,
    RunOptions,
    StatusChanged,
    SwitchRejected,
    SwitchSucceeded,
    TrainingFailed,
    UploadSucceeded,
)
from runner.journal.lock import current_user
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import Outcome
from runner.journal.progress import Progress, RunRecord
from runner.journal.retrain_job import ABANDONED, JobStage, RetrainJob
from runner.plan.model_plan import resolve_commands, state_option

Answer = Literal["started", "not-started", "switched", "not-switched", "abandoned"]
_ASKED: dict[Answer, str] = {
    "started": "upload",
    "not-started": "upload",
    "switched": "switch",
    "not-switched": "switch",
    "abandoned": "training",
}


class ResolveRequest(DecisionRequest, frozen=True, kw_only=True):
    """The arguments of `retrain resolve`; `subject` is what the person was told of, where that is known."""

    answer: Answer
    subject: Subject | None = None


def propose_resolution(request: ResolveRequest) -> Subject:
    """Return the job that it is about. The journal is read only, and no lock is needed.

    Raises:
        UsageError: as `resolve`.
    """
    refuse_noted_loss(request.state)
    job, last = _open_job(read_begun(request.state), request)
    return Subject(service=last.started.service, job=job.retrain_job_id)


def resolve(request: ResolveRequest) -> RunResult:
    """Record the person's word as the missing result.

    Raises:
        UsageError: no run had the model, or it has no request of that kind whose result is open.
    """
    with deciding(request, request.subject.service if request.subject else None) as opened:
        ruling = rule_on_resolution(opened, request)
        _, last = _open_job(opened.progress, request)
        started = replace(last.started, tool=tool(), actor=current_user(), ci_actor=ci_actor(), options=ruling.options)
        opened.recorder.run_fact(started)
        write(opened, request, *ruling.facts)
        return finish_run([opened], ExecutionResult(ends=((),), stopped=None, internal_errors=()), allow_held=True)


def rule_on_resolution(opened: Session, request: ResolveRequest) -> Ruling:
    """Return the effects of the answer on the journal as it is now; raises as `resolve`."""
    job = _open_job(opened.progress, request)[0].retrain_job_id
    told = request.subject
    if told is not None and told.job != job:
        raise StateError(
            f"The open {_ASKED[request.answer]} of {request.model} is that of job {job}, not of {told.job}.",
            hint="Nothing was recorded. `retrain status` shows what is in flight.",
        )
    word = _word(request, job)
    return Ruling(options=RunOptions(command="resolve"), facts=(word, *_results(request, job), _end(request, word)))


def _word(request: ResolveRequest, retrain_job_id: str) -> Resolved:
    return Resolved(retrain_job_id=retrain_job_id, state=request.answer, by=request.by, reason=request.reason)


def _end(request: ResolveRequest, approval: Resolved) -> ModelFinished:
    outcomes: dict[Answer, Outcome] = {"started": "training", "switched": "switched"}
    return ModelFinished(
        outcome=outcomes.get(request.answer, "skipped"),
        reason=f"{approval.by} resolved it as {request.answer}: {request.reason}; the next run continues.",
        retrain_job_id=approval.retrain_job_id,
        error=None,
        timings={},
        calls={},
        warnings=(),
    )


def _open_job(progress: Progress, request: ResolveRequest) -> tuple[RetrainJob, RunRecord]:
    """Return the job with the open request, and the last run that had the model."""
    require_seen((name for _, name in progress.models), request.model)
    what = _ASKED[request.answer]
    for (service, name), model in progress.models.items():
        job = _open(model, what)
        elsewhere = request.subject is not None and request.subject.service != service
        if name == request.model and job is not None and not elsewhere:
            if request.answer == "started":
                _refuse_unknown_data(request, job)
            names = {name, *model.former_names}
            runs = [
                run for run in progress.runs.values() if run.started.service == service and names & run.models.keys()
            ]
            return job, runs[-1]
    raise UsageError(
        f"No {what} of {request.model} has an open result.", hint="`retrain status` shows what is in flight."
    )


def _refuse_unknown_data(request: ResolveRequest, job: RetrainJob) -> None:
    """Raise a UsageError for a job that can only have started on a part of its data."""
    if job.is_cut_short:
        _, not_started = resolve_commands(request.model, "upload", state=state_option(request.state))
        raise UsageError(
            f"Job {job.retrain_job_id} of {request.model} was sent data without its end, so if it has started, nobody "
            "knows what it is trained on.",
            hint=f"Look in the product and remove what it makes; then `{not_started}` lets the next run train.",
        )


def _open(model: ModelProgress, what: str) -> RetrainJob | None:
    if what == "upload":
        return model.upload_unknown
    stage = JobStage.SWITCHING if what == "switch" else JobStage.STARTED
    return model.current if model.current and model.current.stage == stage else None


def _results(request: ResolveRequest, retrain_job_id: str) -> tuple[Fact, ...]:
    match request.answer:
        case "started":
            return (UploadSucceeded(retrain_job_id=retrain_job_id, proof="operator"),)
        case "not-started":
            return (JobAbandoned(retrain_job_id=retrain_job_id, by="operator"),)
        case "switched":
            return (SwitchSucceeded(retrain_job_id=retrain_job_id, proof="operator"),)
        case "not-switched":
            return (SwitchRejected(retrain_job_id=retrain_job_id, message=f"a person said so: {request.reason}"),)
        case "abandoned":
            return (
                StatusChanged(retrain_job_id=retrain_job_id, status=ABANDONED),
                TrainingFailed(retrain_job_id=retrain_job_id, status=ABANDONED, message=request.reason),
            )
