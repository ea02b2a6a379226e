"""The loop that runs all models side by side, in one thread.

Decisions, intents and the journal live here; only work goes to executors. Facts that several models want recorded at
the same moment are committed in one transaction; while work of others is on its way, a commit waits for theirs for a
few milliseconds. Where a commit takes long, it is made beside the loop: whoever wants more recorded meanwhile waits for
the next one. Nobody is resumed before what he recorded is durable.
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
from typing import Protocol

from msgspec import Struct, field

from runner.execute.commands import (
    AwaitDecision,
    Clock,
    Command,
    OvertakenError,
    Pause,
    Pool,
    Record,
    StoppedError,
    TakeSlot,
    Work,
    Workflow,
)


class Mailbox(Protocol):
    """Where executors' threads and signal handlers leave word for the coordinator; a `SimpleQueue` is one."""

    def put(self, item: "Mail") -> None:
        """Leave word; None only wakes."""

    def get(self, *, timeout: float | None = None) -> "Mail":
        """Wait for word; raises `queue.Empty` when the timeout is over."""

    def empty(self) -> bool:
        """Return whether nothing is there."""


_IDLE_S = 0.02  # a shorter wait is not a time to begin something else
_GATHERS = 10  # times as long as a commit took; so most of a fleet's time is not spent on commits
_MOST_GATHERED_S = 0.025
_MOST_AHEAD = 7  # for each upload slot: uploads whose intent is recorded while others are sent
Known = Callable[[], None]  # lets the run know what was committed, in the coordinator's own thread
Commit = Callable[[Sequence[tuple[str, Record]]], Known | None]  # writes durably, before it returns
Stopping = Callable[[str, int], None]  # (why, how many effects are on their way)


def _unheard(_why: str, _effects: int) -> None:
    """Tell nobody of a stop."""


def _idle() -> None:
    """Do nothing while all models wait."""


class ModelWorkflow(Struct, eq=False, kw_only=True):
    """A model's generator and how to resume it.

    One that is `beside` the plans is not counted by `parallel`: a person's decision, and what looks for decisions.
    """

    model: str
    steps: Workflow[None]
    beside: bool = False
    begun: bool = False
    awaiting: bool = False  # that a decision about its model is carried out
    pausing: Pause | None = None
    answer: object = None
    error: BaseException | None = None
    ticket: int = -1  # of the work it waits for; a delivery with another ticket was abandoned
    effect: bool = False  # that work has an effect
    slot: "UploadSlot | None" = None
    is_short: bool = False  # the upload, for which it has or wants a slot


class UploadSlot(Enum):
    """What a workflow has of the upload slots."""

    TAKEN = auto()
    LENT = auto()  # to others, while it pauses
    DUE = auto()  # lent to others while its intent is recorded; then it is the next one


class Delivery(Struct, frozen=True, kw_only=True):
    """What an executor's thread hands back to the coordinator's."""

    workflow: ModelWorkflow
    pool: Pool
    ticket: int
    answer: object
    error: BaseException | None


class Committed(Struct, frozen=True, kw_only=True):
    """What the thread of a commit hands back."""

    known: Known | None
    error: BaseException | None


Mail = Delivery | Committed | None  # None only wakes


class Settings(Struct, frozen=True, kw_only=True):
    """How much happens side by side; a pool that `threads` does not name takes all work at once."""

    parallel: int
    uploads: int
    threads: Mapping[Pool, int] = field(default_factory=dict)


