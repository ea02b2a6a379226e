"""A person beside the runner: approves and rejects candidates, and tells what the service cannot, by their rules."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from runner.app.review.rollback import find_target
from runner.errors import RetrainError
from runner.journal.events import (
    ApprovalRecorded,
    Draft,
    Fact,
    JobAbandoned,
    Resolved,
    RollbackDecided,
    RunOptions,
    RunStarted,
    SwitchRejected,
    SwitchSucceeded,
    UploadSucceeded,
)
from runner.journal.progress import Progress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.timestamps import stamp
from runner.manifest.model import Manifest
from runner.plan.approvals import inputs_moved
from runner.plan.planner import approval_expires_at
from tests.fakes.run_ids import run_id as numbered_run
from tests.fakes.run_origin import NO_MANIFEST, TOOL
from tests.fakes.world import REALM
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_service import SimulatedService
from tests.stress.simulated_time import ShownClock

REJECTED = 0.3  # share of the candidates a person looks at
ROLLED_BACK = 0.9  # share of the incumbents a person looks at and turns back from


@dataclass(slots=True, kw_only=True)
class Person:
    """Writes words into the journal; `manifests` keeps which manifest each was about."""

    rng: random.Random
    clock: ShownClock
    ledger: Ledger
    service: SimulatedService
    manifest: Callable[[], Manifest]
    manifests: dict[str, Manifest]
    first: int = 100_000  # the number of the first command
    resolved: int = 0
    rolled_back: int = 0

    def review(self, progress: Progress) -> None:
        """Approve or reject what waits, by the rules of `retrain approve`."""
        manifest = self.manifest()
        for name, model in manifest.models.items():
            at = progress.model(REALM, name)
            job = at.last
            if job is None or job.stage != JobStage.JUDGED or job.decided is None:
                continue
            expires = approval_expires_at(manifest, model, job)
            late = expires is not None and self.clock.now() >= expires
            if inputs_moved(manifest, model, at, job) or late:
                continue
            action: Literal["approve", "reject"] = "reject" if self.rng.random() < REJECTED else "approve"
            candidate = job.decided.fact.candidate_sha256
            fact = ApprovalRecorded(
                retrain_job_id=job.retrain_job_id, candidate_sha256=candidate, action=action, by="p", reason=""
            )
            self._write(name, fact)

    def roll_back(self, progress: Progress) -> None:
        """Decide now and then to go back to a job that has served, by the rules of `retrain rollback`."""
        for name in self.manifest().models:
            at = progress.model(REALM, name)
            if at.incumbent is None or self.rng.random() >= ROLLED_BACK:
                continue
            try:
                target, incumbent = find_target(at, name, None)
            except RetrainError:
                continue
            back, left = target.retrain_job_id, incumbent.retrain_job_id if incumbent else None
            fact = RollbackDecided(retrain_job_id=back, from_job_id=left, by="p", reason="off", unverified=())
            self._write(name, fact)
            self.rolled_back += 1

    def _write(self, model: str, *facts: Fact) -> None:
        """Write a command into the journal."""
        run_id, at = numbered_run(self.first + len(self.ledger.links)), stamp(self.clock.now())
        self.manifests[run_id] = self.manifest()
        started = RunStarted(
            tool=TOOL, actor="p", service=REALM, paths=(), manifest=NO_MANIFEST, options=RunOptions(command="word")
        )
        store = self.ledger.open()
        try:
            list(store.read())
            store.append([Draft(at=at, run_id=run_id, model=None, fact=started)])
            store.append([Draft(at=at, run_id=run_id, model=model, fact=fact) for fact in facts])
        finally:
            store.close()

    def resolve(self, progress: Progress) -> Iterator[str]:
        """Look into the product and tell what happened to each unknown; yield a violation where the service told it."""
        traits = self.service.traits
        for name in self.manifest().models:
            at = progress.model(REALM, name)
            end, job = at.last_outcome, at.current
            if end is None or job is None or not self._has_word(job, end.outcome, in_doubt=at.upload_unknown is job):
                continue
            self.resolved += 1
            if job is at.upload_unknown:
                self._write(name, *self._told_upload(job))
            elif job.stage == JobStage.SWITCHING:
                was_absent = (
                    job.listed_before is not None and job.model_id not in job.listed_before
                )  # from the list before the switch: on it now, it proves that
                alone = not self.service.published_by_hand
                if traits.readable and traits.names_model and job.switches < 2 and was_absent and alone:
                    yield f"I4: {name} stays unknown although the service tells who serves"
                self._write(name, *self._told_switch(job))

    def _has_word(self, job: RetrainJob, outcome: str, *, in_doubt: bool) -> bool:
        """Return whether the person has something to say: of an unknown, or of a training nobody can see."""
        missing = in_doubt and self.service.jobs[job.retrain_job_id].started_at is None
        return outcome == "unknown" or (outcome == "training" and missing)

    def _told_upload(self, job: RetrainJob) -> Iterator[Fact]:
        name = job.retrain_job_id
        if self.service.jobs[name].started_at is None:
            yield Resolved(retrain_job_id=name, state="not-started", by="p", reason="looked")
            yield JobAbandoned(retrain_job_id=name, by="operator")
        else:
            yield Resolved(retrain_job_id=name, state="started", by="p", reason="looked")
            yield UploadSucceeded(retrain_job_id=name, proof="operator")

    def _serves(self, name: str) -> bool:
        """Return whether the service switched to the job last, among those of its model."""
        switches = [call for call in self.service.log if call.call == "switch"]
        key = next((switch.key for switch in switches if switch.job == name), None)
        applied = [
            (switch.applied_at, switch.job)
            for switch in switches
            if switch.key == key and switch.applied_at is not None
        ]
        return bool(applied) and max(applied)[1] == name

    def _told_switch(self, job: RetrainJob) -> Iterator[Fact]:
        name = job.retrain_job_id
        if self._serves(name):
            yield Resolved(retrain_job_id=name, state="switched", by="p", reason="looked")
            yield SwitchSucceeded(retrain_job_id=name, proof="operator")
        else:
            yield Resolved(retrain_job_id=name, state="not-switched", by="p", reason="looked")
            yield SwitchRejected(retrain_job_id=name, message="a person said so")
