"""Where every model stands, as a fold over the journal's events. Pure: the same events give the same progress."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from runner.journal.chain import Link, broken
from runner.journal.events import (
    DataChecked,
    Event,
    JobDead,
    JobFact,
    JobTaken,
    Judged,
    ModelFinished,
    ModelPlanned,
    ReportWritten,
    Resolved,
    ResultStored,
    Reviewed,
    RollbackDecided,
    RunFinished,
    RunStarted,
    StatusSeen,
    SwitchDone,
    SwitchIntended,
    SwitchRefused,
    SwitchUnclear,
    TrainingFailed,
    TrainingFinished,
    UploadDone,
    UploadIntended,
    UploadRefused,
    UploadUnclear,
)
from runner.journal.instants import moment
from runner.journal.serving import Departure, Serving, is_older


class JobStage(StrEnum):
    """How far a retrain job is known to have come."""

    TAKEN = "taken"  # an id was issued; nothing was sent
    SENDING = "sending"  # the one PUT was intended; whether it arrived is not recorded
    STARTED = "started"  # the upload arrived
    FINISHED = "finished"  # the service has a result
    STORED = "stored"  # the result file is ours
    JUDGED = "judged"  # there is a decision
    SWITCHING = "switching"  # the switch was intended; whether it was applied is not recorded
    SWITCHED = "switched"  # it serves, or has served
    FAILED = "failed"  # the training failed
    NEVER_STARTED = "never_started"  # the upload surely had no effect


VOID = frozenset({JobStage.TAKEN, JobStage.NEVER_STARTED})
IN_FLIGHT = frozenset({JobStage.SENDING, JobStage.STARTED, JobStage.FINISHED, JobStage.STORED})
TRAINED = frozenset({JobStage.FINISHED, JobStage.STORED, JobStage.JUDGED, JobStage.SWITCHING, JobStage.SWITCHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The last decision about a candidate; `event_sha256` and `run_id` say where it stands in the journal."""

    fact: Judged
    at: datetime
    event_sha256: str
    run_id: str

    @property
    def action(self) -> str:
        """Return `switch`, `hold` or `await_approval`."""
        action: str = self.fact.evaluation["decision"]["action"]
        return action


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person's word on a candidate."""

    fact: Reviewed
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A person's decision to switch back to a job; `event_sha256` says where it stands in the journal."""

    fact: RollbackDecided
    at: datetime
    event_sha256: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One retrain job of one model, from the taking of its id on. Times are None until they happened.

    A struct, since folding a long journal replaces jobs very often, and `dataclasses.replace` takes ten times longer.
    """

    retrain_job_id: str
    stage: JobStage
    data: DataChecked | None
    attempt: int = 0
    url_expires_at: datetime
    word_before: str | None
    word: str | None = None
    lingered: tuple[str, ...] = ()  # doubtful words that it still said when the quarantine after its upload was over
    upload_proof: str | None = None
    intended_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    model_id: int | None = None
    failure: str | None = None
    result: ResultStored | None = None
    decided: Decided | None = None
    review: Review | None = None
    rollback: Rollback | None = None
    switches: int = 0
    switched_at: datetime | None = None

    @property
    def rejection(self) -> Review | None:
        """Return the word of a person who rejected it, where that was the last one."""
        return self.review if self.review is not None and self.review.fact.action == "reject" else None

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
    def rests_with(self) -> str | None:
        """Return `switch`, `hold` or `await_approval` for a candidate that is judged and not switched to.

        A person's word stands above the policy's; None at every other stage.
        """
        if self.stage != JobStage.JUDGED or self.decided is None:
            return None
        if self.review is not None:
            return "switch" if self.review.fact.action == "approve" else "hold"
        return self.decided.action

    @property
    def training_seconds(self) -> float | None:
        """Return how long the training took as this runner saw it."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(slots=True, kw_only=True)
