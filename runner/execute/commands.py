"""What a model's drive may ask of the coordinator, as data.

A drive is a generator: it yields an ask and is resumed with the answer (or with the error the work raised). So the
protocol reads top to bottom, and nothing but the coordinator touches threads, the clock or the journal.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, TypeVar, cast

from msgspec import Struct

from runner.journal.events import Fact

T = TypeVar("T")
_SHORTEST_S = 0.001


class Pool(StrEnum):
    """Which executor does a piece of work."""

    CALL = "call"  # short calls of the service
    STAGE = "stage"  # the heavy stages: check and pack, upload, download and evaluate


class Work(Struct, frozen=True, kw_only=True):
    """Call `function` on an executor. An `effect` is let finish when the run is stopped; other work is abandoned.

    Where more work waits than the executor has threads, effects come first and `patient` work last.
    """

    lane: Pool
    function: Callable[[], Any]
    effect: bool = False
    low_priority: bool = False

    @property
    def rank(self) -> int:
        """Return its place among the work of its lane; the lowest goes first."""
        return 0 if self.effect else 2 if self.low_priority else 1


class Pause(Struct, frozen=True, kw_only=True):
    """Come back after this many seconds."""

    seconds: float


class Record(Struct, frozen=True, kw_only=True):
    """Write facts durably, in one transaction; `guard` belongs to the last one."""

    facts: tuple[Fact, ...]
    guard: str | None = None


class TakeSlot(Struct, frozen=True, kw_only=True):
    """Wait until one of the upload slots is free; the answer is a context manager that gives it back.

    Who pauses while it has one lends it to others, and has one again before it continues.
    """


Ask = Work | Pause | Record | TakeSlot
Steps = Generator[Ask, Any, T]


class StoppedError(Exception):
    """Thrown into a drive at its next ask when the run is to end: nothing new may be started."""


def call(function: Callable[[], T], *, effect: bool = False, low_priority: bool = False) -> Steps[T]:
    """Do a short call of the service."""
    answer = yield Work(lane=Pool.CALL, function=function, effect=effect, low_priority=low_priority)
    return cast("T", answer)


def stage(function: Callable[[], T], *, effect: bool = False) -> Steps[T]:
    """Do a heavy stage."""
    answer = yield Work(lane=Pool.STAGE, function=function, effect=effect)
    return cast("T", answer)


def pause(seconds: float) -> Steps[None]:
    """Wait, at least so long that a clock shows it: what is left of a wait may be a rounding error."""
    yield Pause(seconds=max(seconds, _SHORTEST_S))


def take_slot() -> Steps[AbstractContextManager[None]]:
    """Wait for an upload slot."""
    answer = yield TakeSlot()
    return cast("AbstractContextManager[None]", answer)


def record(*facts: Fact, guard: str | None = None) -> Steps[None]:
    """Write facts before continuing."""
    yield Record(facts=facts, guard=guard)
