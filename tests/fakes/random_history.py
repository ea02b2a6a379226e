"""Journals of many nights with everything that can happen to models, made from one seed; no service, no files."""

import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from msgspec.structs import replace

from runner.journal.chain import START, Link, link
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    DataChecked,
    Draft,
    Fact,
    FileRecord,
    IncumbentAdopted,
    JobAbandoned,
    JobCreated,
    LossAccepted,
    ModelFinished,
    ModelsMoved,
    NameMove,
    PrunedFile,
    ReportWritten,
    ResultDownloaded,
    ResultsPruned,
    RollbackDecided,
    RunFinished,
    RunOptions,
    RunStarted,
    ServiceMoved,
    ServingObserved,
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
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import VOID, JobStage, RetrainJob
from runner.lib.timestamps import stamp
from tests.fakes.run_ids import run_id
from tests.fakes.run_origin import NO_MANIFEST, TOOL
from tests.unit.journal.journal_facts import example

SERVICES = ("service.test", "other.test")
CONTENTS = tuple(sha256(bytes([number])).hexdigest() for number in range(5))
WORDS = ("waiting", "queued", "training")
MOODS = ("", "", "good", "good", "failing", "refused", "held", "slow")  # what happens for a few nights
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class RandomHistory:
    """The journal so far. `named_old` has the events that are about a job which a person named."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 -- repeatable, not cryptography
        self.links: list[Link] = []
        self.progress = Progress()
        self.named_old: list[int] = []
        self.nights = 0
        self.jobs = 0
        self.service = SERVICES[0]
        self.mood = ""
        self.actor = f"ann-{seed}"

    def play(self, nights: int) -> "RandomHistory":
        """Let so many nights pass."""
        for _ in range(nights):
            self._night()
        return self

    def _night(self) -> None:
        self.nights += 1
        self.service = SERVICES[self.rng.random() < 0.1]
        if self.rng.random() < 0.3:
            self.mood = self.rng.choice(MOODS)
        lost = [run.run_id for run in self.progress.runs.values() if run.report is None]
        for open_run in lost:
            if self.progress.runs[open_run].finished is None:
                self._write(None, RunFinished(exit_code=5, stopped="lost"), run=open_run)
            self._write(None, ReportWritten(files={}), run=open_run)
        command = self.rng.choice(("run", "run", "run", "approve"))
        self._write(
            None,
            RunStarted(
                tool=TOOL,
                actor=self.actor,
                service=self.service,
                paths=(),
                manifest=NO_MANIFEST,
                options=RunOptions(command=command),
            ),
        )
        if self.rng.random() < 0.05:
            self._write(None, LossAccepted(missing=("x",), by="ann", reason="lost"))
        if self.rng.random() < 0.15:
            self._move()
        for name in self.rng.sample("abc", self.rng.randint(1, 3)):
            self._model(name)
        if self.rng.random() < 0.9:
            self._write(None, RunFinished(exit_code=0))
            if self.rng.random() < 0.95:
                self._write(None, ReportWritten(files={}))
        if self.rng.random() < 0.1 and self.progress.results:
            self._prune()

    def _move(self) -> None:
        known = [name for name, model in self.progress.known(self.service).items() if model.has_history]
        free = [name for name in "abcd" if name not in known]
        if known and free:
            self._write(None, ModelsMoved(moves=(NameMove(old=self.rng.choice(known), new=self.rng.choice(free)),)))

    def _prune(self) -> None:
        result = self.rng.choice(list(self.progress.results.values())).fact
        file = PrunedFile(
            path=result.path, sha256=result.sha256, bytes=result.bytes, retrain_job_id=result.retrain_job_id
        )
        self._write(None, ResultsPruned(files=(file,), by="ann", why="old"), run=run_id(5000 + len(self.links)))

    def _model(self, name: str) -> None:
        at = self._at(name)
        if self.rng.random() < 0.1:
            self._person(name)
        elif at.current is not None and at.current.stage in _OPEN and self.rng.random() < 0.85:
            self._continue(name, at.current)
        elif self.rng.random() < 0.6:
            self._train(name)
        at, outcome = self._at(name), self.rng.choice(("switched", "held", "unchanged", "failed", "training"))
        about = self.rng.choice([None, at.last, at.incumbent, at.current])
        end = ModelFinished(
            outcome=outcome,  # type: ignore[arg-type]  # one of the literals
            reason="as it is",
            retrain_job_id=about.retrain_job_id if about else None,
            error=None,
            timings={},
            calls={},
            warnings=(),
        )
        self._write(name, end)

    def _at(self, name: str) -> ModelProgress:
        return self.progress.model(self.service, name)

    def _train(self, name: str) -> None:
        content = self.rng.choice(CONTENTS)
        checked = example("data_checked")
        assert isinstance(checked, DataChecked)
        file = FileRecord(source="d.csv", sha256=content, bytes=9, rows=self.rng.randint(1, 99))
        self._write(name, replace(checked, dataset_sha256=content, train=file, eval=None))
        if self.rng.random() < 0.05:
            self._write(name, ServiceMoved(from_service="before.test"))
        self.jobs += self.rng.random() < 0.97  # else an id is issued again
        job = f"job-{self.jobs}"
        self._write(name, JobCreated(retrain_job_id=job, url_expires_at=stamp(self._now()), status_before_upload=None))
        if self.rng.random() < 0.05:
            return
        number = self._at(name).intents.count(content) + 1
        self._write(name, UploadIntended(retrain_job_id=job, dataset_sha256=content, attempt=number))
        self._continue(name, self._at(name).jobs[job])

    def _continue(self, name: str, job: RetrainJob) -> None:
        """Let an open job go on by a few steps."""
        for _ in range(self.rng.randint(1, 6)):
            job = self._at(name).jobs[job.retrain_job_id]
            fact = self._next(name, job)
            if fact is None:
                return
            self._write(name, fact)

    def _next(self, name: str, job: RetrainJob) -> Fact | None:
        """Return what happens next to a job, by the mood of the night; None where a person has to decide."""
        if job.stage == JobStage.FINISHED:
            path = f"runs/{run_id(self.nights)}/results/{name}/result.zip"
            digest = self._digest(job.retrain_job_id)
            return ResultDownloaded(retrain_job_id=job.retrain_job_id, path=path, sha256=digest, bytes=3)
        if job.stage == JobStage.STORED:
            return self._evaluated(job)
        if job.rests_with == "switch":
            mandate = job.mandate_sha256 or "0" * 64
            return SwitchIntended(retrain_job_id=job.retrain_job_id, decision_sha256=mandate, attempt=1)
        choices = {
            JobStage.SENDING: self._after_upload,
            JobStage.STARTED: self._after_start,
            JobStage.SWITCHING: self._after_switch,
        }
        return choices[job.stage](job) if job.stage in choices else None

    def _after_upload(self, job: RetrainJob) -> Fact:
        job_id = job.retrain_job_id
        if self.mood in ("good", "failing", "held", "slow"):
            return UploadSucceeded(retrain_job_id=job_id, proof="store")
        if self.mood == "refused":
            return UploadRejected(retrain_job_id=job_id, message="no", why="refused")
        return self.rng.choice(
            (
                UploadSucceeded(retrain_job_id=job_id, proof="store"),
                UploadUnknown(retrain_job_id=job_id, message="?"),
                UploadRejected(retrain_job_id=job_id, message="no", why="refused"),
                JobAbandoned(retrain_job_id=job_id, by="quarantine"),
            )
        )

    def _after_start(self, job: RetrainJob) -> Fact:
        job_id = job.retrain_job_id
        ends: dict[str, Fact] = {
            "good": TrainingFinished(retrain_job_id=job_id, model_id=self.rng.randint(1, 50)),
            "failing": TrainingFailed(retrain_job_id=job_id, status="failed", message="bad"),
        }
        said = StatusChanged(retrain_job_id=job_id, status=self.rng.choice((job.status or "waiting", *WORDS)))
        if self.mood == "slow" and self.rng.random() < 0.7:
            return said
        return ends.get(self.mood) or self.rng.choice((said, *ends.values()))

    def _after_switch(self, job: RetrainJob) -> Fact:
        job_id = job.retrain_job_id
        if self.mood == "good":
            return SwitchSucceeded(retrain_job_id=job_id, proof="answer")
        return self.rng.choice(
            (
                SwitchSucceeded(retrain_job_id=job_id, proof="answer"),
                SwitchUnknown(retrain_job_id=job_id, message="?"),
                SwitchRejected(retrain_job_id=job_id, message="no", by_service=self.rng.random() < 0.5),
            )
        )

    def _evaluated(self, job: RetrainJob) -> CandidateEvaluated:
        fact = example("candidate_evaluated")
        assert isinstance(fact, CandidateEvaluated)
        action = "hold" if self.mood == "held" else self.rng.choice(("switch", "switch", "hold", "await_approval"))
        decision = replace(fact.evaluation.decision, action=action)
        place = self.rng.choice((None, "metrics.csv", "a/b.json"))
        return replace(
            fact,
            retrain_job_id=job.retrain_job_id,
            result_sha256=self._digest(job.retrain_job_id),
            candidate_sha256=self._digest(f"candidate {job.retrain_job_id}"),
            evaluation=replace(fact.evaluation, decision=decision, place=place),
        )

    def _person(self, name: str) -> None:
        """Let a person decide: about the newest job, about one that served, or about what is in service."""
        at = self._at(name)
        served = [job for job in at.jobs.values() if job.stage == JobStage.SWITCHED]
        judged = [job for job in at.jobs.values() if job.stage == JobStage.JUDGED]
        kind = self.rng.choice(("review", "older", "back", "back", "adopt", "observe"))
        if kind == "review" and judged and at.last is not None and at.last.stage == JobStage.JUDGED:
            self._review(name, at.last, forced=False)
        elif kind == "older" and judged:
            self._review(name, self.rng.choice(judged), forced=True)
        elif kind == "back" and served:
            self._roll_back(name, at, self.rng.choice(served))
        elif kind == "adopt":
            adopted = example("incumbent_adopted")
            assert isinstance(adopted, IncumbentAdopted)
            self._write(name, replace(adopted, statement_sha256=self._digest(str(len(self.links)))))
        elif kind == "observe":
            self._write(name, ServingObserved(drift=self.rng.choice(("in_sync", "changed_outside")), reason="seen"))

    def _review(self, name: str, job: RetrainJob, *, forced: bool) -> None:
        candidate = job.decided.fact.candidate_sha256 if job.decided else "0" * 64
        approval = ApprovalRecorded(
            retrain_job_id=job.retrain_job_id,
            candidate_sha256=candidate,
            action=self.rng.choice(("approve", "reject")),
            by="ann",
            reason="seen",
            forced=forced,
        )
        if forced:
            self.named_old.append(len(self.links))
        self._write(name, approval)
        if self._at(name).jobs[job.retrain_job_id].rests_with == "switch" and self.rng.random() < 0.7:
            self._continue(name, job)

    def _roll_back(self, name: str, at: ModelProgress, job: RetrainJob) -> None:
        decided = RollbackDecided(
            retrain_job_id=job.retrain_job_id, from_job_id=at.incumbent_id, by="ann", reason="worse", unverified=()
        )
        self.named_old.append(len(self.links))
        self._write(name, decided)
        if self.rng.random() < 0.8:
            intended = SwitchIntended(retrain_job_id=job.retrain_job_id, decision_sha256="0" * 64, attempt=1)
            self._write(name, intended)
            self._continue(name, job)

    def _digest(self, text: str) -> str:
        return sha256(text.encode()).hexdigest()

    def _now(self) -> datetime:
        return BEGIN + timedelta(days=self.nights, seconds=len(self.links) % 86400)

    def _write(self, model: str | None, fact: Fact, *, run: str | None = None) -> None:
        seq, prev = (self.links[-1].event.seq, self.links[-1].sha256) if self.links else START
        draft = Draft(at=stamp(self._now()), run_id=run or run_id(self.nights), model=model, fact=fact)
        self.links.append(link(draft, seq=seq + 1, prev=prev))
        self.progress.add(self.links[-1])


_OPEN = frozenset(JobStage) - VOID - {JobStage.JUDGED, JobStage.SWITCHED, JobStage.FAILED}