class ModelProgress:
    """All jobs of one model by id, oldest first, and what became of it last. Grows with `add`."""

    jobs: dict[str, Job] = field(default_factory=dict)
    checked: DataChecked | None = None
    incumbent_id: str | None = None
    served: Job | None = None  # the incumbent, when the service has issued its id again
    serving: Serving = field(default_factory=Serving)
    last_outcome: ModelFinished | None = None
    last_outcome_at: datetime | None = None
    intents: Counter[str] = field(default_factory=Counter)  # upload intents by dataset digest

    @property
    def incumbent(self) -> Job | None:
        """Return the job this project last switched to."""
        return self.served or (self.jobs[self.incumbent_id] if self.incumbent_id else None)

    @property
    def last(self) -> Job | None:
        """Return the newest job for which something was, or may have been, sent."""
        return next((job for job in reversed(self.jobs.values()) if job.stage not in VOID), None)

    @property
    def current(self) -> Job | None:
        """Return the job a run goes on with: the one a person wants to serve, else the newest that counts."""
        return self.jobs[self.serving.wanted] if self.serving.wanted else self.last

    def is_older(self, one: str, other: str) -> bool:
        """Tell whether one of its jobs was begun before another."""
        return is_older(reversed(self.jobs), one, other)

    @property
    def upload_in_doubt(self) -> Job | None:
        """Return the job of which a person may tell whether it started.

        Nobody answered its upload; or the store confirmed it, but long after it the service still says what it may say
        of a job without data.
        """
        job = self.last
        if job is None or job.stage == JobStage.SENDING:
            return job
        lingers = job.stage == JobStage.STARTED and job.word in job.lingered
        return job if lingers and job.upload_proof == "store" else None

    def attempts(self, dataset_sha256: str) -> int:
        """Return how many trainings in a row, up to now, failed on this data content."""
        count = 0
        for job in reversed(self.jobs.values()):
            if job.stage in VOID:
                continue
            if job.stage != JobStage.FAILED or job.dataset_sha256 != dataset_sha256:
                break
            count += 1
        return count

    def last_training_seconds(self) -> float | None:
        """Return the duration of the newest finished training."""
        seconds = (job.training_seconds for job in reversed(self.jobs.values()) if job.stage in TRAINED)
        return next((one for one in seconds if one is not None), None)

    def add(self, event: Event, sha256: str) -> None:
        """Take in the model's next event."""
        fact = event.fact
        if isinstance(fact, ModelFinished):
            self.last_outcome, self.last_outcome_at = fact, moment(event.at)
        elif isinstance(fact, DataChecked):
            self.checked = fact
        elif isinstance(fact, JobTaken):
            self._take_job(fact)
        elif not isinstance(fact, _ABOUT_RUNS):
            self._change_job(fact, event, sha256)

    def _take_job(self, fact: JobTaken) -> None:
        """Begin a job; an id issued twice stands where it was issued last, and an incumbent stays what it was."""
        before = self.jobs.pop(fact.retrain_job_id, None)
        if fact.retrain_job_id == self.incumbent_id:
            self.served = self.served or before
        if fact.retrain_job_id == self.serving.wanted:
            self.serving.wanted = None
        self.jobs[fact.retrain_job_id] = _taken(fact, self.checked)

    def _change_job(self, fact: JobFact, event: Event, sha256: str) -> None:
        changes = _CHANGES[type(fact)](fact, At(at=moment(event.at), sha256=sha256, run_id=event.run_id))
        name = fact.retrain_job_id
        if isinstance(fact, StatusSeen) and fact.word == self.jobs[name].word:
            changes["lingered"] = (*self.jobs[name].lingered, fact.word)
        if isinstance(fact, SwitchRefused) and self.jobs[name].rollback:
            changes["stage"] = JobStage.SWITCHED  # it has served
        if isinstance(fact, Judged) and self.jobs[name].rejection:
            del changes["review"]  # it was said of the candidate, whatever another policy decides about it
        self.jobs[name] = msgspec.structs.replace(self.jobs[name], **changes)
        if isinstance(fact, UploadIntended):
            self.intents[fact.dataset_sha256] += 1
            self.serving.wanted = None
        elif isinstance(fact, RollbackDecided):
            self.serving.wanted = name
        elif isinstance(fact, Reviewed):
            self._follow_review(fact)
        elif self.serving.wanted == name and (isinstance(fact, Judged) or _is_refusal(fact)):
            self.serving.wanted = None
        elif isinstance(fact, SwitchDone):
            self.serving.take_over(name, self._departure(name))
            self.incumbent_id, self.served = name, None

    def _follow_review(self, fact: Reviewed) -> None:
        """Let a forced approval of an older candidate lead; a rejection takes it back."""
        name, last = fact.retrain_job_id, self.last
        if fact.action == "approve" and fact.forced and last is not None and last.retrain_job_id != name:
            self.serving.wanted = name
        elif self.serving.wanted == name:
            self.serving.wanted = None

    def _departure(self, name: str) -> Departure | None:
        """Return how the incumbent is left, when a person makes an older job serve in its place."""
        before, job = self.incumbent_id, self.jobs[name]
        word = job.rollback.fact if job.rollback else job.review.fact if job.review else None
        if before is None or self.served is not None or word is None or not self.is_older(name, before):
            return None
        newest = next(reversed(self.jobs))
        return Departure(from_job_id=before, to_job_id=name, by=word.by, reason=word.reason, newest=newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One invocation of `retrain run` (or of a command that changes something)."""

    run_id: str
    started: RunStarted
    started_at: datetime
    finished: RunFinished | None = None
    finished_at: datetime | None = None
    head: tuple[int, str] | None = None  # number and SHA-256 of the event that ended it
    report: ReportWritten | None = None
    models: dict[str, None] = field(default_factory=dict)  # names, in order of first mention


class Progress:
    """The fold's state: models by (realm, name), runs by id. Feed it events in order with `add`."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self.models: dict[tuple[str, str], ModelProgress] = {}
        self.runs: dict[str, RunRecord] = {}
        self.lineage: str | None = None  # SHA-256 of the journal's first event: what tells one journal from another
        self.head: tuple[int, str] | None = None  # number and SHA-256 of the last event taken in
        for one in links:
            self.add(one)

    def model(self, realm: str, name: str) -> ModelProgress:
        """Return a model's progress; a model never seen has no jobs."""
        return self.models.get((realm, name)) or ModelProgress()

    def add(self, one: Link) -> None:
        """Take in the next event.

        Raises:
            StateError: it speaks of a run or a job that no event before it began.
        """
        try:
            self._add(one)
        except (LookupError, ValueError):
            raise broken(one.event.seq, "it does not fit to the events before it") from None
        self.lineage = self.lineage or one.sha256
        self.head = (one.event.seq, one.sha256)

    def _add(self, one: Link) -> None:
        event = one.event
        fact = event.fact
        if isinstance(fact, RunStarted):
            self.runs[event.run_id] = RunRecord(run_id=event.run_id, started=fact, started_at=moment(event.at))
        elif isinstance(fact, RunFinished):
            self.runs[event.run_id] = replace(
                self.runs[event.run_id], finished=fact, finished_at=moment(event.at), head=(event.seq, one.sha256)
            )
        elif isinstance(fact, ReportWritten):
            self.runs[event.run_id] = replace(self.runs[event.run_id], report=fact)
        elif event.model is not None:
            self._add_to_model(event, event.model, one.sha256)

    def _add_to_model(self, event: Event, name: str, sha256: str) -> None:
        run = self.runs[event.run_id]
        run.models.setdefault(name)
        realm = run.started.realm
        progress = self.models.get((realm, name))
        if progress is None:
            progress = self.models[realm, name] = ModelProgress()
        progress.add(event, sha256)


def _taken(fact: JobTaken, checked: DataChecked | None) -> Job:
    return Job(
        retrain_job_id=fact.retrain_job_id,
        stage=JobStage.TAKEN,
        data=checked,
        url_expires_at=moment(fact.url_expires_at),
        word_before=fact.word_before,
    )


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the journal a fact stands."""

    at: datetime
    sha256: str
    run_id: str


def _is_refusal(fact: JobFact) -> bool:
    return isinstance(fact, SwitchRefused) and fact.by_service


def _rolled_back(fact: RollbackDecided, place: At) -> dict[str, Any]:
    rollback = Rollback(fact=fact, at=place.at, event_sha256=place.sha256)
    return {"rollback": rollback, "switches": 0, "switched_at": None}


def _judged(fact: Judged, place: At) -> dict[str, Any]:
    decided = Decided(fact=fact, at=place.at, event_sha256=place.sha256, run_id=place.run_id)
    return {"stage": JobStage.JUDGED, "decided": decided, "review": None}


_ABOUT_RUNS = (ModelPlanned, RunStarted, RunFinished, ReportWritten)  # nothing in these changes a job

# What each kind of fact changes on its job; a kind without a line here would stop the fold, not pass unseen.
_CHANGES: dict[type, Callable[[Any, At], dict[str, Any]]] = {
    UploadIntended: lambda fact, place: {
        "stage": JobStage.SENDING,
        "attempt": fact.attempt,
        "intended_at": place.at,
    },
    UploadDone: lambda fact, place: {"stage": JobStage.STARTED, "started_at": place.at, "upload_proof": fact.proof},
    UploadRefused: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},
    UploadUnclear: lambda _fact, _place: {"stage": JobStage.SENDING},
    JobDead: lambda _fact, _place: {"stage": JobStage.NEVER_STARTED},
    StatusSeen: lambda fact, _place: {"word": fact.word},
    TrainingFinished: lambda fact, place: {
        "stage": JobStage.FINISHED,
        "finished_at": place.at,
        "model_id": fact.model_id,
    },
    TrainingFailed: lambda fact, place: {"stage": JobStage.FAILED, "finished_at": place.at, "failure": fact.message},
    ResultStored: lambda fact, _place: {"stage": JobStage.STORED, "result": fact},
    Judged: _judged,
    Reviewed: lambda fact, place: {"review": Review(fact=fact, at=place.at)},
    RollbackDecided: _rolled_back,
    SwitchIntended: lambda fact, _place: {"stage": JobStage.SWITCHING, "switches": fact.attempt},
    SwitchRefused: lambda _fact, _place: {"stage": JobStage.JUDGED},
    SwitchUnclear: lambda _fact, _place: {"stage": JobStage.SWITCHING},
    Resolved: lambda _fact, _place: {},
    SwitchDone: lambda _fact, place: {"stage": JobStage.SWITCHED, "switched_at": place.at},
}
