"""New data that is checked and digested while it is sent: its end leaves only when all is known and recorded."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from runner.datasets.check import HandOver
from runner.datasets.metadata import Prepared
from runner.errors import Kind
from runner.execute.one_pass import OnePass, in_a_thread
from runner.http.upload_body import BLOCK, SentFile, UploadWatch
from runner.journal.events import DataChecked, Fact, JobAbandoned, JobCreated, UploadBegun, UploadIntended
from runner.journal.events import UploadRejected as Refused
from runner.journal.progress import Progress
from runner.journal.retrain_job import JobStage
from runner.plan.model_plan import ModelPlan
from runner.providers.base import Done, Effect, NeverSent, Rejected, Unknown
from tests.fakes.world import ONE_MODEL, CrashError, World, service_error, until_settled

IN_ONE_PASS = ["JobCreated", "UploadBegun", "DataChecked", "UploadIntended"]
IN_TWO_PASSES = ["DataChecked", "JobCreated", "UploadIntended"]
REFUSED = Rejected(message="Denied.", hint="Ask.", kind=Kind.SERVICE, permanent=True, reason="store")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A model whose data is checked while it is sent, whenever it is new."""
    made = World(tmp_path, ONE_MODEL)
    made.one_pass_from = 1
    return made


def recorded(world: World) -> list[str]:
    """Return the kinds of facts about data and uploads, in their order."""
    wanted = (DataChecked, JobCreated, UploadBegun, UploadIntended, Refused, JobAbandoned)
    return [type(fact).__name__ for fact in _facts(world) if isinstance(fact, wanted)]


def _facts(world: World) -> list[Fact]:
    store = world.store.open_log()
    try:
        return [link.event.fact for link in store.read()]
    finally:
        store.close()


def test_the_digest_and_the_intent_are_recorded_when_all_but_the_end_was_sent(world: World) -> None:
    seen: list[tuple[int, bool]] = []
    world.on_commit = lambda _number: seen.append((world.service.calls("put"), bool(world.service.effects)))

    assert world.run()["m"].outcome == "switched"

    assert recorded(world) == IN_ONE_PASS
    assert (1, False) in seen, "the request had begun, and had no effect, at a commit"
    job = world.model().last
    assert job is not None
    assert job.data is not None
    assert job.data.upload.sha256 == world.service.jobs["job-1"].digest


def test_the_end_of_the_data_leaves_after_the_commit_of_the_intent(world: World) -> None:
    effects = []

    def wait_for_the_end(number: int) -> None:
        if number == 2:  # the commit that has the intent
            time.sleep(0.3)  # in which an end that may leave arrives
            effects.append(world.service.effects.total())
            raise CrashError

    world.on_commit = wait_for_the_end
    with pytest.raises(CrashError):
        world.run()

    assert recorded(world) == IN_ONE_PASS[:2]
    assert effects == [0]


def test_a_run_that_holds_its_state_no_longer_does_not_send_the_end() -> None:
    taken: list[bytes] = []

    def send(file: SentFile, watch: UploadWatch) -> Effect:
        with file.open() as opened:
            taken.extend(iter(lambda: opened.read(BLOCK), b""))
        return Done(detail="200") if watch.may_end() else REFUSED

    def check(hand_over: HandOver) -> Prepared:
        hand_over(b"id\n1\n")
        return cast("Prepared", None)  # nobody looks at it here

    one_pass = OnePass("f", 5, may_end=lambda: False, sent=lambda _bytes: None, start=in_a_thread)
    one_pass.check(send, check)

    assert one_pass.finish() == REFUSED
    assert taken == [b"id\n1\n"]


def test_nothing_is_known_of_the_data_of_a_job_whose_upload_has_only_begun(world: World) -> None:
    world.run()
    with (world.folder / "data.csv").open("a") as file:
        file.write("121,9,a\n")

    def kill(call: str, _job: str) -> Effect | None:
        if call == "put":
            raise CrashError
        return None

    world.service.before = kill
    with pytest.raises(CrashError):
        world.run()

    job = world.model().last
    assert job is not None
    assert (job.stage, job.data) == (JobStage.SENDING, None)


def test_a_check_that_fails_after_a_part_started_a_training_is_told_as_unknown(world: World) -> None:
    (world.folder / "data.csv").write_text("id,id\n1,2\n")

    def take_a_part(call: str, job: str) -> Effect | None:
        if call == "put":
            world.service.jobs[job].uploaded_at = world.clock.seconds
        return None

    world.service.before = take_a_part

    ended = world.run()["m"]

    assert ended.outcome == "unknown"
    assert "nobody knows what it is trained on" in ended.reason
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("put") == 1


def test_a_run_on_the_same_data_sends_nothing(world: World) -> None:
    world.run()

    assert world.run()["m"].outcome == "unchanged"
    assert world.service.calls("put") == 1


def test_data_of_a_size_that_a_job_had_is_read_before_it_is_sent(world: World) -> None:
    world.run()
    world.write_data("2")

    assert world.run()["m"].outcome == "switched"
    assert recorded(world) == IN_ONE_PASS + IN_TWO_PASSES


def test_data_that_fails_its_check_is_never_sent_whole(world: World) -> None:
    (world.folder / "data.csv").write_text("id,id\n1,2\n")

    ended = world.run()["m"]

    assert ended.outcome == "failed"
    assert ended.error is not None
    assert ended.error.kind == Kind.DATA
    assert not world.service.effects
    assert recorded(world) == ["JobCreated", "UploadBegun", "UploadRejected"]
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"


