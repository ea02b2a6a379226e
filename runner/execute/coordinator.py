"""The loop that drives all models side by side, in one thread.

Decisions, intents and the journal live here; only work goes to executors. Facts that several models want recorded at
the same moment are committed in one transaction.
"""

import heapq
import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from msgspec import Struct, field

from runner.execute.commands import Ask, Pause, Pool, Record, Steps, StoppedError, TakeSlot, Work
from runner.execute.ports import Clock


class Mailbox(Protocol):
    """Where executors' threads and signal handlers leave word for the coordinator; a `SimpleQueue` is one."""

    def put(self, item: "Delivery | None") -> None:
        """Leave word; None only wakes."""

    def get(self, *, timeout: float | None = None) -> "Delivery | None":
        """Wait for word; raises `queue.Empty` when the timeout is over."""

    def empty(self) -> bool:
        """Return whether nothing is there."""


_IDLE_S = 0.02  # a shorter wait is not a time to begin something else
Commit = Callable[[Sequence[tuple[str, Record]]], None]
Stopping = Callable[[str, int], None]  # (why, how many effects are on their way)


def _unheard(_why: str, _effects: int) -> None:
    """Tell nobody of a stop."""


def _idle() -> None:
    """Do nothing while all models wait."""


class ModelWorkflow(Struct, eq=False, kw_only=True):
    """A model's generator and how to resume it."""

    model: str
    steps: Steps[None]
    answer: Any = None
    error: BaseException | None = None
    ticket: int = -1  # of the work it waits for; a delivery with another ticket was abandoned
    effect: bool = False  # that work has an effect
    slot: "UploadSlot | None" = None


class UploadSlot(Enum):
    """What a drive has of the upload slots."""

    HELD = auto()
    LENT = auto()  # to others, while it pauses


class Delivery(Struct, frozen=True, kw_only=True):
    """What an executor's thread hands back to the coordinator's."""

    drive: ModelWorkflow
    lane: Pool
    ticket: int
    answer: Any
    error: BaseException | None


class Settings(Struct, frozen=True, kw_only=True):
    """How much happens side by side; a lane that `threads` does not name takes all work at once."""

    parallel: int
    uploads: int
    threads: Mapping[Pool, int] = field(default_factory=dict)


