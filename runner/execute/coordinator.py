"""The loop that drives all models side by side, in one thread.

Decisions, intents and the journal live here; only work goes to executors. Facts that several models want recorded at
the same moment are committed in one transaction.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from runner.execute.asks import Ask, Lane, Pause, Record, Steps, StoppedError, TakeSlot, Work
from runner.execute.ports import Clock


class Mailbox(Protocol):
    """Where executors' threads and signal handlers leave word for the coordinator; a `SimpleQueue` is one."""

    def put(self, item: "Delivery | None") -> None:
        """Leave word; None only wakes."""

    def get(self, *, timeout: float | None = None) -> "Delivery | None":
        """Wait for word; raises `queue.Empty` when the timeout is over."""

    def empty(self) -> bool:
        """Tell whether nothing is there."""


Commit = Callable[[Sequence[tuple[str, Record]]], None]


@dataclass(eq=False, slots=True, kw_only=True)
class Drive:
    """A model's generator and how to resume it."""

    model: str
    steps: Steps[None]
    answer: Any = None
    error: BaseException | None = None
    ticket: int = -1  # of the work it waits for; a delivery with another ticket was abandoned
    effect: bool = False  # that work has an effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an executor's thread hands back to the coordinator's."""

    drive: Drive
    ticket: int
    answer: Any
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much happens side by side."""

    parallel: int
    uploads: int


@dataclass(slots=True, kw_only=True)
class Coordinator:
    """Runs drives to their end. `stop` may be called from a signal handler."""

    executors: Mapping[Lane, Executor]
    clock: Clock
    commit: Commit
    settings: Settings
    mail: Mailbox = field(default_factory=SimpleQueue[Delivery | None])
    stopped: str | None = None
    _waiting: deque[Drive] = field(default_factory=deque)
    _active: dict[Drive, None] = field(default_factory=dict)  # a set whose order is that of the plans
    _ready: deque[Drive] = field(default_factory=deque)
    _pauses: list[tuple[float, int, Drive]] = field(default_factory=list)
    _records: list[tuple[Drive, Record]] = field(default_factory=list)
    _slot_queue: deque[Drive] = field(default_factory=deque)
    _slots_taken: int = 0
    _order: Iterator[int] = field(default_factory=itertools.count)

    def stop(self, why: str) -> None:
        """Start nothing new; effects on their way may finish. Safe to call from a signal handler."""
        self.stopped = self.stopped or why
        self.mail.put(None)

    def run(self, drives: Iterable[tuple[str, Steps[None]]]) -> None:
        """Drive all to their end, `parallel` of them at a time.

        Raises:
            StateError: the journal cannot be written any more; nothing was started after that.
        """
        self._waiting.extend(Drive(model=model, steps=steps) for model, steps in drives)
        try:
            self._run_all()
        finally:  # left to the garbage collector, a generator and the slot it holds may be ended one within the other
            for drive in list(self._active):
                drive.steps.close()

    def _run_all(self) -> None:
        while self._waiting or self._active:
            while self._waiting and len(self._active) < self.settings.parallel:
                drive = self._waiting.popleft()
                self._active[drive] = None
                self._ready.append(drive)
            self._step_all()
            if self._active and not self._ready and not self._room():
                self._wait_for_mail()

    def _room(self) -> bool:
        return bool(self._waiting) and len(self._active) < self.settings.parallel

    def _step_all(self) -> None:
        """Step every ready drive until all of them wait for something outside."""
        while self._ready or self._records:
            while self._ready:
                self._step(self._ready.popleft())
            self._commit_records()

    def _step(self, drive: Drive) -> None:
        error, drive.error = drive.error, None
        answer, drive.answer = drive.answer, None
        drive.ticket, drive.effect = -1, False
        try:
            ask = drive.steps.send(answer) if error is None else drive.steps.throw(error)
        except StopIteration:
            del self._active[drive]
            return
        self._take(drive, ask)

    def _take(self, drive: Drive, ask: Ask) -> None:
        if isinstance(ask, Record):
            self._records.append((drive, ask))
        elif self.stopped is not None:
            self._resume(drive, error=StoppedError(self.stopped))
        elif isinstance(ask, Work):
            self._submit(drive, ask)
        elif isinstance(ask, Pause):
            heapq.heappush(self._pauses, (self.clock.monotonic() + ask.seconds, next(self._order), drive))
        elif isinstance(ask, TakeSlot):
            self._slot_queue.append(drive)
            self._give_slots()

    def _submit(self, drive: Drive, work: Work) -> None:
        drive.effect, drive.ticket = work.effect, next(self._order)
        ticket = drive.ticket

        def deliver(future: Future[Any]) -> None:
            if future.cancelled():
                return  # the run has ended; nobody waits for it
            error = future.exception()
            answer = future.result() if error is None else None
            self.mail.put(Delivery(drive=drive, ticket=ticket, answer=answer, error=error))

        self.executors[work.lane].submit(work.function).add_done_callback(deliver)

    def _commit_records(self) -> None:
        if not self._records:
            return
        records, self._records = self._records, []
        self.commit([(drive.model, one) for drive, one in records])
        for drive, _ in records:
            self._resume(drive)

    def _resume(self, drive: Drive, *, answer: Any = None, error: BaseException | None = None) -> None:
        drive.answer, drive.error = answer, error
        self._ready.append(drive)

    def _wait_for_mail(self) -> None:
        """Wait until work is done, a pause is over or the run is stopped."""
        try:
            mail = self.mail.get(timeout=self._until_next_pause())
        except Empty:
            mail = None
        while mail is not None:
            if mail.ticket == mail.drive.ticket:
                self._resume(mail.drive, answer=mail.answer, error=mail.error)
            mail = None if self.mail.empty() else self.mail.get()
        if self.stopped is not None:
            self._stop_idle()
        while self._pauses and self._pauses[0][0] <= self.clock.monotonic():
            self._resume(heapq.heappop(self._pauses)[2])

    def _until_next_pause(self) -> float | None:
        return max(self._pauses[0][0] - self.clock.monotonic(), 0.0) if self._pauses else None

    def _stop_idle(self) -> None:
        """Stop every drive that has no effect on its way; work without effect is abandoned."""
        self._pauses.clear()
        self._slot_queue.clear()
        for drive in [one for one in self._active if not one.effect and one not in self._ready]:
            self._resume(drive, error=StoppedError(self.stopped))

    def _give_slots(self) -> None:
        while self._slot_queue and self._slots_taken < self.settings.uploads:
            self._slots_taken += 1
            self._resume(self._slot_queue.popleft(), answer=self._slot())

    @contextmanager
    def _slot(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._slots_taken -= 1
            self._give_slots()
