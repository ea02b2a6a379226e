"""What people decide while a run is on: the run looks into the inbox, and carries each decision out beside its models.

A decision is claimed, held against the journal as it is then, recorded with what it writes, carried out, and removed
from the inbox, in this order: killed anywhere between, the next run finds in the journal whether it counts already.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ExitCode
from runner.execute.commands import StoppedError, Workflow, call, pause, record
from runner.execute.coordinator import Coordinator
from runner.execute.model_run import ModelRun, RunContext
from runner.execute.workflow import model_workflow
from runner.journal.events import DecisionTaken, Fact, RefusalRecord
from runner.lib.parallel import map_in_threads

_LOOKS = 16  # at the same time, where each is a request
_FAILED = RefusalRecord(
    exit_code=ExitCode.FAILED,
    message="The work on the decision failed.",
    hint="`retrain status` shows why; then decide again.",
)


class Waiting(Protocol):
    """A decision that waits in the inbox."""

    @property
    def model(self) -> str:
        """Return the model that it is about."""


class Ruling(Struct, frozen=True, kw_only=True):
    """What is to be written for a decision, with `taken`, and what is to be done then, if anything.

    Where `facts` are none and there is a `run`, that writes `taken` with its first fact.
    """

    taken: DecisionTaken
    facts: tuple[Fact, ...] = ()
    run: ModelRun | None = None


W = TypeVar("W", bound=Waiting)


class Decisions(Protocol[W]):
    """The inbox, as a run uses it. No trouble with it leaves these as an error: it is told, and the run goes on."""

    @property
    def pace_s(self) -> float:
        """Return how many seconds are between two looks."""

    def pending(self) -> Sequence[W]:
        """Return the decisions that this run can carry out, oldest first. In a pool's thread."""

    def claim(self, waiting: W) -> bool:
        """Make sure that nobody can withdraw it any more; False where it was withdrawn. In a pool's thread."""

    def rule(self, waiting: W, context: RunContext) -> Ruling | None:
        """Check it against the journal as it is now; None if it counts already. Runs in the coordinator's thread."""

    def remove(self, waiting: W) -> None:
        """Remove it, if it is in the journal. In a pool's thread."""


def watch_inbox(
    coordinator: Coordinator, inboxes: Sequence[tuple[Decisions[W], RunContext]], first: Sequence[Sequence[W]]
) -> Workflow[None]:
    """Carry out the decisions that waited before the run, then look for more until every model has its outcome.

    Each partition that the run works on has an inbox; `first` is what waited in each.
    """
    found, last = first, False
    try:
        while True:
            for (decisions, context), waiting in zip(inboxes, found, strict=True):
                for decision in waiting:
                    coordinator.decide(decision.model, _carry_out(decisions, decision, context))
            if last and coordinator.rests:
                return
            if not coordinator.rests:
                yield from pause(max(decisions.pace_s for decisions, _ in inboxes))
            last = coordinator.rests  # then the read that follows is the last one, if it finds nothing
            found = yield from call(lambda: map_in_threads(lambda desk: desk[0].pending(), inboxes, _LOOKS))
    except StoppedError:
        return  # what waits is there for the next run


def _carry_out(decisions: Decisions[W], waiting: W, context: RunContext) -> Workflow[None]:
    try:
        if not (yield from call(lambda: decisions.claim(waiting))):
            return
        ruling = decisions.rule(waiting, context)
        if ruling is not None:
            if ruling.facts or ruling.run is None:
                yield from record(ruling.taken, *ruling.facts, guard=ruling.taken.guard)
            if ruling.run is not None:
                yield from model_workflow(ruling.run)
                if ruling.taken.decision_id not in context.progress.decisions:  # it ended before it wrote anything
                    yield from record(replace(ruling.taken, refused=_FAILED), guard=ruling.taken.guard)
        yield from call(lambda: decisions.remove(waiting))
    except StoppedError:
        return  # the next run removes it, if it is in the journal
