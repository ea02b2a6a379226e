"""The progress of one model: its jobs, which of them is in service, and what happened to it last."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import chain, takewhile

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    DataChecked,
    DecisionTaken,
    Event,
    Fact,
    IncumbentAdopted,
    JobCreated,
    JobFact,
    KnownContent,
    LossAccepted,
    ModelFinished,
    ModelPlanned,
    ModelsMoved,
    ReportWritten,
    ResultsPruned,
    RollbackDecided,
    RunFinished,
    RunStarted,
    ServiceMoved,
    ServingObserved,
    StateMoved,
    SwitchRejected,
    SwitchSucceeded,
    UploadIntended,
)
from runner.journal.retrain_job import (
    TRAINED,
    VOID,
    At,
    Deployments,
    JobStage,
    RetrainJob,
    RollbackPoint,
    changed,
    is_older,
    taken,
)
from runner.lib.timestamps import moment

_ABOUT_RUNS = (
    DecisionTaken,
    LossAccepted,
    ModelsMoved,
    RunStarted,
    RunFinished,
    ReportWritten,
    ResultsPruned,
    StateMoved,
)  # nothing in these changes a job


class Adoption(Struct, frozen=True, kw_only=True):
    """What a person stated to be in service, and when."""

    fact: IncumbentAdopted
    at: datetime


class Observation(Struct, frozen=True, kw_only=True):
    """What the service's list last said of the model in service, and when that was recorded."""

    fact: ServingObserved
    at: datetime


class AcceptedLoss(Struct, frozen=True, kw_only=True):
    """Events of the journal are gone for good, and when a person accepted that."""

    fact: LossAccepted
    at: datetime


class Candidate(Struct, frozen=True, kw_only=True):
    """What a chart shows of a job: when it was judged or sent, what happened to it, its training rows and its metrics.

    Numbers are decimal texts. `passing` has the lowest and the highest value that passed, by the metric.
    """

    retrain_job_id: str
    at: datetime
    fate: str
    rows: int | None
    metrics: Mapping[str, str]
    passing: Mapping[str, tuple[str | None, str | None]]


_CANDIDATES = msgspec.json.Decoder(tuple[Candidate, ...])


def packed_candidates(candidates: Iterable[Candidate]) -> bytes:
    """Return candidates in as few bytes as are kept of them until somebody draws them."""
    return zlib.compress(msgspec.json.encode(list(candidates)))


_JOBS = msgspec.json.Decoder(list[RetrainJob])
_LARGEST = 2**30  # bytes of any part of a checkpoint
_FASTEST = 1
_OPEN_AT_ONCE = 32  # models whose older jobs stay unpacked: as many as threads look at, and more


def packed(value: object) -> bytes:
    """Return a part of a checkpoint in few bytes."""
    return zlib.compress(msgspec.json.encode(value), _FASTEST)


def unpacked(part: bytes | memoryview) -> bytes:
    """Return the JSON of a part of a checkpoint.

    Raises:
        ValueError, zlib.error: it is not one.
    """
    opened = zlib.decompressobj()
    content = opened.decompress(part, _LARGEST)
    if not opened.eof:
        raise ValueError("it is larger than any")
    return content


@lru_cache(maxsize=_OPEN_AT_ONCE)
def _unpacked_jobs(part: bytes) -> dict[str, RetrainJob]:
    """Return the jobs in a part of a checkpoint, which nobody changes."""
    return {job.retrain_job_id: job for job in _JOBS.decode(unpacked(part))}


_PREFIX = 8  # bytes of a digest that stand for a content; two contents with the same ones count as one


