"""When each model of a run was in which stage, from the times of the run's own events. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct, field

from runner.journal.events import (
    CandidateEvaluated,
    DataChecked,
    Event,
    Fact,
    JobAbandoned,
    JobCreated,
    ModelFinished,
    ModelPlanned,
    SwitchIntended,
    SwitchRejected,
    SwitchSucceeded,
    TrainingFailed,
    TrainingFinished,
    UploadRejected,
    UploadSucceeded,
)
from runner.lib.timestamps import moment

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
