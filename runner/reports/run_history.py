"""What the journal says of one run: the facts that its report is built from."""

from collections.abc import Container, Iterable, Iterator

from msgspec import Struct, field

from runner.errors import StateError
from runner.journal.chain import Link
from runner.journal.event_buffer import EventBuffer
from runner.journal.events import (
    DataChecked,
    DecisionTaken,
    IncumbentAdopted,
    LossAccepted,
    ModelFinished,
    ModelPlanned,
    ModelsMoved,
    ReportWritten,
    ResultsPruned,
    RunFinished,
    RunStarted,
    ServiceMoved,
    ServingObserved,
    StateMoved,
)
from runner.journal.progress import Progress, RunRecord
from runner.reports.stage_timeline import StageTimelines

_WITHOUT_A_JOB = (
    RunStarted,
    RunFinished,
    ReportWritten,
    LossAccepted,
    DecisionTaken,
    ResultsPruned,
    StateMoved,
    ModelsMoved,
    ServiceMoved,
    DataChecked,
    IncumbentAdopted,
    ServingObserved,
)


class RunHistory(Struct, kw_only=True):
    """What the journal says of one run: its own facts, and the progress of all models. Grows with `add`.

    `state` is where commands find the journal; None says: where the run had it.
    """

    run_id: str
    state: str | None = None
    progress: Progress = field(default_factory=Progress)
    plans: dict[str, ModelPlanned] = field(default_factory=dict)
    ends: dict[str, ModelFinished] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)  # model -> the last retrain job the run worked on
    links: EventBuffer = field(default_factory=EventBuffer)
    timelines: StageTimelines = field(default_factory=StageTimelines)

    @property
    def record(self) -> RunRecord:
        """Return the run itself."""
        return self.progress.runs[self.run_id]

    @property
    def ended(self) -> bool:
        """Return whether the run's end has been reached."""
        return len(self.links) > 0 and self.record.finished is not None

    def add(self, link: Link) -> None:
        """Take in the journal's next event."""
        self.progress.add(link)
        self.collect(link)

    def collect(self, link: Link) -> None:
        """Keep the event if it is the run's own; the progress already knows it."""
        if link.event.run_id != self.run_id:
            return
        self.links.append(link)
        self.timelines.add(link.event)
        fact, model = link.event.fact, link.event.model
        if model is None or isinstance(fact, _WITHOUT_A_JOB):
            return
        if isinstance(fact, ModelPlanned):
            self.plans[model] = fact
        elif isinstance(fact, ModelFinished):
            self.ends[model] = fact
        else:
            self.jobs[model] = fact.retrain_job_id


def read_history(links: Iterable[Link], run_id: str) -> RunHistory:
    """Collect one run from the journal's events, up to the event that ended it.

    Raises:
        StateError: the journal has no such run, or no end of it.
    """
    history = RunHistory(run_id=run_id)
    for link in links:
        history.add(link)
        if history.ended:
            return history
    raise StateError(
        f"The journal has no finished run {run_id}.", hint="`retrain status` shows the last run; check --state."
    )


def ended_histories(links: Iterable[Link], run_ids: Container[str]) -> Iterator[RunHistory]:
    """Yield these runs at the events that ended them, in one reading: each as `read_history` would give it then.

    They share one progress, so a history is to be used before the next is asked for.
    """
    progress, open_runs = Progress(), dict[str, RunHistory]()
    for link in links:
        progress.add(link)
        run_id = link.event.run_id
        if run_id not in run_ids:
            continue
        history = open_runs.setdefault(run_id, RunHistory(run_id=run_id, progress=progress))
        history.collect(link)
        if isinstance(link.event.fact, RunFinished):
            yield open_runs.pop(run_id)
