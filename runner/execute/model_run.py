"""One model in one run: what its stages share, and how it can end."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from msgspec import Struct, field

from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import Prepared
from runner.errors import Kind, ModelError
from runner.execute.commands import Clock, Keys, Provenance, Record, StillLocked, Workflow, always_locked
from runner.execute.one_pass import Start, in_a_thread
from runner.execute.polling import TrainingStats
from runner.execute.progress_events import (
    Listener,
    Message,
    ProgressEvent,
    ProgressMeter,
    RequestStarted,
    Retried,
    Warned,
)
from runner.journal.chain import Link
from runner.journal.events import DecisionTaken, Draft, Fact
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import Outcome
from runner.journal.progress import Progress
from runner.journal.retrain_job import RetrainJob
from runner.journal.state_store import Blobs, EventLog
from runner.lib.secrets import Secret
from runner.lib.timestamps import stamp
from runner.manifest.model import Manifest, Model
from runner.plan.approvals import without_provenance
from runner.plan.model_plan import Choice, ModelPlan, PlanStage, state_option
from runner.providers.base import ProviderCalls, Status


class Recorder(Struct, frozen=True, kw_only=True):
    """The only writer of a run. After `commit` returns, the facts are on disk and `progress` knows them."""

    store: EventLog
    progress: Progress
    clock: Clock
    run_id: str

    def commit(self, records: Sequence[tuple[str, Record]]) -> None:
        """Write the records of several models in one transaction.

        Raises:
            StateError: they could not be written; none of them was.
        """
        self.take_in(self.write(records))

    def write(self, records: Sequence[tuple[str, Record]]) -> Sequence[Link]:
        """Do the same, in any thread, without letting the progress know; `take_in` does that."""
        return self.store.append([draft for model, record in records for draft in self._drafts(model, record)])

    def take_in(self, links: Sequence[Link]) -> None:
        """Let the progress follow what was written."""
        for event_link in links:
            self.progress.add(event_link)

    def run_fact(self, fact: Fact) -> None:
        """Write a fact about the run itself."""
        self.run_fact_for(self.run_id, fact)

    def run_fact_for(self, run_id: str, fact: Fact) -> None:
        """Write a fact about a run, this one or an earlier one that was lost."""
        self.append([Draft(at=stamp(self.clock.now()), run_id=run_id, model=None, fact=fact)])

    def _drafts(self, model: str, record: Record) -> list[Draft]:
        *others, last = record.facts
        return [*(self._draft(model, fact, None) for fact in others), self._draft(model, last, record.guard)]

    def _draft(self, model: str | None, fact: Fact, guard: str | None) -> Draft:
        about = None if isinstance(fact, DecisionTaken) else model  # that one is a fact about the run
        return Draft(at=stamp(self.clock.now()), run_id=self.run_id, model=about, fact=fact, guard=guard)

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write drafts in one transaction and let the progress follow."""
        self.take_in(self.store.append(drafts))


_ON_CANDIDATE = frozenset(
    {PlanStage.REVIEW, PlanStage.SETTLE_SWITCH, PlanStage.DECIDE, PlanStage.SWITCH}
)  # they take no new job


class ModelOutcome(Struct, frozen=True, kw_only=True):
    """How a model ends in this run; `error` is set when it failed, `last` is a fact to be recorded with the end.

    `still_held` is true where the outcome is `held` and an earlier run has reported it.
    """

    outcome: Outcome
    reason: str
    error: ModelError | None = None
    last: Fact | None = None
    still_held: bool = False


class Replan(Struct, frozen=True, kw_only=True):
    """Nothing was started by this job, certainly: plan the model again and take another job."""

    reason: str


StageEnd = ModelOutcome | Replan | None  # None: walk on to the next stage


class Budget(Struct, kw_only=True):
    """What one run may still do, shared by its models. Only the coordinator's thread touches it."""

    switches: int | None
    failures: int | None
    stopped: str | None = None  # the signal, once there was one

    def take_switch(self) -> bool:
        """Take one of the switches, before anything is waited for; False when none is left."""
        if self.switches is None:
            return True
        self.switches -= 1
        return self.switches >= 0

    def return_switch(self) -> None:
        """Give back a switch that was taken and is not made."""
        if self.switches is not None:
            self.switches += 1

    def closed(self) -> str | None:
        """Return why no further model is started, or None."""
        if self.failures is not None and self.failures <= 0:
            return "limits.stop_after_failures was reached; the next run continues with this model"
        return None