class Coordinator(Struct, kw_only=True):
    """Runs drives to their end. `stop` may be called from a signal handler."""

    executors: Mapping[Pool, Executor]
    clock: Clock
    commit: Commit
    settings: Settings
    stopping: Stopping = _unheard  # called once, in the coordinator's own thread
    on_idle: Callable[[], None] = _idle  # the same, when for the first time nothing is on its way and nothing is due
    mail: Mailbox = field(default_factory=SimpleQueue[Delivery | None])
    stopped: str | None = None
    _waiting: deque[ModelWorkflow] = field(default_factory=deque)
    _active: dict[ModelWorkflow, None] = field(default_factory=dict)  # a set whose order is that of the plans
    _ready: deque[ModelWorkflow] = field(default_factory=deque)
    _pauses: list[tuple[float, int, ModelWorkflow]] = field(default_factory=list)
    _records: list[tuple[ModelWorkflow, Record]] = field(default_factory=list)
    _queues: dict[Pool, list[tuple[int, int, ModelWorkflow, Work]]] = field(
        default_factory=lambda: {pool: [] for pool in Pool}
    )
    _busy: Counter[Pool] = field(default_factory=Counter)
    _slot_queue: deque[ModelWorkflow] = field(default_factory=deque)
    _slots_taken: int = 0
    _stop_told: bool = False
    _idle_emitted: bool = False
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
        self._waiting.extend(ModelWorkflow(model=model, steps=steps) for model, steps in drives)
        try:
            self._run_all()
        finally:  # left to the garbage collector, a generator and the slot it holds may be ended one within the other
            for drive in list(self._active):
                drive.steps.close()

    def _run_all(self) -> None:
        while self._waiting or self._active:
            self._emit_stop()
            while self._waiting and len(self._active) < self.settings.parallel:
                drive = self._waiting.popleft()
                self._active[drive] = None
                self._ready.append(drive)
            self._step_all()
            if self._active and not self._ready and not self._room():
                self._wait_for_mail()

    def _emit_stop(self) -> None:
        if self.stopped is not None and not self._stop_told:
            self._stop_told = True
            self.stopping(self.stopped, sum(drive.effect for drive in self._active))

    def _room(self) -> bool:
        return bool(self._waiting) and len(self._active) < self.settings.parallel

    def _step_all(self) -> None:
        """Step every ready drive until all of them wait for something outside."""
        while True:
            while self._ready:
                self._step(self._ready.popleft())
            self._hand_out()
            if not self._records:
                return
            self._commit_records()

    def _step(self, drive: ModelWorkflow) -> None:
        error, drive.error = drive.error, None
        answer, drive.answer = drive.answer, None
        drive.ticket, drive.effect = -1, False
        try:
            ask = drive.steps.send(answer) if error is None else drive.steps.throw(error)
        except StopIteration:
            del self._active[drive]
            return
        self._take(drive, ask)

    def _take(self, drive: ModelWorkflow, ask: Ask) -> None:
        if isinstance(ask, Record):
            self._records.append((drive, ask))
        elif self.stopped is not None:
            self._emit_stop()
            self._resume(drive, error=StoppedError(self.stopped))
        elif isinstance(ask, Work):
            self._queue(drive, ask)
        elif isinstance(ask, Pause):
            self._pause(drive, ask.seconds)
        elif isinstance(ask, TakeSlot):
            self._slot_queue.append(drive)
            self._give_slots()

    def _pause(self, drive: ModelWorkflow, seconds: float) -> None:
        heapq.heappush(self._pauses, (self.clock.monotonic() + seconds, next(self._order), drive))
        if drive.slot is UploadSlot.HELD:
            self._free_slot(drive, then=UploadSlot.LENT)

    def _wake(self, drive: ModelWorkflow) -> None:
        if drive.slot is UploadSlot.LENT:
            self._slot_queue.appendleft(drive)
            self._give_slots()
        else:
            self._resume(drive)

    def _queue(self, drive: ModelWorkflow, work: Work) -> None:
        drive.ticket = next(self._order)
        heapq.heappush(self._queues[work.lane], (work.rank, drive.ticket, drive, work))

    def _hand_out(self) -> None:
        """Give each lane's threads work, the lowest rank first. What waits for one when the run stops never begins."""
        if self.stopped is not None:
            return
        for lane, queue in self._queues.items():
            while queue and self._busy[lane] < self.settings.threads.get(lane, math.inf):
                _, ticket, drive, work = heapq.heappop(queue)
                if ticket == drive.ticket:
                    self._submit(drive, work)

    def _submit(self, drive: ModelWorkflow, work: Work) -> None:
        drive.effect, ticket, lane = work.effect, drive.ticket, work.lane
        self._busy[lane] += 1

        def deliver(future: Future[Any]) -> None:
            if future.cancelled():
                return  # the run has ended; nobody waits for it
            error = future.exception()
            answer = future.result() if error is None else None
            self.mail.put(Delivery(drive=drive, lane=lane, ticket=ticket, answer=answer, error=error))

        self.executors[lane].submit(work.function).add_done_callback(deliver)

    def _commit_records(self) -> None:
        records, self._records = self._records, []
        self.commit([(drive.model, record) for drive, record in records])
        for drive, _ in records:
            self._resume(drive)

    def _resume(self, drive: ModelWorkflow, *, answer: Any = None, error: BaseException | None = None) -> None:
        drive.answer, drive.error = answer, error
        self._ready.append(drive)

    def _emit_idle(self, left: float | None) -> None:
        if not self._idle_emitted and left is not None and left >= _IDLE_S and not any(self._busy.values()):
            self._idle_emitted = True
            self.on_idle()

    def _wait_for_mail(self) -> None:
        """Wait until work is done, a pause is over or the run is stopped."""
        left = self._until_next_pause()
        self._emit_idle(left)
        try:
            mail = self.mail.get(timeout=left)
        except Empty:
            mail = None
        while mail is not None:
            self._busy[mail.lane] -= 1
            if mail.ticket == mail.drive.ticket:
                self._resume(mail.drive, answer=mail.answer, error=mail.error)
            mail = None if self.mail.empty() else self.mail.get()
        if self.stopped is not None:
            self._stop_idle()
        while self._pauses and self._pauses[0][0] <= self.clock.monotonic():
            self._wake(heapq.heappop(self._pauses)[2])

    def _until_next_pause(self) -> float | None:
        return max(self._pauses[0][0] - self.clock.monotonic(), 0.0) if self._pauses else None

    def _stop_idle(self) -> None:
        """Stop every drive that has no effect on its way; work without effect is abandoned."""
        self._pauses.clear()
        self._slot_queue.clear()
        for drive in [active for active in self._active if not active.effect and active not in self._ready]:
            self._resume(drive, error=StoppedError(self.stopped))

    def _give_slots(self) -> None:
        while self._slot_queue and self._slots_taken < self.settings.uploads:
            self._slots_taken += 1
            drive = self._slot_queue.popleft()
            self._resume(drive, answer=None if drive.slot is UploadSlot.LENT else self._slot(drive))
            drive.slot = UploadSlot.HELD

    def _free_slot(self, drive: ModelWorkflow, *, then: UploadSlot | None) -> None:
        drive.slot = then
        self._slots_taken -= 1
        self._give_slots()

    @contextmanager
    def _slot(self, drive: ModelWorkflow) -> Iterator[None]:
        try:
            yield
        finally:
            if drive.slot is UploadSlot.HELD:
                self._free_slot(drive, then=None)
            drive.slot = None
