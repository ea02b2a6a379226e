"""The commands that a model's workflow gives the coordinator, as data.

A workflow is a generator: it yields a command and is resumed with the answer (or with the error the work raised). So
the protocol reads top to bottom, and nothing but the coordinator touches threads, the clock or the journal.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

from msgspec import Struct

from runner.journal.events import ApprovalSource, Fact
from runner.lib.secrets import Secret
from runner.manifest.model import Approval, Model

T = TypeVar("T")
_SHORTEST_S = 0.001


class Pool(StrEnum):
    """Which executor does a piece of work."""

    CALL = "call"  # short calls of the service
    STAGE = "stage"  # the heavy stages: check and pack, upload, download and evaluate


class Work(Struct, frozen=True, kw_only=True):
    """Call `function` on an executor. An `effect` is let finish when the run is stopped; other work is abandoned.

    What `completes` an effect that was begun before is done in a stopped run too. Where more work waits than the
    executor has threads, effects come first and `low_priority` work last.
    """

    pool: Pool
    function: Callable[[], object]
    effect: bool = False
    low_priority: bool = False
    completes: bool = False

    @property
    def rank(self) -> int:
        """Return its place among the work of its pool; the lowest goes first."""
        return 0 if self.effect else 2 if self.low_priority else 1


class Pause(Struct, frozen=True, kw_only=True):
    """Come back after this many seconds.

    In an `interruptible` pause a decision of a person about the model may come first: then `OvertakenError` is thrown.
    """

    seconds: float
    interruptible: bool = False


class Record(Struct, frozen=True, kw_only=True):
    """Write facts durably, in one transaction; `guard` belongs to the last one."""

    facts: tuple[Fact, ...]
    guard: str | None = None


class TakeSlot(Struct, frozen=True, kw_only=True):
    """Wait until one of the upload slots is free; the answer is a context manager that gives it back.

    Who pauses while it has one lends it to others, and has one again before it continues. A `short` upload takes less
    time than a slow commit; it lends its slot while its intent is recorded too.
    """

    short: bool = False


class AwaitDecision(Struct, frozen=True, kw_only=True):
    """Wait until a person's decision about the model is carried out, after `OvertakenError`."""


Command = Work | Pause | Record | TakeSlot | AwaitDecision
Workflow = Generator[Command, Any, T]


class StoppedError(Exception):
    """Thrown into a workflow at its next command when the run is to end: nothing new may be started."""


class OvertakenError(StoppedError):
    """Thrown into a workflow that pauses, when a person's decision about its model comes first."""


def call(function: Callable[[], T], *, effect: bool = False, low_priority: bool = False) -> Workflow[T]:
    """Do a short call of the service."""
    answer = yield Work(pool=Pool.CALL, function=function, effect=effect, low_priority=low_priority)
    return cast("T", answer)


def stage(function: Callable[[], T], *, effect: bool = False) -> Workflow[T]:
    """Do a heavy stage."""
    answer = yield Work(pool=Pool.STAGE, function=function, effect=effect)
    return cast("T", answer)


def pause(seconds: float, *, interruptible: bool = False) -> Workflow[None]:
    """Wait, at least so long that a clock shows it: what is left of a wait may be a rounding error."""
    yield Pause(seconds=max(seconds, _SHORTEST_S), interruptible=interruptible)


def take_slot(*, short: bool = False) -> Workflow[AbstractContextManager[None]]:
    """Wait for an upload slot."""
    answer = yield TakeSlot(short=short)
    return cast("AbstractContextManager[None]", answer)


def record(*facts: Fact, guard: str | None = None) -> Workflow[None]:
    """Write facts before continuing."""
    yield Record(facts=facts, guard=guard)


# What the executor needs from outside, as types: the clock and the keys; the provider is `runner.providers.base`. The
# composition root hands in the real ones; the simulator of the tests hands in its own and drives the same code.


class Clock(Protocol):
    """Time as the executor sees it."""

    def now(self) -> datetime:
        """Return the aware UTC wall-clock time, for the journal and for comparing with earlier runs."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for waiting."""


class Keys(Protocol):
    """Where API keys come from."""

    def model_key(self, model: Model) -> Secret:
        """Return the model's API key; raises ModelError when it cannot be had."""

    def asks_service(self, model: Model) -> bool:
        """Return whether the model's API key is had by a call of the service."""

    def end_date(self, model: Model) -> str | None:
        """Return when the model's fetched key ends, in the service's own words; None if it was not fetched."""

    def account_key(self, model: Model) -> Secret | None:
        """Return the account's secret key where the manifest names one."""


StillLocked = Callable[[], bool]  # whether this run still holds the state


def always_locked() -> bool:
    """Tell that the state is held, where nobody else can take it."""
    return True


Provenance = Callable[[Approval], ApprovalSource]  # where an approval in the folder comes from
