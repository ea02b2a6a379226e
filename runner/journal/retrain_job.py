"""One retrain job as its events tell it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct, field

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
    UploadBegun,
    UploadIntended,
    UploadRejected,
    UploadSucceeded,
    UploadUnknown,
)
from runner.lib.timestamps import moment
from runner.policy.evaluation import Action

DELETED = "deleted"  # a status: the service says that the job may be deleted
ABANDONED = "abandoned"  # a status: an operator waits for the job no longer


class JobStage(StrEnum):
    """How far a retrain job is known to have come."""

    TAKEN = "taken"  # an id was issued; nothing was sent
    SENDING = "sending"  # the one PUT was intended or begun; whether it arrived is not recorded
    STARTED = "started"  # the upload arrived
    FINISHED = "finished"  # the service has a result
    STORED = "stored"  # the result file is ours
    JUDGED = "judged"  # there is a decision
    SWITCHING = "switching"  # the switch was intended; whether it was applied is not recorded
    SWITCHED = "switched"  # it serves, or has served
    FAILED = "failed"  # the training failed
    NEVER_STARTED = "never_started"  # the upload certainly had no effect


VOID = frozenset({JobStage.TAKEN, JobStage.NEVER_STARTED})
IN_FLIGHT = frozenset({JobStage.SENDING, JobStage.STARTED, JobStage.FINISHED, JobStage.STORED})
TRAINED = frozenset({JobStage.FINISHED, JobStage.STORED, JobStage.JUDGED, JobStage.SWITCHING, JobStage.SWITCHED})


class Decided(Struct, frozen=True, kw_only=True):
    """The last decision about a candidate; `event_sha256` and `run_id` say where it is in the journal."""

    fact: CandidateEvaluated
    at: datetime
    event_sha256: str
    run_id: str

    @property
    def action(self) -> Action:
        """Return `switch`, `hold` or `await_approval`."""
        return self.fact.evaluation.decision.action

    @property
    def unread(self) -> str | None:
        """Return why the metrics of the result file could not be read, as one sentence; None if they could."""
        return self.fact.evaluation.unread


class Review(Struct, frozen=True, kw_only=True):
    """An operator's decision on a candidate."""

    fact: ApprovalRecorded
    at: datetime


class Rollback(Struct, frozen=True, kw_only=True):
    """A person's decision to switch back to a job; `event_sha256` says where it is in the journal."""

    fact: RollbackDecided
    at: datetime
    event_sha256: str


