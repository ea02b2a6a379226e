"""The partitions that a run holds: asked for, written to and let go of side by side, where that is waiting."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import TypeVar

from runner.app.state.open_state import in_bucket
from runner.app.state.session import Session
from runner.errors import LockedError
from runner.lib.parallel import map_in_threads

T = TypeVar("T")
_AT_ONCE = 16  # partitions
_BRIEFLY = timedelta(seconds=2)  # longer than a run holds what it lets go of again, as another one has the rest


def in_each(sessions: Sequence[Session], work: Callable[[Session], T]) -> list[T]:
    """Return what the work gives in each partition; it is done side by side in an object store, where it is waiting."""
    if len(sessions) == 1 or not in_bucket(sessions[0].name):
        return [work(opened) for opened in sessions]
    return map_in_threads(work, sessions, _AT_ONCE)


Hold = Callable[[timedelta], AbstractContextManager[T]]  # holds a partition, after waiting so long for it


@contextmanager
def held_in_order(holds: Sequence[Hold[T]], patience: timedelta, *, far: bool) -> Iterator[list[T]]:
    """Hold several partitions, which are in the order in which all runs ask for them.

    Who waits for one has those before it and none after it, so no two runs wait for each other. At a store that is
    `far` all are asked for at once first, without waiting; those after one that another run holds are let go.

    Raises:
        LockedError, StateError: as `session`; none is held then.
    """
    stacks = list[ExitStack]()
    try:
        opened = _held_at_once(holds, stacks) if far else []
        for hold in holds[len(opened) :]:
            stacks.append(ExitStack())
            opened.append(stacks[-1].enter_context(hold(max(patience, _BRIEFLY) if far else patience)))
        yield opened
    finally:
        _let_go(stacks[::-1], far=far)


def _held_at_once(holds: Sequence[Hold[T]], stacks: list[ExitStack]) -> list[T]:
    """Hold the partitions before the first one that another run holds; `stacks` get what lets go of them."""

    def tried(hold: Hold[T]) -> tuple[ExitStack, T | None]:
        stack = ExitStack()
        stacks.append(stack)  # at once: it is let go of whatever happens to the others
        try:
            return stack, stack.enter_context(hold(timedelta(0)))
        except LockedError:
            return stack, None

    found = map_in_threads(tried, holds, _AT_ONCE)
    opened = list[T]()
    for _, held in found:
        if held is None:
            break
        opened.append(held)
    stacks[:] = [stack for stack, _ in found[: len(opened)]]
    _let_go([stack for stack, _ in found[len(opened) :]], far=True)
    return opened


def _let_go(stacks: Sequence[ExitStack], *, far: bool) -> None:
    if far:
        map_in_threads(lambda stack: stack.close(), stacks, _AT_ONCE)
        return
    for stack in stacks:
        stack.close()
