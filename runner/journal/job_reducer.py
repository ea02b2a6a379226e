"""What each kind of fact changes on its job: the fold, one line a kind."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    DataChecked,
    JobAbandoned,
    JobCreated,
    JobFact,
    Resolved,
    ResultDownloaded,
    RollbackDecided,
    StatusChanged,
    SwitchIntended,
    SwitchRejected,
    SwitchSucceeded,
    SwitchUnknown,
    TrainingFailed,
    TrainingFinished,
    UploadIntended,
    UploadRejected,
    UploadSucceeded,
    UploadUnknown,
)
from runner.journal.retrain_job import Decided, JobStage, RetrainJob, Review, Rollback
from runner.lib.timestamps import moment


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the journal a fact stands."""

    at: datetime
    sha256: str
    run_id: str


def taken(fact: JobCreated, checked: DataChecked | None) -> RetrainJob:
    """Return the job that begins with an issued id; `checked` is the data it is meant for."""
    return RetrainJob(
        retrain_job_id=fact.retrain_job_id,
        stage=JobStage.TAKEN,
        data=checked,
        url_expires_at=moment(fact.url_expires_at),
        status_before_upload=fact.status_before_upload,
    )


def changed(job: RetrainJob, fact: JobFact, place: At) -> RetrainJob:
    """Return the job after a fact about it."""
    changes = _CHANGES[type(fact)](fact, place)
    if isinstance(fact, StatusChanged) and fact.word == job.word:
        changes["lingered"] = (*job.lingered, fact.word)
    if isinstance(fact, SwitchRejected) and job.rollback:
        changes["stage"] = JobStage.SWITCHED  # it has served
    if isinstance(fact, CandidateEvaluated) and job.rejection:
        del changes["review"]  # it was said of the candidate, whatever another policy decides about it
    return msgspec.structs.replace(job, **changes)


def _rolled_back(fact: RollbackDecided, place: At) -> dict[str, Any]:
    rollback = Rollback(fact=fact, at=place.at, event_sha256=place.sha256)
    return {"rollback": rollback, "switches": 0, "switched_at": None}


def _judged(fact: CandidateEvaluated, place: At) -> dict[str, Any]:
    decided = Decided(fact=fact, at=place.at, event_sha256=place.sha256, run_id=place.run_id)
    return {"stage": JobStage.JUDGED, "decided": decided, "review": None}


# What each kind of fact changes on its job; a kind without a line here would stop the fold, not pass unseen.
_CHANGES: dict[type, Callable[[Any, At], dict[str, Any]]] = {
    UploadIntended: lambda fact, place: {
        "stage": JobStage.SENDING,
        "attempt": fact.attempt,
        "intended_at": place.at,
    },
    UploadSucceeded: lambda fact, place: {
        "stage": JobStage.STARTED,
        "started_at": place.at,
        "upload_proof": fact.proof,
    },
    UploadRejected: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},
    UploadUnknown: lambda _fact, _place: {"stage": JobStage.SENDING},
    JobAbandoned: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},
    StatusChanged: lambda fact, _place: {"word": fact.word},
    TrainingFinished: lambda fact, place: {
        "stage": JobStage.FINISHED,
        "finished_at": place.at,
        "model_id": fact.model_id,
    },
    TrainingFailed: lambda fact, place: {"stage": JobStage.FAILED, "finished_at": place.at, "failure": fact.message},
    ResultDownloaded: lambda fact, _place: {"stage": JobStage.STORED, "result": fact},
    CandidateEvaluated: _judged,
    ApprovalRecorded: lambda fact, place: {"review": Review(fact=fact, at=place.at)},
    RollbackDecided: _rolled_back,
    SwitchIntended: lambda fact, _place: {
        "stage": JobStage.SWITCHING,
        "switches": fact.attempt,
        "listed_before": fact.listed_before,
    },
    SwitchRejected: lambda _fact, _place: {"stage": JobStage.JUDGED},
    SwitchUnknown: lambda _fact, _place: {"stage": JobStage.SWITCHING},
    Resolved: lambda _fact, _place: {},
    SwitchSucceeded: lambda _fact, place: {"stage": JobStage.SWITCHED, "switched_at": place.at},
}