class Intents(Struct, kw_only=True):
    """How often an upload of each data content was intended.

    `earlier` has the first bytes of a content's digest once for each of its earlier intents, in ascending order. A
    count that is too high only skips a number; it is never too low.
    """

    recent: dict[str, int] = field(default_factory=dict)  # by dataset digest
    earlier: bytes = b""

    def count(self, dataset_sha256: str) -> int:
        """Return how many uploads of a content were intended."""
        before = self._prefixes().count(_prefix(dataset_sha256)) if self.earlier else 0
        return self.recent.get(dataset_sha256, 0) + before

    def add(self, dataset_sha256: str) -> None:
        """Count one more."""
        self.recent[dataset_sha256] = self.recent.get(dataset_sha256, 0) + 1

    def packed(self) -> "Intents":
        """Return the same counts in as few bytes as are needed."""
        recent = [_prefix(sha256) for sha256, count in self.recent.items() for _ in range(count)]
        return Intents(earlier=b"".join(sorted([*self._prefixes(), *recent])))

    def _prefixes(self) -> list[bytes]:
        return [self.earlier[place : place + _PREFIX] for place in range(0, len(self.earlier), _PREFIX)]


def _prefix(dataset_sha256: str) -> bytes:
    return bytes.fromhex(dataset_sha256[: 2 * _PREFIX])