class RunContext(Struct, frozen=True, kw_only=True):
    """What all models of a run share."""

    run_id: str
    service: str
    manifest: Manifest
    choice: Choice
    provider: ProviderCalls
    keys: Keys
    clock: Clock
    rng: random.Random
    budget: Budget
    progress: Progress
    blobs: Blobs
    address: str  # of the state
    run_folder: Path
    spool: Path
    listener: Listener
    internal_errors: list[Exception]
    provenance: Provenance = without_provenance
    readings: FileCache = field(default_factory=FileCache)
    still_locked: StillLocked = always_locked
    start: Start = in_a_thread  # begins to send data while it is checked
    training_stats: TrainingStats = field(default_factory=TrainingStats)
    noted_clocks: list[str] = field(default_factory=list)  # what was warned of the service's clock; once is enough
    vanished: tuple[tuple[str, RetrainJob], ...] = ()  # name and job, of the names that left the manifest
    elsewhere: Mapping[str, ModelProgress] = {}  # the service's models in all partitions of the state, by name

    @property
    def state_option(self) -> str:
        """Return what a command in a reason needs to find this run's state."""
        return state_option(self.address)


class ModelRun(Struct, kw_only=True):
    """The state of one model's workflow. What must survive a crash is in the journal, not here.

    `decision` is the person's that the workflow carries out, where it is not the model's own.
    """

    context: RunContext
    model: Model
    plan: ModelPlan
    decision: DecisionTaken | None = None
    key: Secret | None = None
    prepared: Prepared | None = None
    finished: Status | None = None
    calls: Counter[str] = field(default_factory=Counter)
    timings: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    warnings: list[str] = field(default_factory=list)
    list_refused: bool = False  # the service's list of classifiers could not be read in this run

    @property
    def progress(self) -> ModelProgress:
        """Return the model's status by the journal."""
        return self.context.progress.model(self.context.service, self.model.name)

    @property
    def current(self) -> RetrainJob | None:
        """Return the job this run is about: the plan's own, where it takes no new one; else the newest that counts."""
        first = next((stage for stage in self.plan.stages if stage != PlanStage.ADOPT), None)
        if self.plan.retrain_job_id is not None and (first is None or first in _ON_CANDIDATE):
            return self.progress.jobs.get(self.plan.retrain_job_id)
        return self.progress.last

    @property
    def job(self) -> RetrainJob:
        """Return the job the stages work on."""
        job = self.current
        if job is None:
            raise LookupError(f"{self.model.name} has no job yet")
        return job

    @property
    def decisions(self) -> int:
        """Return how many decisions about the model this run has taken out of the inbox and followed."""
        taken = self.context.progress.decisions.values()
        run_id, name = self.context.run_id, self.model.name
        ours = [found for found in taken if found.run_id == run_id and found.fact.about == name]
        return sum(found.fact.refused is None for found in ours)

    @property
    def quarantine(self) -> timedelta:
        """Return how long a lost request may still arrive."""
        return self.context.manifest.service.quarantine

    def tell(self, event: ProgressEvent) -> None:
        """Tell the listener; safe from any thread."""
        self.context.listener(self.model.name, event)

    def say(self, text: str) -> None:
        """Tell the listener, in one plain line."""
        self.tell(Message(text=text))

    def warn(self, text: str) -> None:
        """Keep a warning for the report, and tell it."""
        self.warnings.append(text)
        self.tell(Warned(warning=text))

    def retry(self, text: str) -> None:
        """Keep a warning of a call that is made again, and tell it."""
        self.warnings.append(text)
        self.tell(Retried(text=text))

    def count(self, call: str) -> None:
        """Count a call that is made now, and tell it."""
        self.calls[call] += 1
        self.tell(RequestStarted(call=call, attempt=self.calls[call]))

    def meter(self, total: int) -> ProgressMeter:
        """Return what an upload of `total` bytes reports to."""
        return ProgressMeter(tell=self.tell, clock=self.context.clock, total=total)

    def get_prepared(self) -> Prepared:
        """Return what the check stage left for the upload."""
        if self.prepared is None:
            raise LookupError(f"{self.model.name}: the upload stage was reached before the check stage")
        return self.prepared

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds that pass to a stage's timing."""
        began = self.context.clock.monotonic()
        try:
            yield
        finally:
            self.timings[name] += self.context.clock.monotonic() - began


def failed(error: ModelError) -> ModelOutcome:
    """Return the ending of a model that cannot continue."""
    return ModelOutcome(outcome="failed", reason=str(error), error=error)


def failed_with(kind: Kind, message: str, hint: str) -> ModelOutcome:
    """Return the ending of a model that cannot continue, from its parts."""
    return failed(ModelError(kind, message, hint=hint))


RunStage = Callable[[ModelRun], Workflow[StageEnd]]