class Coordinator(Struct, kw_only=True):
    """Runs workflows to their end. `stop` may be called from a signal handler."""

    executors: Mapping[Pool, Executor]
    clock: Clock
    commit: Commit
    settings: Settings
    stopping: Stopping = _unheard  # called once, in the coordinator's own thread
    on_idle: Callable[[], None] = _idle  # the same, when for the first time nothing is on its way and nothing is due
    mailbox: Mailbox = field(default_factory=SimpleQueue[Mail])
    committer: Executor | None = None  # of one thread, where commits take long; None commits in the coordinator's own
    stopped: str | None = None
    _waiting: deque[ModelWorkflow] = field(default_factory=deque)
    _active: dict[ModelWorkflow, None] = field(default_factory=dict)  # a set whose order is that of the plans
    _ready: deque[ModelWorkflow] = field(default_factory=deque)
    _pauses: list[tuple[float, int, ModelWorkflow]] = field(default_factory=list)
    _records: list[tuple[ModelWorkflow, Record]] = field(default_factory=list)
    _committing: list[tuple[ModelWorkflow, Record]] = field(default_factory=list)
    _next_commit: float = -math.inf  # on the clock; no sooner, while others may have more to record
    _queues: dict[Pool, list[tuple[int, int, ModelWorkflow, Work]]] = field(
        default_factory=lambda: {pool: [] for pool in Pool}
    )
    _busy: Counter[Pool] = field(default_factory=Counter)
    _slot_queue: deque[ModelWorkflow] = field(default_factory=deque)
    _slots_taken: int = 0
    _own: dict[str, ModelWorkflow] = field(default_factory=dict)  # those of the plans that have begun, by model
    _decided: dict[str, ModelWorkflow] = field(default_factory=dict)  # people's decisions on their way, by model
    _watch: ModelWorkflow | None = None
    _stop_told: bool = False
    _idle_emitted: bool = False
    _order: Iterator[int] = field(default_factory=itertools.count)

    def stop(self, why: str) -> None:
        """Start nothing new; effects on their way may finish. Safe to call from a signal handler."""
        self.stopped = self.stopped or why
        self.mailbox.put(None)

    @property
    def rests(self) -> bool:
        """Return whether every model's workflow has ended, and every decision is carried out."""
        return not self._waiting and len(self._active) == (self._watch is not None)

    def decide(self, model: str, steps: Workflow[None]) -> None:
        """Carry out what a person decided about a model, however much is going on, unless another decision is.

        The model's own workflow waits meanwhile: it has not begun, it has ended, or as soon as it comes to an
        interruptible pause.
        """
        if model in self._decided:
            return
        self._decided[model] = decision = ModelWorkflow(model=model, steps=steps, beside=True)
        self._active[decision] = None
        own = self._own.get(model)
        if own is None:
            self._ready.append(decision)
        elif own.pausing is not None and self._is_overtaken(own, own.pausing):
            self._end_pause(own)
            self._overtake(own)

    def _is_overtaken(self, workflow: ModelWorkflow, pause: Pause) -> bool:
        return pause.interruptible and workflow.slot is None and not workflow.beside and workflow.model in self._decided

    def _overtake(self, workflow: ModelWorkflow) -> None:
        self._resume(workflow, error=OvertakenError("a person decided about the model"))

    def run(self, workflows: Iterable[tuple[str, Workflow[None]]], watch: Workflow[None] | None = None) -> None:
        """Run all to their end, `parallel` of them at a time; `watch` begins before them and ends after them.

        Raises:
            StateError: the journal cannot be written any more; nothing was started after that.
        """
        self._waiting.extend(ModelWorkflow(model=model, steps=steps) for model, steps in workflows)
        try:
            if watch is not None:
                self._watch = ModelWorkflow(model="", steps=watch, beside=True)
                self._active[self._watch] = None
                self._step(self._watch)
            self._run_all()
        finally:  # left to the garbage collector, a generator and the slot it holds may be ended one within the other
            for workflow in list(self._active):
                workflow.steps.close()

    def _run_all(self) -> None:
        while self._waiting or self._active:
            self._emit_stop()
            while (workflow := self._next()) is not None:
                self._waiting.remove(workflow)
                self._own[workflow.model] = workflow
                self._active[workflow] = None
                self._ready.append(workflow)
            self._step_all()
            if self._active and not self._ready and self._next() is None:
                self._wait_for_delivery()

    def _emit_stop(self) -> None:
        if self.stopped is not None and not self._stop_told:
            self._stop_told = True
            self.stopping(self.stopped, sum(workflow.effect for workflow in self._active))

    def _next(self) -> ModelWorkflow | None:
        """Return the workflow to begin now: one of the plans, while nothing is decided about its model."""
        if len(self._own) >= self.settings.parallel:
            return None
        return next((waiting for waiting in self._waiting if waiting.model not in self._decided), None)

    def _step_all(self) -> None:
        """Step every ready workflow until all of them wait for something outside."""
        while True:
            while self._ready:
                self._step(self._ready.popleft())
            self._hand_out()
            if not self._records or self._committing or self._until_commit() > 0:
                return
            self._commit_records()

    def _step(self, workflow: ModelWorkflow) -> None:
        error, workflow.error = workflow.error, None
        answer, workflow.answer = workflow.answer, None
        workflow.ticket, workflow.effect, workflow.pausing = -1, False, None
        if self.stopped is not None and workflow.beside and not workflow.begun:
            self._end(workflow)  # it is left for the next run
            return
        workflow.begun = True
        try:
            command = workflow.steps.send(answer) if error is None else workflow.steps.throw(error)
        except StopIteration:
            self._end(workflow)
            return
        self._take(workflow, command)

    def _end(self, workflow: ModelWorkflow) -> None:
        """Let go of a workflow; of a decision and the model's own one, the other continues."""
        del self._active[workflow]
        if workflow is self._watch:
            self._watch = None
        elif workflow.beside:
            del self._decided[workflow.model]
            own = self._own.get(workflow.model)
            if own is not None and own.awaiting:
                own.awaiting = False
                self._resume(own)
        else:
            del self._own[workflow.model]
            if workflow.model in self._decided:
                self._ready.append(self._decided[workflow.model])

    def _take(self, workflow: ModelWorkflow, command: Command) -> None:
        if isinstance(command, Record):
            self._records.append((workflow, command))
            self._lend_slot(workflow)
        elif isinstance(command, Work) and command.completes:
            workflow.ticket = next(self._order)
            self._submit(workflow, command)
        elif self.stopped is not None:
            self._emit_stop()
            self._resume(workflow, error=StoppedError(self.stopped))
        elif isinstance(command, Work):
            self._queue(workflow, command)
        elif isinstance(command, Pause):
            self._pause(workflow, command)
        elif isinstance(command, TakeSlot):
            workflow.is_short = command.short
            self._slot_queue.append(workflow)
            self._give_slots()
        elif isinstance(command, AwaitDecision):
            workflow.awaiting = True
            self._ready.append(self._decided[workflow.model])

    def _pause(self, workflow: ModelWorkflow, command: Pause) -> None:
        if self._is_overtaken(workflow, command):
            self._overtake(workflow)
            return
        workflow.pausing = command
        heapq.heappush(self._pauses, (self.clock.monotonic() + command.seconds, next(self._order), workflow))
        if workflow.slot is UploadSlot.TAKEN:
            self._free_slot(workflow, then=UploadSlot.LENT)

    def _end_pause(self, workflow: ModelWorkflow) -> None:
        self._pauses = [pause for pause in self._pauses if pause[2] is not workflow]
        heapq.heapify(self._pauses)

    def _wake(self, workflow: ModelWorkflow) -> None:
        if workflow.slot is UploadSlot.LENT:
            self._slot_queue.appendleft(workflow)
            self._give_slots()
        else:
            self._resume(workflow)

    def _queue(self, workflow: ModelWorkflow, work: Work) -> None:
        workflow.ticket = next(self._order)
        heapq.heappush(self._queues[work.pool], (work.rank, workflow.ticket, workflow, work))

    def _hand_out(self) -> None:
        """Give each pool's threads work, the lowest rank first. What waits for one when the run stops never begins."""
        if self.stopped is not None:
            return
        for pool, queue in self._queues.items():
            while queue and self._busy[pool] < self.settings.threads.get(pool, math.inf):
                _, ticket, workflow, work = heapq.heappop(queue)
                if ticket == workflow.ticket:
                    self._submit(workflow, work)

    def _submit(self, workflow: ModelWorkflow, work: Work) -> None:
        workflow.effect, ticket, pool = work.effect, workflow.ticket, work.pool
        self._busy[pool] += 1

        def deliver(future: Future[object]) -> None:
            if future.cancelled():
                return  # the run has ended; nobody waits for it
            error = future.exception()
            answer = future.result() if error is None else None
            self.mailbox.put(Delivery(workflow=workflow, pool=pool, ticket=ticket, answer=answer, error=error))

        self.executors[pool].submit(work.function).add_done_callback(deliver)

    def _commit_records(self) -> None:
        records, self._records = self._records, []
        facts = [(workflow.model, record) for workflow, record in records]
        self._committing = records
        if self.committer is None:
            began = self.clock.monotonic()
            known = self.commit(facts)
            ended = self.clock.monotonic()
            self._next_commit = ended + min(_GATHERS * (ended - began), _MOST_GATHERED_S)
            self._end_commit(known)
        else:
            self.committer.submit(self.commit, facts).add_done_callback(self._leave_word)

    def _leave_word(self, future: Future[Known | None]) -> None:
        error = future.exception()
        self.mailbox.put(Committed(known=future.result() if error is None else None, error=error))

    def _end_commit(self, known: Known | None) -> None:
        records, self._committing = self._committing, []
        if known is not None:
            known()
        recorded = [workflow for workflow, _ in records]
        due = [workflow for workflow in recorded if workflow.slot is UploadSlot.DUE and self.stopped is None]
        for workflow in recorded:
            if workflow not in due:
                self._resume(workflow)
        self._slot_queue.extendleft(reversed(due))
        self._give_slots()

    def _resume(self, workflow: ModelWorkflow, *, answer: object = None, error: BaseException | None = None) -> None:
        workflow.answer, workflow.error = answer, error
        self._ready.append(workflow)

    def _emit_idle(self, left: float | None) -> None:
        busy = any(self._busy.values()) or bool(self._committing)
        if not self._idle_emitted and left is not None and left >= _IDLE_S and not busy:
            self._idle_emitted = True
            self.on_idle()

    def _wait_for_delivery(self) -> None:
        """Wait until work is done, a pause is over or the run is stopped."""
        if self._watch is not None and self._watch.pausing is not None and self.rests:
            self._end_pause(self._watch)
            self._resume(self._watch)
            return
        left = self._until_next_pause()
        self._emit_idle(left)
        if self._records and not self._committing:
            left = min(left, self._until_commit()) if left is not None else self._until_commit()
        try:
            delivery = self.mailbox.get(timeout=left)
        except Empty:
            delivery = None
        while delivery is not None:
            self._take_in(delivery)
            delivery = None if self.mailbox.empty() else self.mailbox.get()
        if self.stopped is not None:
            self._stop_idle()
        while self._pauses and self._pauses[0][0] <= self.clock.monotonic():
            self._wake(heapq.heappop(self._pauses)[2])

    def _take_in(self, delivery: Delivery | Committed) -> None:
        if isinstance(delivery, Committed):
            if delivery.error is not None:
                raise delivery.error
            self._end_commit(delivery.known)
            return
        self._busy[delivery.pool] -= 1
        if delivery.ticket == delivery.workflow.ticket:
            self._resume(delivery.workflow, answer=delivery.answer, error=delivery.error)

    def _until_commit(self) -> float:
        """Return for how many seconds a commit waits for what others on their way will have to record."""
        alone = self.stopped is not None or not any(self._busy.values())
        return 0.0 if alone else max(self._next_commit - self.clock.monotonic(), 0.0)

    def _until_next_pause(self) -> float | None:
        return max(self._pauses[0][0] - self.clock.monotonic(), 0.0) if self._pauses else None

    def _stop_idle(self) -> None:
        """Stop every workflow that has no effect on its way; work without effect is abandoned.

        One that awaits a decision about its model ends after that; one whose facts are being recorded, or that was to
        send what it has recorded, ends at its next command.
        """
        self._pauses.clear()
        for workflow in [waiting for waiting in self._slot_queue if waiting.slot is UploadSlot.DUE]:
            self._resume(workflow)
        self._slot_queue.clear()
        going_on = {*self._ready, *(workflow for workflow, _ in (*self._records, *self._committing))}
        for workflow in [active for active in self._active if not active.effect and active not in going_on]:
            if workflow.begun and not workflow.awaiting:
                self._resume(workflow, error=StoppedError(self.stopped))

    def _give_slots(self) -> None:
        while self._slot_queue and self._slots_taken < self.settings.uploads:
            self._slots_taken += 1
            workflow = self._slot_queue.popleft()
            self._resume(workflow, answer=self._slot(workflow) if workflow.slot is None else None)
            workflow.slot = UploadSlot.TAKEN

    def _lend_slot(self, workflow: ModelWorkflow) -> None:
        """Let others have the slot of a short upload while its intent is recorded, if that takes longer than itself."""
        if self.committer is None or not workflow.is_short or workflow.slot is not UploadSlot.TAKEN or self.stopped:
            return
        ahead = sum(active.slot is UploadSlot.DUE for active in self._active)
        if ahead < _MOST_AHEAD * self.settings.uploads:
            self._free_slot(workflow, then=UploadSlot.DUE)

    def _free_slot(self, workflow: ModelWorkflow, *, then: UploadSlot | None) -> None:
        workflow.slot = then
        self._slots_taken -= 1
        self._give_slots()

    @contextmanager
    def _slot(self, workflow: ModelWorkflow) -> Iterator[None]:
        try:
            yield
        finally:
            if workflow.slot is UploadSlot.TAKEN:
                self._free_slot(workflow, then=None)
            workflow.slot = None
