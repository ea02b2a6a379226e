"""What the coordinator leaves when it cannot continue."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from runner.errors import StateError
from runner.execute.commands import Pool, Record, StoppedError, Workflow, call, record, take_slot
from runner.execute.coordinator import Coordinator, Delivery, Settings
from runner.journal.events import RunFinished
from tests.fakes.world import VirtualClock

FACT = RunFinished(exit_code=0)


def test_drives_have_ended_when_the_journal_refuses_and_before_any_garbage_is_collected() -> None:
    ended: list[str] = []

    def steps(name: str) -> Workflow[None]:
        try:
            with (yield from take_slot()):
                yield from record(FACT)
        finally:
            ended.append(name)

    def refuse(_records: Sequence[tuple[str, Record]]) -> None:
        raise StateError("The journal moved on.", hint="Run again.")

    workflows = [(name, steps(name)) for name in ("first", "second")]
    with ThreadPoolExecutor(1) as pool:
        coordinator = Coordinator(
            executors=dict.fromkeys(Pool, pool),
            clock=VirtualClock(),
            commit=refuse,
            settings=Settings(parallel=2, uploads=1),
        )
        with pytest.raises(StateError):
            coordinator.run(workflows)
    assert ended == ["first", "second"]


class HeldExecutor(Executor):
    """Keeps the work it is given; a test says when which is done."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, _function: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]


class ScriptedMail(SimpleQueue[Delivery | None]):
    """Lets the next thing of a list happen whenever the coordinator has nothing to do."""

    def __init__(self, script: list[Callable[[], object]]) -> None:
        self.script = script

    def get(self, block: bool = True, timeout: float | None = None) -> Delivery | None:  # noqa: ARG002 -- as inherited
        if self.empty():
            assert self.script, "the coordinator waits forever"
            self.script.pop(0)()
        return super().get(block=False)


def test_a_stop_lets_an_effect_finish_and_forgets_an_answer_that_comes_after_its_work_was_abandoned() -> None:
    told: list[str] = []
    executor, script = HeldExecutor(), list[Callable[[], object]]()

    def steps(name: str, *, effect: bool) -> Workflow[None]:
        try:
            told.append(f"{name}: {(yield from call(str, effect=effect))}")
        except StoppedError:
            told.append(f"{name} was stopped")
        yield from record(FACT)
        told.append(f"{name} has ended")

    coordinator = Coordinator(
        executors=dict.fromkeys(Pool, executor),
        clock=VirtualClock(),
        commit=lambda _records: None,
        settings=Settings(parallel=2, uploads=1),
        mailbox=ScriptedMail(script),
    )
    script += [
        lambda: coordinator.stop("SIGTERM"),
        lambda: executor.futures[1].set_result("too late"),
        lambda: executor.futures[0].set_result("applied"),
    ]
    coordinator.run([("read", steps("read", effect=False)), ("effect", steps("effect", effect=True))])
    assert told == ["read was stopped", "read has ended", "effect: applied", "effect has ended"]


def test_work_that_is_cancelled_after_the_end_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """`concurrent.futures` logs, with a traceback, what a callback of a future raises."""
    executor = HeldExecutor()

    def steps() -> Workflow[None]:
        try:
            yield from call(str)
        except StoppedError:
            yield from record(FACT)

    script: list[Callable[[], object]] = []
    coordinator = Coordinator(
        executors=dict.fromkeys(Pool, executor),
        clock=VirtualClock(),
        commit=lambda _records: None,
        settings=Settings(parallel=1, uploads=1),
        mailbox=ScriptedMail(script),
    )
    script.append(lambda: coordinator.stop("SIGTERM"))
    coordinator.run([("m", steps())])
    assert executor.futures[0].cancel()
    assert caplog.records == []
