"""Whose turn it is when there is more to do than threads or upload slots."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

from runner.execute.commands import Pool, Record, StoppedError, Workflow, call, pause, record, stage, take_slot
from runner.execute.coordinator import Coordinator, Mail, Settings
from runner.journal.events import RunFinished
from tests.fakes.world import JumpingMail, VirtualClock

FACT = RunFinished(exit_code=0)


class OneByOne(Executor):
    """Has one thread's worth of work at a time; a test lets it be done when the coordinator waits."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.future: Future[str] | None = None

    def submit(self, function: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        assert self.future is None, "two pieces of work at once"
        self.begun.append(function())
        self.future = Future()
        return self.future

    def finish(self) -> None:
        future, self.future = self.future, None
        assert future is not None, "the coordinator waits forever"
        future.set_result("done")


class FinishingMail(SimpleQueue[Mail]):
    """Does something whenever the coordinator has nothing to do."""

    def __init__(self, idle: Callable[[], None]) -> None:
        self.idle = idle

    def get(self, block: bool = True, timeout: float | None = None) -> Mail:  # noqa: ARG002 -- as inherited
        if self.empty():
            self.idle()
        return super().get(block=False)


def commit_nothing(_records: Sequence[tuple[str, Record]]) -> None:
    """Write nothing."""


def one_thread(executor: OneByOne, idle: Callable[[], None]) -> Coordinator:
    return Coordinator(
        executors=dict.fromkeys(Pool, executor),
        clock=VirtualClock(),
        commit=commit_nothing,
        settings=Settings(parallel=9, uploads=1, threads={Pool.CALL: 1}),
        mailbox=FinishingMail(idle),
    )


def work(name: str, *, effect: bool = False, low_priority: bool = False) -> Workflow[None]:
    yield from call(lambda: name, effect=effect, low_priority=low_priority)


def test_where_threads_are_few_effects_go_first_and_polls_last() -> None:
    executor = OneByOne()
    workflows = [
        ("a", work("poll", low_priority=True)),
        ("b", work("read")),
        ("c", work("effect", effect=True)),
        ("d", work("later read")),
    ]
    one_thread(executor, executor.finish).run(workflows)
    assert executor.begun == ["effect", "read", "later read", "poll"]


def test_an_effect_that_still_waits_for_a_thread_when_the_run_stops_is_never_begun() -> None:
    executor, told = OneByOne(), list[str]()

    def steps(name: str) -> Workflow[None]:
        try:
            yield from call(lambda: name, effect=True)
            told.append(f"{name} is done")
        except StoppedError:
            told.append(f"{name} was stopped")
        yield from record(FACT)

    def stop_then_finish() -> None:
        if coordinator.stopped is None:
            coordinator.stop("SIGINT")
        else:
            executor.finish()

    coordinator = one_thread(executor, stop_then_finish)
    coordinator.run([("a", steps("first")), ("b", steps("second"))])
    assert executor.begun == ["first"]
    assert told == ["second was stopped", "first is done"]


def test_an_effect_is_not_begun_when_the_stop_comes_before_a_thread_takes_it() -> None:
    executor, told = OneByOne(), list[str]()

    def steps() -> Workflow[None]:
        try:
            yield from call(str, effect=True)
        except StoppedError:
            told.append("was stopped")

    def stop() -> Workflow[None]:
        coordinator.stop("SIGINT")
        yield from record(FACT)

    coordinator = one_thread(executor, executor.finish)
    coordinator.run([("a", steps()), ("b", stop())])
    assert (executor.begun, told) == ([], ["was stopped"])


def test_who_pauses_lends_its_upload_slot_and_has_one_again_before_it_goes_on() -> None:
    clock, mail, told = VirtualClock(), JumpingMail(), list[str]()
    mail.clock = clock

    def send(name: str, seconds: float = 0.0) -> Workflow[None]:
        told.append(name)
        yield from stage(lambda: setattr(clock, "seconds", clock.seconds + seconds))

    def low_priority() -> Workflow[None]:
        with (yield from take_slot()):
            yield from send("a")
            yield from pause(5.0)
            yield from send("a again")

    def steady() -> Workflow[None]:
        with (yield from take_slot()):
            yield from send("b", seconds=60.0)  # longer than the pause of the other
            yield from send("b again")
            told.append("b is done")

    class Inline(Executor):
        def submit(self, function: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(function())
            return future

    Coordinator(
        executors=dict.fromkeys(Pool, Inline()),
        clock=clock,
        commit=commit_nothing,
        settings=Settings(parallel=2, uploads=1),
        mailbox=mail,
    ).run([("a", low_priority()), ("b", steady())])
    assert told == ["a", "b", "b again", "b is done", "a again"]


def test_a_stop_that_comes_while_the_last_model_is_stepped_is_told_before_that_model_ends() -> None:
    heard: list[str] = []

    def stopped_by_a_signal() -> Workflow[None]:
        coordinator.stop("SIGINT")
        try:
            yield from pause(60)
        except StoppedError:
            heard.append("ended")

    coordinator = one_thread(OneByOne(), lambda: None)
    coordinator.stopping = lambda why, effects: heard.append(f"{why} {effects}")
    coordinator.run([("m", stopped_by_a_signal())])
    assert heard == ["SIGINT 0", "ended"]


def test_a_lull_is_told_of_once_and_not_while_work_is_on_its_way_or_a_pause_is_nearly_over() -> None:
    clock, executor, told = VirtualClock(), OneByOne(), list[str]()

    def idle() -> None:
        if executor.future:
            told.append("work is done")
            executor.finish()
        else:
            told.append(f"waits at {clock.seconds:g} s")
            clock.seconds += 5.0
            mail.put(None)

    def waits(*seconds: float) -> Workflow[None]:
        for one in seconds:
            yield from pause(one)

    mail = FinishingMail(idle)
    coordinator = Coordinator(
        executors=dict.fromkeys(Pool, executor),
        clock=clock,
        commit=commit_nothing,
        settings=Settings(parallel=2, uploads=1),
        on_idle=lambda: told.append("lull"),
        mailbox=mail,
    )
    coordinator.run([("a", waits(0.01))])
    assert told == ["waits at 0 s"]
    coordinator.run([("a", waits(4.0, 4.0)), ("b", work("works"))])
    assert told[1:] == ["work is done", "lull", "waits at 5 s", "waits at 10 s"]


def test_a_commit_waits_a_moment_for_what_others_on_their_way_have_to_record_and_not_for_long() -> None:
    clock, executor, commits = VirtualClock(), OneByOne(), list[str]()
    slow = {"d"}

    def commit(records: Sequence[tuple[str, Record]]) -> None:
        commits.append(f"{''.join(name for name, _ in records)} at {clock.seconds:g} s")
        clock.seconds += 0.001

    def idle() -> None:
        if executor.begun[-1] in slow:
            slow.clear()
            clock.seconds += 1.0
            mail.put(None)
        else:
            executor.finish()

    def steps(name: str) -> Workflow[None]:
        yield from call(lambda: name)
        yield from record(FACT)

    mail = FinishingMail(idle)
    coordinator = Coordinator(
        executors=dict.fromkeys(Pool, executor),
        clock=clock,
        commit=commit,
        settings=Settings(parallel=9, uploads=1, threads={Pool.CALL: 1}),
        mailbox=mail,
    )
    coordinator.run([(name, steps(name)) for name in "abcde"])
    assert commits == ["a at 0 s", "bc at 1.001 s", "de at 1.002 s"]
