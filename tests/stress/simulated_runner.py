"""One invocation of the runner in virtual time: the real planner, coordinator and workflows, with points to break it.

A point is a moment before or after a call or a commit. At one of them the runner may crash or be suspended (SIGSTOP);
what it had sent by then is on its way. A crashed runner's answers arrive nowhere.
"""

import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from msgspec.structs import replace

from runner.app.provenance import moved_names
from runner.app.run.run_end import exit_code
from runner.datasets.metadata import DatasetDigest, UnreadDataset
from runner.errors import ModelError, StateError
from runner.execute.commands import Pool, Record, StillLocked, always_locked
from runner.execute.coordinator import Coordinator, Mail, Settings
from runner.execute.model_run import Budget, ModelRun, Recorder, RunContext
from runner.execute.workflow import model_workflow
from runner.journal.checkpoint import keep_checkpoint, read_progress, show_checkpoint
from runner.journal.events import (
    ModelFinished,
    ModelsMoved,
    ReportWritten,
    RunFinished,
    RunOptions,
    RunStarted,
    SwitchIntended,
    UploadIntended,
)
from runner.journal.folder_store import FolderBlobs
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.state_store import Blobs
from runner.lib.secrets import Secret
from runner.manifest.model import EnvKey, Manifest, Model
from runner.plan.eligibility import cut
from runner.plan.model_plan import Choice, ModelPlan, PlanInputs
from runner.plan.planner import plan_model
from runner.plan.renames import due_moves, with_moves
from runner.providers.base import Effect
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import chart
from tests.fakes.run_origin import NO_MANIFEST, TOOL
from tests.fakes.world import REALM, CrashError, FakeKeys
from tests.stress.simulated_inputs import SimulatedInputs
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_service import SimulatedService
from tests.stress.simulated_time import Process, ShownClock, Timeline

_NEAR = 9  # points: after the commit of an intent, around its call, the next commit and two calls after it
_SHORTEST_S = 0.001  # a slow clock's rounding must not let time stand still
MOST_CALLS = 20_000  # of all runs of a history together; more would mean that somebody turns in a circle