class ModelProgress(Struct, kw_only=True):
    """The jobs of one model by id, oldest first, and what happened to it last. Grows with `add`.

    All jobs are there, or those that a plan, a status and a run still ask for (`runner.plan.eligibility`): then
    `settled` are those of them that are only looked at, `candidates` the newest of all jobs that were sent, packed as
    charts show them, and `older_candidates` counts the ones before these. An event about another job than the unsettled
    ones cannot be added then. Jobs of a checkpoint that are older than `recent` are in `packed_jobs`, in the order of
    `packed_ids`, until somebody asks for one of them.

    `identity` is what the guards of its effects name it by: it stays the same under every name the model gets.
    `begun_beside` is the new name to which an entry of `moved` led from its name when it began: that entry is about an
    earlier model. `former_names` are those it had before, oldest first; `from_service` is the service it was trained on
    before. `loss` says that events about the model may be lost, until a person decided about it.
    """

    identity: str = ""
    begun_beside: str | None = None
    former_names: tuple[str, ...] = ()
    from_service: str | None = None
    loss: AcceptedLoss | None = None
    recent: dict[str, RetrainJob] = field(default_factory=dict)
    packed_ids: tuple[str, ...] = ()
    packed_jobs: bytes = b""
    checked: DataChecked | None = None
    contents: tuple[KnownContent, ...] = ()  # that a plan read since, without a training
    incumbent_id: str | None = None
    served: RetrainJob | None = None  # the incumbent, when the service has issued its id again
    serving: Deployments = field(default_factory=Deployments)
    adoption: Adoption | None = None  # the last statement of what is in service, until a job of ours is
    statements: dict[str, None] = field(default_factory=dict)  # digests of all statements that were recorded
    observation: Observation | None = None  # about the incumbent or adoption of now
    last_outcome: ModelFinished | None = None
    last_outcome_at: datetime | None = None
    reported_held: str | None = None  # the job of the last outcome `held`, until it is judged again
    intents: Intents = field(default_factory=Intents)
    settled: tuple[str, ...] = ()
    candidates: bytes = b""
    older_candidates: int = 0

    @property
    def jobs(self) -> dict[str, RetrainJob]:
        """Return all jobs by id, oldest first; to be read only."""
        return {**_unpacked_jobs(self.packed_jobs), **self.recent} if self.packed_ids else self.recent

    @property
    def job_ids(self) -> tuple[str, ...]:
        """Return the ids of all jobs, oldest first."""
        return (*self.packed_ids, *self.recent)

    @property
    def newest_jobs(self) -> Iterator[RetrainJob]:
        """Yield all jobs, newest first."""
        yield from reversed(self.recent.values())
        if self.packed_ids:
            yield from reversed(_unpacked_jobs(self.packed_jobs).values())

    def packed(self) -> "ModelProgress":
        """Return the same with all jobs packed that are older than the newest one that was sent."""
        jobs = list(self.jobs.values())
        newest = next((place for place in reversed(range(len(jobs))) if jobs[place].stage not in VOID), 0)
        older = jobs[:newest]
        return replace(
            self,
            recent={job.retrain_job_id: job for job in jobs[newest:]},
            packed_ids=tuple(job.retrain_job_id for job in older),
            packed_jobs=packed(older) if older else b"",
        )

    def _unpack(self) -> None:
        """Take all jobs out, as one of them is to change or to leave its place."""
        self.recent, self.packed_ids, self.packed_jobs = self.jobs, (), b""

    def _job(self, name: str) -> RetrainJob:
        return self.recent[name] if name in self.recent else self.jobs[name]

    @property
    def has_history(self) -> bool:
        """Whether anything is known of the model that must not be lost with its name."""
        return bool(self.recent or self.packed_ids) or self.adoption is not None

    @property
    def incumbent(self) -> RetrainJob | None:
        """Return the job this project last switched to."""
        return self.served or (self._job(self.incumbent_id) if self.incumbent_id else None)

    @property
    def last(self) -> RetrainJob | None:
        """Return the newest job for which something was, or may have been, sent."""
        return next((job for job in self.newest_jobs if job.stage not in VOID), None)

    @property
    def current(self) -> RetrainJob | None:
        """Return the job a run continues with: the one a person wants to serve, else the newest that counts."""
        return self._job(self.serving.wanted) if self.serving.wanted else self.last

    def sent(self) -> Iterator[RetrainJob | Candidate]:
        """Yield the jobs that were sent and when, the newest first: those that are left out as charts show them."""
        candidates, jobs = self._known_candidates(), self.jobs
        known = {candidate.retrain_job_id for candidate in candidates}
        since = takewhile(lambda job: job.retrain_job_id not in known, reversed(jobs.values()))
        before = (jobs.get(candidate.retrain_job_id, candidate) for candidate in reversed(candidates))
        for job in chain(since, before):
            if isinstance(job, Candidate) or (job.stage not in VOID and (job.decided or job.intended_at)):
                yield job

    def is_older(self, one: str, other: str) -> bool:
        """Return whether one of its jobs was begun before another."""
        return is_older(reversed(self.job_ids), one, other)

    @property
    def upload_unknown(self) -> RetrainJob | None:
        """Return the job about which a person may say whether it started.

        Nobody answered its upload; or the store confirmed it, but long after it the service still says what it may say
        of a job without data.
        """
        job = self.last
        if job is None or job.stage == JobStage.SENDING:
            return job
        lingers = job.stage == JobStage.STARTED and job.status in job.lingered
        return job if lingers and job.upload_proof == "store" else None

    def attempts(self, dataset_sha256: str) -> int:
        """Return how many trainings in a row, up to now, failed on this data content."""
        count = 0
        for job in self.newest_jobs:
            if job.stage in VOID:
                continue
            if job.stage != JobStage.FAILED or job.dataset_sha256 != dataset_sha256:
                break
            count += 1
        return count

    def last_training_seconds(self) -> float | None:
        """Return the duration of the newest finished training."""
        seconds = (job.training_seconds for job in self.newest_jobs if job.stage in TRAINED)
        return next((second for second in seconds if second is not None), None)

    def add(self, event: Event, sha256: str, run_started_at: datetime) -> None:
        """Take in the model's next event, of a run that started then."""
        fact = event.fact
        if _decides(fact):
            self.loss = None
        if isinstance(fact, ModelFinished):
            self.last_outcome, self.last_outcome_at = fact, moment(event.at)
            self.reported_held = fact.retrain_job_id if fact.outcome == "held" else self.reported_held
        elif isinstance(fact, DataChecked):
            self.checked = fact
        elif isinstance(fact, ModelPlanned):
            self.contents = fact.contents or self.contents
        elif isinstance(fact, ServiceMoved):
            self.from_service = fact.from_service
        elif isinstance(fact, JobCreated):
            self._take_job(fact)
        elif isinstance(fact, IncumbentAdopted):
            self._adopt(Adoption(fact=fact, at=moment(event.at)))
        elif isinstance(fact, ServingObserved):
            self.observation = Observation(fact=fact, at=moment(event.at))
        elif not isinstance(fact, _ABOUT_RUNS):
            place = At(at=moment(event.at), sha256=sha256, run_id=event.run_id, run_started_at=run_started_at)
            self._change_job(fact, place)

    def _adopt(self, adoption: Adoption) -> None:
        """Take what a person states as the incumbent, in place of any job."""
        self.adoption, self.observation = adoption, None
        self.statements[adoption.fact.statement_sha256] = None
        self.incumbent_id, self.served = None, None

    def _take_job(self, fact: JobCreated) -> None:
        """Begin a job; an id issued twice is where it was issued last, and an incumbent stays what it was."""
        self._require_unsettled(fact.retrain_job_id)
        if fact.retrain_job_id in self.packed_ids:
            self._unpack()
        before = self.recent.pop(fact.retrain_job_id, None)
        self._forget_candidate(fact.retrain_job_id)
        if fact.retrain_job_id == self.incumbent_id:
            self.served = self.served or before
        if fact.retrain_job_id == self.serving.wanted:
            self.serving.wanted = None
        self.recent[fact.retrain_job_id] = taken(fact, self.checked)

    def _change_job(self, fact: JobFact, place: At) -> None:
        name = fact.retrain_job_id
        self._require_unsettled(name)
        if name in self.packed_ids:
            self._unpack()
        job = self.recent[name]
        if isinstance(fact, UploadIntended) and job.data is None:
            job = replace(job, data=self.checked)  # it was checked while it was sent
        self.recent[name] = changed(job, fact, place)
        if isinstance(fact, CandidateEvaluated) and self.reported_held == name:
            self.reported_held = None
        if isinstance(fact, UploadIntended):
            self.intents.add(fact.dataset_sha256)
            self.serving.wanted = None
        elif isinstance(fact, RollbackDecided):
            self.serving.wanted = name
        elif isinstance(fact, ApprovalRecorded):
            self._follow_review(fact)
        elif self.serving.wanted == name and (isinstance(fact, CandidateEvaluated) or _is_refusal(fact)):
            self.serving.wanted = None
        elif isinstance(fact, SwitchSucceeded):
            self.serving.take_over(name, self._departure(name))
            self.incumbent_id, self.served = name, None
            self.adoption, self.observation = None, None

    def _forget_candidate(self, name: str) -> None:
        known = self._known_candidates()
        left = [candidate for candidate in known if candidate.retrain_job_id != name]
        if len(left) < len(known):
            self.candidates = packed_candidates(left)

    def _known_candidates(self) -> tuple[Candidate, ...]:
        return _CANDIDATES.decode(zlib.decompress(self.candidates)) if self.candidates else ()

    def _require_unsettled(self, name: str) -> None:
        """Raise a LookupError if an event is about a job that is not completely known here."""
        if name in self.settled:
            raise LookupError(name)

    def _follow_review(self, fact: ApprovalRecorded) -> None:
        """Let a forced approval of an older candidate lead; a rejection takes it back."""
        name, last = fact.retrain_job_id, self.last
        if fact.action == "approve" and fact.forced and last is not None and last.retrain_job_id != name:
            self.serving.wanted = name
        elif self.serving.wanted == name:
            self.serving.wanted = None

    def _departure(self, name: str) -> RollbackPoint | None:
        """Return how the incumbent is left, when a person makes an older job serve in its place."""
        before, job = self.incumbent_id, self._job(name)
        approval = job.rollback.fact if job.rollback else job.review.fact if job.review else None
        if before is None or self.served is not None or approval is None or not self.is_older(name, before):
            return None
        newest = next(reversed(self.job_ids))
        return RollbackPoint(from_job_id=before, to_job_id=name, by=approval.by, reason=approval.reason, newest=newest)


def _decides(fact: Fact) -> bool:
    """Return whether a person decided about the model: nothing of the kind happens by itself after a loss."""
    by_person = isinstance(fact, UploadIntended | SwitchSucceeded | RollbackDecided)
    return by_person or (isinstance(fact, IncumbentAdopted) and fact.source == "command")


def _is_refusal(fact: JobFact) -> bool:
    return isinstance(fact, SwitchRejected) and fact.by_service
