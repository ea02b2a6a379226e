"""A person's decision under the lock: it counts once, and its effects are recorded and carried out."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runner.app.planning.scope import Scope
from runner.app.review.candidates import DecisionRequest, Ruling
from runner.app.run.execution import ExecutionResult
from runner.app.run.run_end import RunResult, carry_out, finish_run
from runner.app.state.partitions import partition_of, refuse_part
from runner.app.state.session import Partition, Session, session
from runner.errors import StateError
from runner.execute.progress_events import Preparing
from runner.journal.events import Draft, Fact, ModelFinished
from runner.lib.timestamps import stamp
from runner.reports.text import counted

ENTRY = ".json"  # the ending of a decision in the inbox


class CountsAlreadyError(StateError):
    """A run has taken the decision out of the inbox before this command held the state."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(f"Decision {decision_id} counts already.", hint="`retrain status` shows what came of it.")


@contextmanager
def deciding(request: DecisionRequest, service: str | None) -> Iterator[Session]:
    """Hold the state for a decision, about a model on a service, that does not count yet.

    Raises:
        CountsAlreadyError: it does.
        UsageError: the state is one partition of another.
        LockedError, StateError: as `session`.
    """
    refuse_part(request.state)
    place = Partition(address=partition_of(request.state, request.model, service))
    holding = session(request.state, lock_timeout=request.lock_timeout, listener=request.listener, partition=place)
    with holding as opened:
        if request.taken is not None and request.taken.decision_id in opened.progress.decisions:
            raise CountsAlreadyError(request.taken.decision_id)
        _tell_of_others(opened, request)
        yield opened


def _tell_of_others(opened: Session, request: DecisionRequest) -> None:
    """Tell how many other decisions wait in the inbox: a run takes them up, and this command does not."""
    own = request.taken.decision_id if request.taken is not None else ""
    with suppress(OSError):
        names = [name for name in opened.state.inbox.pending() if name.endswith(ENTRY)]
        others = sum(name != f"{own}{ENTRY}" for name in names)
        if others:
            wait = f"{counted(others, 'other decision')} {'waits' if others == 1 else 'wait'} in the inbox"
            what = f"{wait} for the next run; `retrain status` shows more"
            request.listener(None, Preparing(what=what))


def follow(opened: Session, scope: Scope, request: DecisionRequest, ruling: Ruling) -> RunResult:
    """Begin a separate run for the decision, record the decision, carry it out, and end the run."""
    paths = tuple(str(path) for path in scope.choice.paths)
    opened.start(scope.manifest, scope.service, paths, ruling.options)
    if ruling.facts:
        write(opened, request, *ruling.facts)
    if ruling.plan is not None:
        return carry_out(opened, scope, ruling.plan, request.listener, request.taken)
    ends = tuple(fact for fact in ruling.facts if isinstance(fact, ModelFinished))
    return finish_run([opened], ExecutionResult(ends=(ends,), stopped=None, internal_errors=()), allow_held=True)


def write(opened: Session, request: DecisionRequest, *facts: Fact) -> None:
    """Write a decision's facts in one transaction, with where it came from; that can be there once."""
    at, taken = stamp(opened.clock.now()), request.taken
    drafts = [Draft(at=at, run_id=opened.run_id, model=request.model, fact=fact) for fact in facts]
    if taken is not None:
        drafts.insert(0, Draft(at=at, run_id=opened.run_id, model=None, fact=taken, guard=taken.guard))
    opened.recorder.append(drafts)