class TimedMail(SimpleQueue[Mail]):
    """A mailbox whose wait lets virtual time pass."""

    def __init__(self, time: Timeline) -> None:
        self.time = time
        self.owner = time.running

    def put(self, item: Mail, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 -- as inherited
        super().put(item)
        self.time.wake(self.owner)

    def get(self, block: bool = True, timeout: float | None = None) -> Mail:  # noqa: ARG002 -- as inherited
        if self.empty():
            self.time.wait(None if timeout is None else max(timeout, _SHORTEST_S), on_mail=True)
        try:
            return super().get(block=False)
        except Empty:
            if timeout is None:
                raise AssertionError("woken without mail") from None
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What befalls one runner: at which of its points it crashes, sleeps or the clock is set, when a signal comes.

    With `near_effects` only the points right after an intent was recorded count: the request, its answer, its record.
    """

    near_effects: bool = False
    crash_at: int | None = None
    suspend_at: int | None = None
    suspend_s: float = 0.0
    jump_at: int | None = None
    jump: Callable[[], None] = lambda: None
    stop_after_s: float | None = None


@dataclass(slots=True, kw_only=True)
class SimulatedRun:
    """One invocation. `ends` is empty when it crashed or was fenced."""

    run_id: str
    manifest: Manifest
    options: Choice
    trouble: Trouble
    time: Timeline
    clock: ShownClock
    service: SimulatedService
    ledger: Ledger
    inputs: SimulatedInputs
    rng: random.Random
    points: int = 0
    near: int = 0  # how many points are still near an effect
    process: Process | None = None
    ends: dict[str, ModelFinished] = field(default_factory=dict)
    internal_errors: list[Exception] = field(default_factory=list)
    fenced: StateError | None = None
    began_at: float = 0.0
    ended_at: float = 0.0

    def start(self) -> None:
        """Let it begin as a process of its own."""
        self.began_at = self.time.seconds
        self.process = self.time.start(self._whole)

    def point(self) -> None:
        """Crash or sleep when this is the point for it."""
        self.near -= self.near > 0
        if self.trouble.near_effects and not self.near:
            return
        self.points += 1
        if self.points == self.trouble.jump_at:
            self.trouble.jump()
        if self.points == self.trouble.crash_at:
            raise CrashError
        if self.points == self.trouble.suspend_at:
            self.sleep(self.trouble.suspend_s)
        if self.service.calls > MOST_CALLS:
            raise AssertionError(f"more than {MOST_CALLS} calls")

    def sleep(self, seconds: float) -> None:
        """Be suspended for so long."""
        self.time.wait(seconds)

    def _whole(self) -> None:
        store = self.ledger.open()
        try:
            progress = read_progress(store, FolderBlobs(self.ledger.state.root))
            self._run(Recorder(store=store, progress=progress, clock=self.clock, run_id=self.run_id))
        except StateError as error:
            self.fenced = error
        finally:
            self.ended_at = self.time.seconds
            store.close()

    def _run(self, recorder: Recorder) -> None:
        self.record_start(recorder)
        due = due_moves(self.manifest, recorder.progress.known(REALM))
        if due.moves:
            self.point()
            recorder.run_fact(ModelsMoved(moves=due.moves))
            self.point()
        plans = [with_moves(plan, due, None) for plan in self.plans(recorder.progress, self.manifest.models)]
        context = self.context(recorder.progress, self.ledger, self.budget())
        mail = TimedMail(self.time)
        executor = PointedExecutor(self)
        coordinator = Coordinator(
            executors=dict.fromkeys(Pool, executor),
            clock=self.clock,
            commit=partial(self._commit, recorder),
            settings=Settings(parallel=self.manifest.limits.parallel, uploads=self.manifest.limits.uploads),
            mailbox=mail,
        )
        if self.trouble.stop_after_s is not None:
            self.time.after(self.trouble.stop_after_s, lambda: coordinator.stop("SIGTERM"))
        models = self.manifest.models
        coordinator.run(
            [
                (plan.model, model_workflow(ModelRun(context=context, model=models[plan.model], plan=plan)))
                for plan in plans
            ]
        )
        self.conclude(recorder, context, coordinator.stopped)

    def record_start(self, recorder: Recorder) -> None:
        """Record that the run has begun."""
        recorder.run_fact(
            RunStarted(
                tool=TOOL,
                actor="test",
                service=REALM,
                paths=(),
                manifest=replace(NO_MANIFEST, moved=moved_names(self.manifest)),
                options=RunOptions(command="run"),
            )
        )

    def conclude(self, recorder: Recorder, context: RunContext, stopped: str | None) -> None:
        """Record the end of the run."""
        self.internal_errors += context.internal_errors
        found = {name: recorder.progress.model(REALM, name).last_outcome for name in self.manifest.models}
        ends = {name: end for name, end in found.items() if end is not None}
        code = exit_code(ends.values(), internal_errors=bool(self.internal_errors), stopped=stopped, allow_held=False)
        self.point()
        recorder.run_fact(RunFinished(exit_code=int(code), stopped=stopped))
        self.ends |= ends
        self._leave_checkpoint(recorder, context.blobs)

    def _leave_checkpoint(self, recorder: Recorder, blobs: Blobs) -> None:
        """Store what the next run continues from, record it, and show it: a crash may come between any two."""
        limits = PolicyLimits()
        self.point()
        mark = keep_checkpoint(blobs, cut(recorder.progress, lambda model, job: chart(model, job, limits)))
        self.point()
        recorder.run_fact(ReportWritten(files={}, checkpoint=mark.sha256 if mark else None))
        self.point()
        show_checkpoint(blobs, mark)

    def _commit(self, recorder: Recorder, records: Sequence[tuple[str, Record]]) -> None:
        self.point()
        recorder.commit(records)
        self.committed(records)

    def committed(self, records: Sequence[tuple[str, Record]]) -> None:
        """Come to the point after a commit, near an effect where it intends one."""
        if any(isinstance(fact, UploadIntended | SwitchIntended) for _, record in records for fact in record.facts):
            self.near = _NEAR
        self.point()

    def plans(self, progress: Progress, names: Iterable[str]) -> list[ModelPlan]:
        """Plan these models."""
        manifest = self.manifest
        return [
            plan_model(
                manifest,
                model,
                progress.model(REALM, model.name),
                PlanInputs(now=self.clock.now(), dataset=self._data(model, progress.model(REALM, model.name))),
                self.options,
            )
            for model in map(manifest.models.__getitem__, names)
        ]

    def _data(self, model: Model, known: ModelProgress) -> DatasetDigest | UnreadDataset | ModelError:
        """Return what the plan knows of the data; of half of what is new it knows the size alone, as of some other."""
        found = self.inputs.digest(self.manifest.datasets[model.dataset])
        if isinstance(found, ModelError | UnreadDataset):
            return found
        draw = zlib.crc32(f"{self.run_id} {model.name}".encode()) % 16
        is_new = known.intents.count(found.sha256) == 0
        unread = UnreadDataset(source=found.train.source, bytes=found.train.bytes)
        return unread if draw < (8 if is_new else 1) else found

    def budget(self) -> Budget:
        """Return what the manifest allows a run."""
        limits = self.manifest.limits
        return Budget(switches=limits.switches_per_run, failures=limits.stop_after_failures)

    def context(
        self, progress: Progress, ledger: Ledger, budget: Budget, still_locked: StillLocked = always_locked
    ) -> RunContext:
        """Return what the models of a journal share."""
        state = ledger.state
        return RunContext(
            run_id=self.run_id,
            service=REALM,
            manifest=self.manifest,
            choice=self.options,
            provider=self.service,
            keys=SimulatedKeys(),
            clock=self.clock,
            rng=self.rng,
            budget=budget,
            progress=progress,
            blobs=FolderBlobs(state.root),
            still_locked=still_locked,
            address=str(state.root),
            run_folder=state.run_folder(self.run_id),
            spool=state.spool,
            listener=lambda _model, _text: None,
            internal_errors=[],
            start=LateSending,
        )


class LateSending(Future[Effect]):
    """A request whose body arrives when its end is let go, in the time that is simulated."""

    def __init__(self, send: Callable[[], Effect]) -> None:
        super().__init__()
        self._send = send

    def result(self, timeout: float | None = None) -> Effect:
        """Let the service have it."""
        if not self.done():
            self.set_result(self._send())
        return super().result(timeout)


class SimulatedKeys(FakeKeys):
    """The key of a model is the name of its variable, whatever the model is called."""

    def model_key(self, model: Model) -> Secret:
        assert isinstance(model.api_key, EnvKey), "the manifest of the histories has variables"
        return Secret(f"key-{model.api_key.name.lower()}")


class PointedExecutor(Executor):
    """Does the work at once and hands its answer back after the time a call takes."""

    def __init__(self, run: SimulatedRun) -> None:
        self._run = run

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._run.point()
        deliver: Callable[[], None]
        try:
            deliver = partial(future.set_result, fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 -- what an executor does
            deliver = partial(future.set_exception, error)
        self._run.point()
        self._run.time.after(self._seconds(), deliver)
        return future

    def _seconds(self) -> float:
        rng = self._run.rng
        return rng.uniform(0.01, 1.0) if rng.random() < 0.97 else rng.uniform(1.0, 60.0)
