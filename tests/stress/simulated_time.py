"""Virtual time with processes in it: nothing waits for real, and the same seed gives the same order of everything.

A process is a thread, but only the one that holds the baton runs. It hands the baton on when it waits; time then moves
to the next event. So several runners can be interleaved at any of their steps, and one can sleep while others continue.
"""

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

_DAY_S = 86400.0
START = datetime(2026, 3, 1, tzinfo=UTC)


class ShownClock:
    """A clock of a machine or of the service: off by `ahead` seconds, swaying about that, and a little fast or slow.

    A time server keeps a real one near the truth; so this one drifts away and back again, by `sway` seconds in a day.
    `rate` is how much faster than time its monotonic seconds are.
    """

    def __init__(self, time: "Timeline", *, ahead: float = 0.0, sway: float = 0.0, rate: float = 0.0) -> None:
        self.time = time
        self.ahead = ahead
        self._sway = sway
        self._rate = rate

    def seconds(self) -> float:
        """Return what the clock shows, in seconds since the start of the history."""
        return self.time.seconds + self.ahead + self._sway * math.sin(2 * math.pi * self.time.seconds / _DAY_S)

    def now(self) -> datetime:
        """Return what the wall clock shows."""
        return START + timedelta(seconds=self.seconds())

    def monotonic(self) -> float:
        """Return seconds that do not jump."""
        return self.time.seconds * (1 + self._rate)


class StuckError(AssertionError):
    """Everybody waits and nothing is going to happen any more."""


class Process:
    """One thread of the simulation. `on_mail` tells that a wake-up by others is welcome, not only the alarm's."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.ticket = 0
        self.on_mail = False
        self.ended = False
        self.error: BaseException | None = None


class Timeline:
    """True time in seconds, the wall clock beside it, and what is going to happen; also a runner's clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.running = self.driver = Process()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._next: Process | None = None

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        heapq.heappush(self._events, (self.seconds + seconds, next(self._order), action))

    def wait(self, seconds: float | None, *, on_mail: bool = False) -> None:
        """Let time pass for the running process."""
        me = self.running
        me.ticket += 1
        me.on_mail = on_mail
        if seconds is not None:
            self.after(seconds, partial(self._choose, me, me.ticket))
        self._pass_baton(me)
        me.on_mail = False

    def wake(self, process: Process) -> None:
        """Let a process that waits for mail continue."""
        if process.on_mail:
            self.after(0, partial(self._choose, process, process.ticket))

    def start(self, work: Callable[[], None]) -> Process:
        """Start a process now; it gets the baton when the running one waits."""
        process = Process()
        threading.Thread(target=self._body, args=(process, work), daemon=True).start()
        self.after(0, partial(self._choose, process, process.ticket))
        return process

    def _body(self, process: Process, work: Callable[[], None]) -> None:
        process.go.acquire()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- a crash too is an end that the history looks at
            process.error = error
        process.ended = True
        process.ticket += 1
        self.wake(self.driver)
        self._pass_baton(process)

    def _choose(self, process: Process, ticket: int) -> None:
        if ticket == process.ticket:
            self._next = process

    def _pass_baton(self, me: Process) -> None:
        """Let events happen until one of them is a process's turn."""
        while self._next is None:
            if not self._events:
                self._next = self.driver
                self.driver.error = StuckError("everybody waits and nothing is going to happen")
                break
            at, _, action = heapq.heappop(self._events)
            self.seconds = max(self.seconds, at)
            action()
        chosen, self._next = self._next, None
        self.running = chosen
        if chosen is not me:
            chosen.go.release()
            if not me.ended:
                me.go.acquire()
        if me.error is not None and not me.ended:
            raise me.error
