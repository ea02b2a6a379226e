"""What every lease on a state elsewhere has in common: how long it lives, and how a run waits for it and lets it go."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

from runner.errors import LockedError, StateError, UsageError
from runner.journal.lock import Held
from runner.manifest.durations import parse_duration

RENEWALS = 6  # in a lease's life
_LIFE, _SHORTEST, _LONGEST = timedelta(minutes=2), timedelta(seconds=10), timedelta(hours=1)
_POLL_S = 2.0

Reword = Callable[[OSError], StateError]  # turns a store's refusal into an error of the state


class RunLease(Protocol):
    """The right of one run to write, at `where`, which it keeps by renewing it within its `life`."""

    life: timedelta
    where: str

    def take(self) -> Held | None:
        """Take the state, or return who holds it; raises OSError where the store refuses."""

    def release(self) -> None:
        """End the lease, so that the next run need not wait for its end."""


L = TypeVar("L", bound=RunLease)


def read_life(text: str) -> timedelta:
    """Return how long a lease lives, by `lease=` in an address.

    Raises:
        UsageError: it is not a duration, or out of bounds.
    """
    life = parse_duration(text) if text else _LIFE
    if life is None or not _SHORTEST <= life <= _LONGEST:
        raise UsageError(
            "The lease of the state's address is not between 10s and 1h.",
            hint="Write it as in ?lease=2m, or leave it away.",
        )
    return life


def seconds() -> float:
    """Return a time that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@contextmanager
def leased(lease: L, *, timeout: float, reword: Reword) -> Iterator[L]:
    """Hold the state for one run; wait up to `timeout` seconds for it.

    Raises:
        LockedError: another run holds it.
        StateError: the store refuses.
    """
    until = time.monotonic() + timeout
    try:
        while (held := _taken(lease, reword)) is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise _locked(held, lease)
            time.sleep(min(_POLL_S, lease.life.total_seconds() / RENEWALS, left))
        yield lease
    finally:
        lease.release()


def _taken(lease: RunLease, reword: Reword) -> Held | None:
    try:
        return lease.take()
    except OSError as error:
        raise reword(error) from None


def _locked(held: Held, lease: RunLease) -> LockedError:
    who = held.holder.holds(lease.where) if held.holder else f"Other retrain commands take the state {lease.where}."
    return LockedError(
        who,
        hint="Wait for it to end, or let this command wait with --lock-timeout 10m. Where that run was killed, its "
        f"lease ends within {lease.life.total_seconds():.0f} seconds, and the next run continues.",
    )
