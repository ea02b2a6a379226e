"""`retrain resolve`: a person says what happened to a request or a training that the service cannot tell."""

from datetime import timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runner.app.provenance import ci_actor, tool
from runner.app.state.read_state import require_seen
from runner.app.state.session import session
from runner.errors import ExitCode, UsageError
from runner.execute.progress_events import Listener, unheard
from runner.journal.events import (
    Draft,
    Fact,
    JobAbandoned,
    ModelFinished,
    Resolved,
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
from runner.lib.timestamps import stamp

Answer = Literal["started", "not-started", "switched", "not-switched", "abandoned"]
_ASKED: dict[Answer, str] = {
    "started": "upload",
    "not-started": "upload",
    "switched": "switch",
    "not-switched": "switch",
    "abandoned": "training",
}


class ResolveRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain resolve`."""

    model: str
    answer: Answer
    reason: str
    state: str
    lock_timeout: timedelta = timedelta(0)
    listener: Listener = unheard


def resolve(request: ResolveRequest) -> str:
    """Record the person's word as the missing result, and return the job it is about.

    Raises:
        UsageError: no run had the model, or it has no request of that kind whose result is open.
    """
    with session(request.state, lock_timeout=request.lock_timeout, listener=request.listener) as opened:
        job, last = _open_job(opened.progress, request)
        started = replace(
            last.started, tool=tool(), actor=current_user(), ci_actor=ci_actor(), options={"command": "resolve"}
        )
        opened.recorder.run_fact(started)
        at, approval = stamp(opened.clock.now()), _word(request, job.retrain_job_id)
        facts = (approval, *_results(request, job.retrain_job_id), _end(request, approval))
        opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=request.model, fact=fact) for fact in facts])
        opened.finish(ExitCode.OK, None)
        return job.retrain_job_id


def _word(request: ResolveRequest, retrain_job_id: str) -> Resolved:
    return Resolved(retrain_job_id=retrain_job_id, state=request.answer, by=current_user(), reason=request.reason)


def _end(request: ResolveRequest, approval: Resolved) -> ModelFinished:
    outcomes: dict[Answer, Outcome] = {"started": "training", "switched": "switched"}
    return ModelFinished(
        outcome=outcomes.get(request.answer, "skipped"),
        reason=f"{approval.by} resolved it as {request.answer}: {request.reason}; the next `retrain run` continues.",
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
        if name == request.model and job is not None:
            names = {name, *model.former_names}
            runs = [
                run for run in progress.runs.values() if run.started.service == service and names & run.models.keys()
            ]
            return job, runs[-1]
    raise UsageError(
        f"No {what} of {request.model} has an open result.", hint="`retrain status` shows what is in flight."
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