def test_data_that_was_sent_before_is_not_sent_whole_again(world: World) -> None:
    world.run()
    plans = world.plans

    def unread(progress: Progress) -> list[ModelPlan]:
        forced = replace(world.options, force=True)
        world.options, before = forced, world.options
        found = [replace(plan, dataset_sha256=None) for plan in plans(progress)]
        world.options = before
        return found

    world.plans = unread  # type: ignore[method-assign] # a plan that takes it for new

    assert world.run()["m"].outcome == "unchanged"
    assert recorded(world) == [*IN_ONE_PASS, "JobCreated", "UploadBegun", "UploadRejected"]
    assert world.service.effects["upload", "key-m"] == 1


@pytest.mark.parametrize(
    "answer", [REFUSED, replace(REFUSED, reason="expired_url"), Done(detail="200"), Unknown(message="Cut.", hint="")]
)
def test_a_store_that_answers_before_it_has_all_is_sent_the_data_in_two_passes(world: World, answer: Effect) -> None:
    answers = [answer]
    world.service.before = lambda call, _job: answers.pop() if call == "put" and answers else None

    assert world.run()["m"].outcome == "switched"

    assert recorded(world) == ["JobCreated", "UploadBegun", "UploadRejected", *IN_TWO_PASSES]
    assert world.service.effects["upload", "key-m"] == 1


def test_a_store_that_refuses_the_whole_body_is_sent_the_data_in_two_passes(world: World) -> None:
    answers = [REFUSED]

    def refuse(call: str, job: str) -> Effect | None:
        if call != "put" or not answers:
            return None
        world.service.jobs[job].uploaded_at = None
        world.service.effects.clear()
        return answers.pop()

    world.service.after = refuse

    assert world.run()["m"].outcome == "switched"

    assert recorded(world) == [*IN_ONE_PASS, "UploadRejected", *IN_TWO_PASSES]
    assert world.service.effects["upload", "key-m"] == 1


def test_a_refusal_after_which_the_job_has_started_is_no_reason_to_send_anything(world: World) -> None:
    world.service.after = lambda call, _job: REFUSED if call == "put" else None

    assert world.run()["m"].outcome == "switched"

    assert recorded(world) == IN_ONE_PASS
    assert world.service.calls("put") == 1


def test_where_nothing_could_be_sent_the_model_fails_and_the_next_run_sends_it(world: World) -> None:
    answers: list[Effect] = [NeverSent(message="Refused.", hint="Wait.")]
    world.service.before = lambda call, _job: answers.pop() if call == "put" and answers else None

    assert world.run()["m"].outcome == "failed"
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1


def test_a_body_without_its_end_that_started_a_training_is_told_and_nothing_is_sent_again(world: World) -> None:
    started = [False]

    def cut_short(number: int) -> None:
        if number == 2 and not started[0]:  # the second commit is that of the intent
            started[0] = True
            world.service.jobs["job-1"].uploaded_at = world.clock.seconds
            raise CrashError

    world.on_commit = cut_short
    with pytest.raises(CrashError):
        world.run()

    for _ in range(2):
        ended = world.run()["m"]
        assert ended.outcome == "unknown"
        assert "nobody knows what it is trained on" in ended.reason
    assert world.service.calls("put") == 1
    job = world.model().last
    assert job is not None
    assert job.stage == JobStage.SENDING


def test_a_person_is_not_asked_for_an_answer_that_is_refused(world: World) -> None:
    def fall_silent(call: str, _job: str) -> Effect | None:
        if call == "put":
            raise CrashError
        if call == "status" and world.service.calls("put"):
            raise service_error(None, again=True)
        return None

    world.service.before = fall_silent
    with pytest.raises(CrashError):
        world.run()

    ended = world.run()["m"]
    assert ended.outcome == "unknown"
    assert "--as not-started" in ended.reason
    assert "--as started" not in ended.reason


def test_a_stop_lets_the_upload_end_that_has_begun(world: World) -> None:
    def stop(call: str, _job: str) -> Effect | None:
        if call == "put" and world.coordinator is not None:
            world.coordinator.stop("SIGTERM")
        return None

    world.service.before = stop

    assert world.run()["m"].outcome == "training"
    assert recorded(world) == IN_ONE_PASS
    assert world.service.effects["upload", "key-m"] == 1


def _points(world: World, crash_at: int) -> Callable[[], int]:
    """Let the process be killed at one of the moments before and after a call or a commit; tell how many came."""
    count = [0]

    def point() -> None:
        count[0] += 1
        if count[0] == crash_at:
            raise CrashError

    def call(_call: str, _job: str) -> Effect | None:
        point()
        return None

    world.service.before = world.service.after = call
    world.on_commit = lambda _number: point()
    return lambda: count[0]


def test_kills_spread_over_a_run_leave_the_data_sent_once(tmp_path: Path) -> None:
    whole = World(_made(tmp_path / "whole"), ONE_MODEL)
    whole.one_pass_from = 1
    count = _points(whole, 0)
    whole.run()
    assert count() > 15

    for moment in range(1, count() + 1, 3):  # `suite_lines` has each line
        world = World(_made(tmp_path / str(moment)), ONE_MODEL)
        world.one_pass_from = 1
        _points(world, moment)
        with pytest.raises(CrashError):
            world.run()
        *_, last = until_settled(world)
        assert last["m"].outcome in ("switched", "unchanged"), moment
        assert world.service.effects["upload", "key-m"] == 1, moment


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
