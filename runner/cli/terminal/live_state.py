"""Where every model of a run is by its event: what the live table shows. It draws nothing and asks no clock."""

from collections import Counter

from msgspec import Struct, field

from runner.execute.progress_events import (
    Decided,
    InTraining,
    ModelEnded,
    Preparing,
    ProgressEvent,
    Retried,
    StageStarted,
    Starting,
    StatusReceived,
    Stopping,
    UploadProgress,
    Warned,
)
from runner.journal.outcomes import FAILURES, Outcome
from runner.plan.model_plan import PlanStage
from runner.reports.next_step import short_ids, with_short_ids

QUEUED = "queued"
_MORE, _ENDED, _LAST = 5, 6, 7  # ranks: of more ends in trouble, of other ends, and of what has not begun
_SMOOTH_S = 3.0  # a speed is that of about the last seconds


class Flow(Struct, kw_only=True):
    """An upload on its way: bytes, and bytes per second as of late."""

    total: int
    sent: int
    at: float
    speed: float = 0.0

    def add(self, sent: int, now: float) -> None:
        """Take in how many bytes are sent by now."""
        passed = now - self.at
        if passed > 0:
            fresh = max(sent - self.sent, 0) / passed
            weight = min(passed / _SMOOTH_S, 1.0) if self.speed else 1.0
            self.speed += (fresh - self.speed) * weight
            self.at = now
        self.sent = sent

    @property
    def left_s(self) -> float | None:
        """Return the seconds until all is sent, None while the speed is not known."""
        return (self.total - self.sent) / self.speed if self.speed else None


class LiveRow(Struct, kw_only=True):
    """One model. `began` and `training_from` are in the clock's seconds, None before there was such a moment."""

    name: str
    place: int
    stage: PlanStage | None = None
    began: float | None = None
    flow: Flow | None = None
    training_from: float | None = None
    expected_s: float | None = None
    retrain_job_id: str = ""
    status: str = ""
    trouble: str = ""
    verdict: str = ""
    outcome: Outcome | None = None
    reason: str = ""
    ended_at: float | None = None

    @property
    def state(self) -> str:
        """Return what it does, or what happened to it, in the words it is counted under."""
        return self.outcome or (str(self.stage) if self.stage else QUEUED)

    @property
    def urgency(self) -> tuple[int, float]:
        """Return its place among the rows, the troubled and the busiest first."""
        if self.outcome:
            rank = 1 if self.outcome in FAILURES else _ENDED
            return rank, -(self.ended_at or 0.0)
        if self.stage is None:
            return _LAST, self.place
        rank = 0 if self.trouble else 2 if self.flow else 4 if self.stage == PlanStage.WAIT else 3
        return rank, self.began or 0.0


class LiveState(Struct, kw_only=True):
    """All rows by the model's name, in the order of the plan; what the run itself waits for, and its stop."""

    rows: dict[str, LiveRow] = field(default_factory=dict)
    starting: str = ""
    stopping: str = ""

    def take(self, model: str | None, event: ProgressEvent, now: float) -> None:
        """Take in the next event of a model, or of the run itself, at `now` seconds of the clock."""
        if isinstance(event, Starting | Preparing):
            self.starting = event.text
        elif isinstance(event, Stopping):
            self.starting, self.stopping = "", event.text
        elif model is not None:
            self._take(model, event, now)

    def _take(self, model: str, event: ProgressEvent, now: float) -> None:
        row = self.rows.get(model)
        if row is None:
            row = self.rows[model] = LiveRow(name=model, place=len(self.rows))
        if isinstance(event, StageStarted):
            row.outcome = None  # it had one before a person's decision
            row.stage, row.began, row.flow, self.starting = event.stage, now, None, ""
        elif isinstance(event, UploadProgress):
            row.flow = row.flow or Flow(total=event.total, sent=0, at=row.began or now)
            row.flow.add(event.sent, now)
        elif isinstance(event, InTraining):
            row.training_from, row.expected_s = now - event.elapsed_s, event.expected_s
            row.retrain_job_id = event.retrain_job_id
        elif isinstance(event, ModelEnded):
            row.outcome, row.ended_at, row.trouble = event.outcome, now, ""
            row.reason = with_short_ids(event.reason, short_ids(filter(None, [row.retrain_job_id])))
        else:
            _note(row, event)

    def counts(self) -> Counter[str]:
        """Return how many models are in each state."""
        return Counter(row.state for row in self.rows.values())

    @property
    def ended(self) -> int:
        """Return how many models have their outcome."""
        return sum(1 for row in self.rows.values() if row.outcome)

    def picked(self, most: int) -> list[LiveRow]:
        """Return all rows in order where they are few; else the troubled and the busiest, at most so many.

        Models that ended in trouble take a third of the room while others are at work: there may be very many.
        """
        if len(self.rows) <= most:
            return list(self.rows.values())
        ranked = sorted(self.rows.values(), key=lambda row: row.urgency)
        ends = [row for row in ranked if row.outcome in FAILURES]
        if more := {row.name for row in ends[max(most // 3, 1) :]}:
            ranked.sort(key=lambda row: _MORE if row.name in more else row.urgency[0])
        return ranked[: max(most, 0)]


def _note(row: LiveRow, event: ProgressEvent) -> None:
    """Keep what the event says beside the stage."""
    match event:
        case StatusReceived():
            row.status, row.trouble = event.status, ""
        case Decided():
            row.verdict = event.verdict
        case Retried():
            row.trouble = event.text
        case Warned():
            row.trouble = event.warning
        case _:
            pass
