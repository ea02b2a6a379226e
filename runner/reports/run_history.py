"""What the journal says of one run: the facts that its report is built from."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct, field

from runner.errors import StateError
from runner.journal.chain import EventBuffer, Link
from runner.journal.events import (
    CandidateEvaluated,
    DataChecked,
    DecisionTaken,
    Event,
    Fact,
    IncumbentAdopted,
    JobAbandoned,
    JobCreated,
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
    SwitchIntended,
    SwitchRejected,
    SwitchSucceeded,
    TrainingFailed,
    TrainingFinished,
    UploadRejected,
    UploadSucceeded,
)
from runner.journal.progress import Progress, RunRecord
from runner.lib.timestamps import moment
from runner.reports.text import duration

STAGES = ("check", "upload", "train", "judge", "switch")
_FIRST: Mapping[str, str] = MappingProxyType(  # a planned stage -> what the model is in while it lasts
    {
        "settle upload": "upload",
        "check": "check",
        "upload": "upload",
        "wait": "train",
        "evaluate": "judge",
        "decide": "judge",
        "settle switch": "switch",
        "review": "switch",
        "switch": "switch",
    }
)
_AFTER: Mapping[type, str | None] = MappingProxyType(  # what begins with a fact; None: waiting for its turn, or the end
    {
        DataChecked: None,
        JobCreated: "upload",
        UploadSucceeded: "train",
        UploadRejected: None,
        JobAbandoned: None,
        TrainingFinished: "judge",
        TrainingFailed: None,
        CandidateEvaluated: None,
        SwitchIntended: "switch",
        SwitchSucceeded: None,
        SwitchRejected: None,
        ModelFinished: None,
    }
)


class Span(Struct, frozen=True, kw_only=True):
    """A stage of one model, from its begin to its end."""

    stage: str
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Return how long it lasted."""
        return (self.end - self.begin).total_seconds()


class _Walk(Struct, kw_only=True):
    """One model on its way through the stages. A clock that was set back makes no stage shorter than nothing."""

    spans: list[Span] = field(default_factory=list)
    stage: str | None = None
    since: datetime | None = None  # when the present stage began
    latest: datetime | None = None

    def add(self, fact: Fact, at: datetime) -> None:
        self.latest = max(at, self.latest or at)
        if isinstance(fact, ModelPlanned):
            self._turn(_FIRST.get(fact.stages[0]) if fact.stages else None)
        elif isinstance(fact, DataChecked):
            self._take_in_check(timedelta(seconds=fact.check_s + fact.package_s))
        elif type(fact) in _AFTER:
            self._turn(_AFTER[type(fact)])

    def _take_in_check(self, length: timedelta) -> None:
        """Let the check begin when it did: until then the model waited for its turn."""
        if self.latest is not None:
            self.stage, self.since = "check", max(self.latest - length, self.since or self.latest - length)
        self._turn(None)

    def _turn(self, stage: str | None) -> None:
        self.close()
        self.stage, self.since = stage, self.latest

    def close(self) -> None:
        """End the present stage at the latest event."""
        if self.stage is None or self.since is None or self.latest is None or self.since >= self.latest:
            return
        last = self.spans[-1] if self.spans else None
        if last is not None and last.stage == self.stage and last.end == self.since:
            self.spans[-1] = Span(stage=self.stage, begin=last.begin, end=self.latest)
        else:
            self.spans.append(Span(stage=self.stage, begin=self.since, end=self.latest))
        self.since = self.latest


class StageTimelines:
    """The stages of every model of a run. Grows with `add`; a stage that took no time is left out."""

    def __init__(self) -> None:
        self._walks: dict[str, _Walk] = {}

    def add(self, event: Event) -> None:
        """Take in the run's next event."""
        if event.model is not None:
            walk = self._walks.get(event.model)
            if walk is None:
                walk = self._walks[event.model] = _Walk()
            walk.add(event.fact, moment(event.at))

    def spans(self) -> dict[str, tuple[Span, ...]]:
        """Return the stages of each model in their order, up to its latest event."""
        for walk in self._walks.values():
            walk.close()  # a run that was lost left its last stage open
        return {name: tuple(walk.spans) for name, walk in self._walks.items()}


_MOST_TICKS = 6
_STEPS = (  # seconds between two ticks
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)
_MOST_ROWS = 1000  # models; more are not a picture any more
_THINNEST = 0.3  # percent of the width: what is shorter could not be seen


class Bar(Struct, frozen=True, kw_only=True):
    """A stage in the picture: its begin and its length in percent of the width."""

    stage: str
    x: str
    width: str
    label: str


class Tick(Struct, frozen=True, kw_only=True):
    """A moment on the axis, and how long after the run's begin it is."""

    x: str
    label: str


class Gantt(Struct, frozen=True, kw_only=True):
    """The models that had stages, each with its bars; `left_out` counts those that began last and have no row."""

    rows: tuple[tuple[str, tuple[Bar, ...]], ...]
    ticks: tuple[Tick, ...]
    left_out: int


def gantt(timelines: Mapping[str, Sequence[Span]], names: Sequence[str]) -> Gantt:
    """Return the stages of the named models in the order of their first begin."""
    shown = {name: spans for name in names if (spans := timelines.get(name, ()))}
    if not shown:
        return Gantt(rows=(), ticks=(), left_out=0)
    begin = min(spans[0].begin for spans in shown.values())
    length = (max(spans[-1].end for spans in shown.values()) - begin).total_seconds()
    order = sorted(shown, key=lambda name: shown[name][0].begin)
    rows = tuple((name, tuple(_bar(span, begin, length) for span in shown[name])) for name in order[:_MOST_ROWS])
    return Gantt(rows=rows, ticks=_ticks(length), left_out=len(order) - len(rows))


def _bar(span: Span, begin: datetime, length: float) -> Bar:
    x = (span.begin - begin).total_seconds() / length * 100
    width = max(span.seconds / length * 100, _THINNEST)
    return Bar(
        stage=span.stage,
        x=f"{min(x, 100 - width):.2f}",
        width=f"{width:.2f}",
        label=f"{span.stage} {duration(span.seconds)}",
    )


def _ticks(length: float) -> tuple[Tick, ...]:
    step = next(
        (candidate for candidate in _STEPS if length / candidate <= _MOST_TICKS),
        86400 * (int(length / 86400 / _MOST_TICKS) + 1),
    )
    moments = range(0, int(length) + 1, step)
    return tuple(Tick(x=f"{seconds / length * 100:.2f}", label=_clock(seconds)) for seconds in moments)


def _clock(seconds: int) -> str:
    """Return a tick's words: `0`, `30 s`, `5 min`, `1 h 30 min`, `2 d`."""
    if not seconds:
        return "0"
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


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