class RetrainJob(msgspec.Struct, frozen=True, kw_only=True):
    """One retrain job of one model, from the taking of its id on. Times are None until they happened."""

    retrain_job_id: str
    stage: JobStage
    data: DataChecked | None
    attempt: int = 0
    url_expires_at: datetime
    status_before_upload: str | None
    status: str | None = None
    status_since: datetime | None = None
    lingered: tuple[str, ...] = ()  # doubtful words that it still said when the quarantine after its upload was over
    upload_proof: str | None = None
    intended_at: datetime | None = None
    run_started_at: datetime | None = None  # the run that uploaded its data
    started_at: datetime | None = None
    finished_at: datetime | None = None
    model_id: int | None = None
    failure: str | None = None
    result: ResultDownloaded | None = None
    decided: Decided | None = None
    review: Review | None = None
    rollback: Rollback | None = None
    switches: int = 0
    listed_before: tuple[int, ...] | None = None  # models in service before the last of these switches
    switched_at: datetime | None = None

    @property
    def rejection(self) -> Review | None:
        """Return the rejection by a person, if that was the last review."""
        return self.review if self.review is not None and self.review.fact.action == "reject" else None

    @property
    def is_cut_short(self) -> bool:
        """Return whether its data was sent without an end as far as is known, so that nothing can have started."""
        return self.stage == JobStage.SENDING and self.data is None

    @property
    def dataset_sha256(self) -> str | None:
        """Return the digest of the data it was trained on."""
        return self.data.dataset_sha256 if self.data else None

    @property
    def eval_sha256(self) -> str | None:
        """Return the digest of its evaluation file, None when the service held out rows of its own."""
        return self.data.eval.sha256 if self.data and self.data.eval else None

    @property
    def mandate_sha256(self) -> str | None:
        """Return the event that a switch to this job refers to: the last rollback to it, else its policy's decision."""
        mandate = self.rollback or self.decided
        return mandate.event_sha256 if mandate else None

    @property
    def rests_with(self) -> Action | None:
        """Return `switch`, `hold` or `await_approval` for a candidate that is judged and not switched to.

        A person's approval counts above the policy; None at every other stage, and for a candidate that was rejected.
        """
        if self.stage != JobStage.JUDGED or self.decided is None or self.rejection is not None:
            return None
        return "switch" if self.review is not None else self.decided.action

    @property
    def training_seconds(self) -> float | None:
        """Return how long the training took as the runners saw it; None if their clocks contradict each other."""
        if self.started_at is None or self.finished_at is None or self.finished_at < self.started_at:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the journal a fact is; `run_started_at` is of its run."""

    at: datetime
    sha256: str
    run_id: str
    run_started_at: datetime


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
    if isinstance(fact, StatusChanged) and fact.status == job.status:
        changes["lingered"] = (*job.lingered, fact.status)
        del changes["status_since"]
    if isinstance(fact, SwitchRejected) and job.rollback:
        changes["stage"] = JobStage.SWITCHED  # it has served
    if isinstance(fact, CandidateEvaluated) and job.rejection:
        del changes["review"]  # it was said of the candidate, whatever another policy decides about it
    return msgspec.structs.replace(job, **changes)


def _rolled_back(fact: RollbackDecided, place: At) -> dict[str, object]:
    rollback = Rollback(fact=fact, at=place.at, event_sha256=place.sha256)
    return {"rollback": rollback, "switches": 0, "switched_at": None}


def _judged(fact: CandidateEvaluated, place: At) -> dict[str, object]:
    decided = Decided(fact=fact, at=place.at, event_sha256=place.sha256, run_id=place.run_id)
    return {"stage": JobStage.JUDGED, "decided": decided, "review": None}


# What each kind of fact changes on its job; a kind without a line here would stop the fold, not pass unseen.
_CHANGES: dict[type, Callable[[Any, At], dict[str, object]]] = {
    UploadBegun: lambda _fact, place: {
        "stage": JobStage.SENDING,
        "data": None,  # what was checked before is other data
        "intended_at": place.at,
        "run_started_at": place.run_started_at,
    },
    UploadIntended: lambda fact, place: {
        "stage": JobStage.SENDING,
        "attempt": fact.attempt,
        "intended_at": place.at,
        "run_started_at": place.run_started_at,
    },
    UploadSucceeded: lambda fact, place: {
        "stage": JobStage.STARTED,
        "started_at": place.at,
        "upload_proof": fact.proof,
    },
    UploadRejected: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},
    UploadUnknown: lambda _fact, _place: {"stage": JobStage.SENDING},
    JobAbandoned: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},
    StatusChanged: lambda fact, place: {"status": fact.status, "status_since": place.at},
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


class RollbackPoint(Struct, frozen=True, kw_only=True):
    """A turn back from a job: to which one, by whom and why.

    `newest` is the newest job there was at that moment: what was begun by then does not answer the person's doubt.
    """

    from_job_id: str
    to_job_id: str
    by: str
    reason: str
    newest: str


class Deployments(Struct, kw_only=True):
    """The jobs that served, oldest switch first; a job is there once for each switch to it.

    `left` has the jobs a person turned back from, until one of them serves again. `wanted` is the job a person wants
    to serve although it is not the newest one, until that is settled.
    """

    ids: list[str] = field(default_factory=list)
    left: dict[str, RollbackPoint] = field(default_factory=dict)
    wanted: str | None = None

    def take_over(self, name: str, departure: RollbackPoint | None) -> None:
        """Let a job serve from now on; `departure` tells when a person turned back to it."""
        self.ids.append(name)
        self.wanted = None
        if departure is not None:
            self.left[departure.from_job_id] = departure
        self.left.pop(name, None)


def is_older(jobs: Iterable[str], one: str, other: str) -> bool:
    """Return whether one job was begun before another; `jobs` are the ids, newest first, and both are among them."""
    return one != other and next(name for name in jobs if name in (one, other)) == other
