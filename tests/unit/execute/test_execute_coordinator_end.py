"""What the coordinator leaves when it cannot continue."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, cast

import pytest

from runner.errors import StateError
from runner.execute.commands import Pool, Record, StoppedError, Workflow, call, record, take_slot
from runner.execute.coordinator import Coordinator, Mail, Settings
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


class ScriptedMail(SimpleQueue[Mail]):
    """Lets the next thing of a list happen whenever the coordinator has nothing to do."""

    def __init__(self, script: list[Callable[[], object]]) -> None:
        self.script = script

    def get(self, block: bool = True, timeout: float | None = None) -> Mail:  # noqa: ARG002 -- as inherited
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


class Commits:
    """Commits that a test makes durable one by one, in whatever thread."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.coordinator = coordinator
        self.models: list[list[str]] = []
        coordinator.commit = self.begin

    def submit(self, function: Callable[..., Any], records: Sequence[tuple[str, Record]]) -> Future[Any]:
        self.future = Future[Any]()
        function(records)
        return self.future

    def begin(self, records: Sequence[tuple[str, Record]]) -> None:
        self.models.append([model for model, _ in records])

    def end(self) -> None:
        self.future.set_result(None)


def slow_commits(script: list[Callable[[], object]], executor: Executor) -> tuple[Coordinator, Commits]:
    """Return a coordinator with one upload slot whose commits end when the script says so."""
    coordinator = Coordinator(
        executors=dict.fromkeys(Pool, executor),
        clock=VirtualClock(),
        commit=lambda _records: None,
        settings=Settings(parallel=9, uploads=1),
        mailbox=ScriptedMail(script),
    )
    commits = Commits(coordinator)
    coordinator.committer = cast("Executor", commits)
    return coordinator, commits


def test_a_slow_commit_keeps_nobody_else_waiting_and_resumes_nobody_before_it_is_durable() -> None:
    script, executor, told = list[Callable[[], object]](), HeldExecutor(), list[str]()
    coordinator, commits = slow_commits(script, executor)

    def steps(name: str) -> Workflow[None]:
        if name != "first":
            yield from call(str)
        yield from record(FACT)
        told.append(name)

    def done(number: int) -> Callable[[], None]:
        return lambda: executor.futures[number].set_result(None)

    def nobody_is_resumed() -> None:
        assert told == []
        commits.end()

    def the_first_one_is() -> None:
        assert told == ["first"]
        commits.end()

    script += [done(0), done(1), nobody_is_resumed, the_first_one_is]
    coordinator.run([(name, steps(name)) for name in ("first", "second", "third")])
    assert commits.models == [["first"], ["second", "third"]]
    assert told == ["first", "second", "third"]


def test_a_stop_leaves_what_is_being_recorded_alone() -> None:
    script, executor, told = list[Callable[[], object]](), HeldExecutor(), list[str]()
    coordinator, commits = slow_commits(script, executor)

    def steps(name: str) -> Workflow[None]:
        try:
            yield from record(FACT)
            told.append(f"{name} is recorded")
            yield from call(str)
        except StoppedError:
            told.append(f"{name} was stopped")
            yield from record(FACT)

    script += [lambda: coordinator.stop("SIGTERM"), commits.end, commits.end]
    coordinator.run([("first", steps("first"))])
    assert told == ["first is recorded", "first was stopped"]


def test_an_error_of_a_slow_commit_ends_the_run() -> None:
    script, executor = list[Callable[[], object]](), HeldExecutor()
    coordinator, commits = slow_commits(script, executor)

    def steps() -> Workflow[None]:
        yield from record(FACT)

    script.append(lambda: commits.future.set_exception(StateError("The journal moved on.", hint="Run again.")))
    with pytest.raises(StateError, match="moved on"):
        coordinator.run([("m", steps())])


@pytest.mark.parametrize("short", [True, False])
def test_only_a_short_upload_lends_its_slot_while_its_intent_is_recorded(short: bool) -> None:
    script, executor, told = list[Callable[[], object]](), HeldExecutor(), list[str]()
    coordinator, commits = slow_commits(script, executor)

    def steps(name: str) -> Workflow[None]:
        with (yield from take_slot(short=short)):
            yield from record(FACT)
            told.append(f"{name} is sent")
            yield from call(str, effect=True)
            told.append(f"{name} has arrived")

    def sent(number: int) -> Callable[[], None]:
        return lambda: executor.futures[number].set_result(None)

    script += [commits.end, sent(0), sent(1)] if short else [commits.end, sent(0), commits.end, sent(1)]
    coordinator.run([(name, steps(name)) for name in ("first", "second")])
    assert told == ["first is sent", "first has arrived", "second is sent", "second has arrived"]
    assert commits.models == ([["first", "second"]] if short else [["first"], ["second"]])


def test_a_stop_ends_an_upload_that_is_recorded_and_waits_for_its_slot_before_it_is_sent() -> None:
    script, executor, told = list[Callable[[], object]](), HeldExecutor(), list[str]()
    coordinator, commits = slow_commits(script, executor)

    def steps(name: str) -> Workflow[None]:
        with (yield from take_slot(short=True)):
            yield from record(FACT)
            try:
                yield from call(str, effect=True)
                told.append(f"{name} has arrived")
            except StoppedError:
                told.append(f"{name} was never sent")
                yield from record(FACT)

    script += [
        commits.end,
        lambda: coordinator.stop("SIGTERM"),
        lambda: executor.futures[0].set_result(None),
        commits.end,
    ]
    coordinator.run([(name, steps(name)) for name in ("first", "second")])
    assert told == ["second was never sent", "first has arrived"]
