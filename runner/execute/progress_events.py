"""What a run tells while it continues, as values: a terminal, a log and another program all read the same event.

News change nothing. What must survive a crash is in the journal.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from runner.execute.commands import Clock
from runner.journal.outcomes import Outcome
from runner.plan.model_plan import PlanStage

SENT_EVERY_S = 0.1  # between two events of the same upload


class Planned(Struct, frozen=True, kw_only=True):
    """The model takes part in the run; `stages` is what it will walk through, nothing for some."""

    stages: tuple[PlanStage, ...]

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"planned: {' > '.join(self.stages) or 'nothing to do'}"


class StageStarted(Struct, frozen=True, kw_only=True):
    """A stage begins."""

    stage: PlanStage

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"stage: {self.stage}"


class RequestStarted(Struct, frozen=True, kw_only=True):
    """The service is asked; `attempt` counts the calls of this kind for this model in this run."""

    call: str
    attempt: int

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"call: {self.call}, number {self.attempt}"


class UploadProgress(Struct, frozen=True, kw_only=True):
    """So many bytes of the upload are handed to the connection; `total` is all of it."""

    sent: int
    total: int

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"sent {self.sent:,} of {self.total:,} bytes"


class InTraining(Struct, frozen=True, kw_only=True):
    """The run waits for a training that is `elapsed_s` old; `expected_s` is what the model's last one took."""

    retrain_job_id: str
    elapsed_s: float
    expected_s: float | None

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        before = f"; the last training took {self.expected_s:.0f} s" if self.expected_s is not None else ""
        return f"waiting for job {self.retrain_job_id}{before}"


class StatusReceived(Struct, frozen=True, kw_only=True):
    """The service calls the job by another word than before."""

    retrain_job_id: str
    status: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"job {self.retrain_job_id}: {self.status}"


_DECISIONS = {
    "switch": "the candidate takes over",
    "hold": "the candidate is held back",
    "await_approval": "it waits for a person",
}
_WITHOUT_RULES = ("auto", "manual")  # these types judge nothing


class Decided(Struct, frozen=True, kw_only=True):
    """The candidate was judged; the decision is durable. `policy` is the type of the policy."""

    verdict: str
    action: str
    policy: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        decision = _DECISIONS[self.action]
        if self.policy in _WITHOUT_RULES:
            return f"{decision}, because the policy is {self.policy}"
        return f"judged: {self.verdict}; {decision}"


class Message(Struct, frozen=True, kw_only=True):
    """Something worth a line."""

    text: str


class Retried(Struct, frozen=True, kw_only=True):
    """A call went wrong and is made again."""

    text: str


class Warned(Struct, frozen=True, kw_only=True):
    """Something is not as it should be; the report has it too."""

    warning: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"warning: {self.warning}"


class Recorded(Struct, frozen=True, kw_only=True):
    """A fact is durable in the journal; `fact` is its name there."""

    fact: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"recorded: {self.fact}"


class ModelEnded(Struct, frozen=True, kw_only=True):
    """The model has its outcome in this run."""

    outcome: Outcome
    reason: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return self.outcome.replace("_", " ")


class Starting(Struct, frozen=True, kw_only=True):
    """The run itself waits for something to start."""

    what: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return f"starting {self.what}"


class Preparing(Struct, frozen=True, kw_only=True):
    """The run itself does something, or waits for something, before its models begin; `what` is a whole phrase."""

    what: str

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        return self.what


class Stopping(Struct, frozen=True, kw_only=True):
    """The run itself was told to stop; `effects` is how many requests on their way may finish."""

    signal: str
    effects: int

    @property
    def text(self) -> str:
        """Return the event as one plain phrase."""
        requests = {0: "nothing new is started", 1: "1 request may finish"}
        first = requests.get(self.effects, f"{self.effects} requests may finish")
        again = "press Ctrl-C again" if self.signal == "SIGINT" else "a second signal"
        return f"stopping ({self.signal}): {first}; {again} to end at once"


ProgressEvent = (
    Planned
    | StageStarted
    | RequestStarted
    | UploadProgress
    | InTraining
    | StatusReceived
    | Decided
    | Message
    | Retried
    | Warned
    | Recorded
    | ModelEnded
    | Starting
    | Preparing
    | Stopping
)
# (model name or None for the run itself, event); from several threads at once, and it must not raise
Listener = Callable[[str | None, ProgressEvent], None]


def unheard(_model: str | None, _news: ProgressEvent) -> None:
    """Take an event that nobody asked for."""


_OURS = (
    Planned,
    StageStarted,
    RequestStarted,
    UploadProgress,
    Recorded,
)  # nearly all events are these, and no text in them is from outside


def redacted(event: ProgressEvent, redact: Callable[[str], str]) -> ProgressEvent:
    """Return the event with every text in it redacted that may come from outside."""
    if isinstance(event, _OURS):
        return event
    texts: dict[str, object] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if type(value) is str and (clean := redact(value)) != value:
            texts[name] = clean
    return replace(event, **texts) if texts else event


class ProgressMeter(Struct, kw_only=True):
    """Tells of an upload's bytes, at most every 100 ms and at the end. Called by the thread that sends."""

    tell: Callable[[ProgressEvent], None]
    clock: Clock
    total: int
    _next: float = 0.0

    def __call__(self, sent: int) -> None:
        """Take in how many bytes are sent by now."""
        now = self.clock.monotonic()
        if now >= self._next or sent >= self.total:
            self._next = now + SENT_EVERY_S
            self.tell(UploadProgress(sent=sent, total=self.total))
