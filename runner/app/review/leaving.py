"""A decision that cannot be carried out at once, because a run holds the state: it is left for that run.

It counts once, whoever comes first: the run that finds it, or this command, which holds the state itself as soon as
that is free. The decision's id in the journal tells.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from runner.app.review.adopt import Proposed
from runner.app.review.candidates import DecisionRequest, Subject
from runner.app.review.following import CountsAlreadyError
from runner.app.review.inbox import DecisionInbox, left
from runner.app.run.run_end import RunResult, exit_code
from runner.app.state.open_state import open_state
from runner.app.state.partitions import partition_of
from runner.app.state.read_state import read_progress
from runner.errors import ExitCode, LockedError, RetrainError, StateError
from runner.execute.progress_events import Preparing
from runner.journal.events import RefusalRecord
from runner.journal.outcomes import Outcome
from runner.journal.progress import TakenDecision

Request = TypeVar("Request", bound=DecisionRequest)

_STEP_S, _FAR_STEP_S = 0.25, 2.0  # between two looks; one at a state that is elsewhere is a request


class RefusedError(RetrainError):
    """The run that holds the state refused the decision; it ends the command as the command's own check would."""

    def __init__(self, run_id: str, refused: RefusalRecord) -> None:
        super().__init__(f"Run {run_id} refused the decision: {refused.message}", hint=refused.hint)
        self.exit_code = next((code for code in ExitCode if code == refused.exit_code), ExitCode.STATE)


class Left(Struct, frozen=True, kw_only=True):
    """What became of a decision that was left: `taken` by a run, `under_way`, `left`, or `withdrawn`.

    `run_id` is the run that took it; `outcome` and `reason` are those of the model there.
    """

    decision_id: str
    model: str
    state: Literal["taken", "under_way", "left", "withdrawn"]
    exit_code: ExitCode
    run_id: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None


class Waiting(Struct, frozen=True, kw_only=True):
    """How long a command waits for a run to take its decision up; not at all where it was told to leave it."""

    longest: timedelta
    waits: bool = True


def decide(
    request: Request,
    act: Callable[[Request], RunResult],
    waiting: Waiting,
    subject: Subject,
    proposed: Proposed | None = None,
) -> RunResult | Left:
    """Carry a decision out by `act`, or leave it for the run that holds the state and tell what that made of it.

    `subject` is what it is about, and `proposed` belongs to an adoption.

    Raises:
        RetrainError: what `act` raises, or what the run said that refused it.
        StateError: it could not be left.
    """
    at_once = replace(request, lock_timeout=timedelta(0))
    try:
        return act(at_once)
    except LockedError as locked:
        held = locked
    inbox = DecisionInbox(open_state(partition_of(request.state, request.model, subject.service)))
    decision, waits = left(request, datetime.now(UTC), subject, proposed), None
    with suppress(OSError):
        waits = inbox.like(decision) if inbox.state.folder is None else None  # in a folder no answer is lost
    decision = waits or decision
    request = replace(at_once, taken=decision.taken)
    leaving = _Leaving(inbox=inbox, request=request, act=act, decision_id=decision.decision_id)
    try:
        if waits is None:
            inbox.leave(decision)
        request.listener(None, Preparing(what=f"{held.message} The decision is left for it"))
        return leaving.answer(waiting)
    except KeyboardInterrupt:
        return leaving.withdraw()


class _Leaving(Struct, Generic[Request], frozen=True, kw_only=True):
    """A decision in the inbox, as a request that carries it out."""

    inbox: DecisionInbox
    request: Request
    act: Callable[[Request], RunResult]
    decision_id: str

    def answer(self, waiting: Waiting) -> RunResult | Left:
        """Look until a run has carried the decision out, or the state is free, or the time is over."""
        step = _STEP_S if self.inbox.state.folder is not None else _FAR_STEP_S
        ends = time.monotonic() + waiting.longest.total_seconds()
        while waiting.waits:
            if not self._is_there():
                return self._told(gone=True)
            result = self._carried_out()
            if result is not None:
                return result
            if time.monotonic() + step >= ends:
                break
            time.sleep(step)
        return self._told(gone=False, asked_to_leave=not waiting.waits)

    def withdraw(self) -> Left:
        """Take the decision back, if no run has begun to carry it out."""
        try:
            done = self.inbox.withdraw(self.decision_id)
        except OSError:
            done = False
        counts = self.decision_id in read_progress(self.request.state).decisions
        return Left(
            decision_id=self.decision_id,
            model=self.request.model,
            state="withdrawn" if done and not counts else "under_way",
            exit_code=ExitCode.INTERRUPTED,
        )

    def _is_there(self) -> bool:
        try:
            return self.inbox.holds(self.decision_id)
        except OSError:
            return True  # a look that failed says nothing; the next one may

    def _carried_out(self) -> RunResult | Left | None:
        """Carry it out here if the state is free; return None if it is not."""
        try:
            result = self.act(self.request)
        except LockedError:
            return None
        except CountsAlreadyError:
            self._remove()
            return self._told(gone=True)
        except RetrainError:
            self._remove()  # the person is told at once
            raise
        self._remove()
        return result

    def _remove(self) -> None:
        with suppress(OSError):  # then the next run finds in the journal that it counts already
            self.inbox.remove(self.decision_id)

    def _told(self, *, gone: bool, asked_to_leave: bool = False) -> Left:
        taken = read_progress(self.request.state).decisions.get(self.decision_id)
        if taken is not None:
            return self._of_run(taken)
        if gone:
            raise StateError(
                f"Decision {self.decision_id} was removed from the inbox, and no run has recorded it.",
                hint="Run the command again.",
            )
        code = ExitCode.OK if asked_to_leave else ExitCode.UNFINISHED
        return Left(decision_id=self.decision_id, model=self.request.model, state="left", exit_code=code)

    def _of_run(self, taken: TakenDecision) -> Left:
        refused, end = taken.fact.refused, taken.end
        if refused is not None:
            raise RefusedError(taken.run_id, refused)
        if end is None:
            state: Literal["taken", "under_way"] = "under_way"
            code = ExitCode.UNFINISHED
        elif taken.fact.action == "resolve":
            state, code = "taken", ExitCode.OK
        else:
            state, code = "taken", exit_code((end,), internal_errors=False, stopped=None, allow_held=False)
        return Left(
            decision_id=self.decision_id,
            model=self.request.model,
            state=state,
            exit_code=code,
            run_id=taken.run_id,
            outcome=end.outcome if end else None,
            reason=end.reason if end else None,
        )
