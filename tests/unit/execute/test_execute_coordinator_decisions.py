"""What people decide is carried out beside the models' own workflows: at once, and never into their work."""

from collections.abc import Callable, Sequence

from runner.execute.commands import (
    AwaitDecision,
    OvertakenError,
    Pool,
    Record,
    StoppedError,
    Workflow,
    call,
    pause,
    record,
    take_slot,
)
from runner.execute.coordinator import Coordinator, Settings
from runner.journal.events import RunFinished
from tests.fakes.world import InlineExecutor, JumpingMail, VirtualClock

FACT = RunFinished(exit_code=0)


class Scene:
    """A coordinator with a virtual clock, and what happened in it, in order."""

    def __init__(self, *, parallel: int = 1) -> None:
        self.clock, self.log = VirtualClock(), list[str]()
        mailbox = JumpingMail()
        mailbox.clock = self.clock
        self.coordinator = Coordinator(
            executors={pool: InlineExecutor() for pool in Pool},
            clock=self.clock,
            commit=self._commit,
            settings=Settings(parallel=parallel, uploads=1),
            mailbox=mailbox,
        )

    def _commit(self, records: Sequence[tuple[str, Record]]) -> None:
        self.log += [f"{model} recorded" for model, _ in records]

    def note(self, text: str) -> None:
        self.log.append(f"{self.clock.seconds:g} {text}")

    def decision(self, seconds: float = 1.0) -> Workflow[None]:
        self.note("decision begins")
        try:
            yield from pause(seconds)
            yield from record(FACT)
            self.note("decision ends")
        except StoppedError:
            self.note("decision is stopped")

    def trains(self, seconds: float) -> Workflow[None]:
        """Wait for a training; after a decision, for what is left of it."""
        ends = self.clock.seconds + seconds
        while self.clock.seconds < ends:
            try:
                yield from pause(ends - self.clock.seconds, interruptible=True)
            except OvertakenError:
                self.note("training is interrupted")
                yield AwaitDecision()
                self.note("training goes on")
        self.note("trained")

    def watch(self, *acts: tuple[float, Callable[[], None]]) -> Workflow[None]:
        """Do things at their times."""
        for moment, act in acts:
            if moment > self.clock.seconds:
                yield from pause(moment - self.clock.seconds)
            act()
        while not self.coordinator.rests:
            yield from pause(1.0)

    def decide(self, model: str) -> Callable[[], None]:
        return lambda: self.coordinator.decide(model, self.decision())


def test_a_decision_about_another_model_is_carried_out_at_once_however_few_are_parallel() -> None:
    scene = Scene()
    scene.coordinator.run([("slow", scene.trains(100))], scene.watch((10, scene.decide("fast"))))
    assert scene.log == ["10 decision begins", "fast recorded", "11 decision ends", "100 trained"]


def test_a_training_is_interrupted_for_a_decision_about_its_model_and_goes_on() -> None:
    scene = Scene()
    scene.coordinator.run([("slow", scene.trains(100))], scene.watch((10, scene.decide("slow"))))
    assert scene.log == [
        "10 training is interrupted",
        "10 decision begins",
        "slow recorded",
        "11 decision ends",
        "11 training goes on",
        "100 trained",
    ]


def test_a_decision_waits_for_the_work_of_its_own_model() -> None:
    scene = Scene()

    def works() -> Workflow[None]:
        yield from pause(50)
        yield from call(lambda: scene.note("effect"), effect=True)
        yield from pause(10)
        scene.note("ended")

    scene.coordinator.run([("m", works())], scene.watch((10, scene.decide("m"))))
    assert scene.log == ["50 effect", "60 ended", "60 decision begins", "m recorded", "61 decision ends"]


def test_an_upload_that_pauses_with_its_slot_is_not_interrupted() -> None:
    scene = Scene()

    def uploads() -> Workflow[None]:
        with (yield from take_slot()):
            yield from pause(50, interruptible=True)
            scene.note("uploaded")

    scene.coordinator.run([("m", uploads())], scene.watch((10, scene.decide("m"))))
    assert scene.log[:2] == ["50 uploaded", "50 decision begins"]


def test_a_model_does_not_begin_before_the_decision_about_it_is_done() -> None:
    scene = Scene(parallel=9)

    def begins() -> Workflow[None]:
        scene.note("begins")
        yield from record(FACT)

    scene.coordinator.run([("m", begins())], scene.watch((0, scene.decide("m"))))
    assert scene.log == ["0 decision begins", "m recorded", "1 decision ends", "1 begins", "m recorded"]


def test_two_decisions_about_one_model_are_not_carried_out_at_once() -> None:
    scene = Scene()
    moments = ((1, scene.decide("m")), (1.5, scene.decide("m")), (5, scene.decide("m")))
    scene.coordinator.run([("slow", scene.trains(9))], scene.watch(*moments))
    assert [line for line in scene.log if "decision" in line] == [
        "1 decision begins",
        "2 decision ends",
        "5 decision begins",
        "6 decision ends",
    ]


def test_a_stopped_run_begins_no_decision() -> None:
    scene = Scene()

    def stop() -> None:
        scene.coordinator.stop("SIGTERM")
        scene.coordinator.decide("fast", scene.decision())

    scene.coordinator.run([("slow", stopping(scene))], watch_until_stopped(stop))
    assert scene.log == ["10 stopped"]


def test_a_decision_on_its_way_is_stopped_before_the_model_that_awaits_it() -> None:
    scene = Scene()

    def act() -> None:
        scene.coordinator.stop("SIGTERM")

    def trains() -> Workflow[None]:
        try:
            yield from scene.trains(100)
        except StoppedError:
            scene.note("training is stopped")

    scene.coordinator.run(
        [("m", trains())],
        watch_until_stopped(act, before=lambda: scene.coordinator.decide("m", scene.decision(90))),
    )
    assert scene.log == [
        "5 training is interrupted",
        "5 decision begins",
        "10 decision is stopped",
        "10 training goes on",
        "10 training is stopped",
    ]


def stopping(scene: Scene) -> Workflow[None]:
    try:
        yield from pause(100, interruptible=True)
    except StoppedError:
        scene.note("stopped")


def watch_until_stopped(act: Callable[[], None], before: Callable[[], None] = lambda: None) -> Workflow[None]:
    try:
        yield from pause(5)
        before()
        yield from pause(5)
        act()
        yield from pause(50)
    except StoppedError:
        return
