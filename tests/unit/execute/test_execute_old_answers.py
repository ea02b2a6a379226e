"""What was read or decided before a long time is not taken for what holds now."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.execute.retry import backoff
from runner.lib.secrets import Secret
from runner.providers.base import Effect, Status
from tests.fakes.world import ONE_MODEL, REALM, START, UNCLEAR, VirtualClock, World


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def test_a_status_read_before_a_long_sleep_does_not_prove_that_the_upload_never_arrived(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.service.before = lambda call, _job: UNCLEAR if call == "put" else None
    status, slept = world.service.status, list[str]()

    def sleep_over_the_answer(key: Secret, name: str) -> Status:
        answer = status(key, name)
        if world.service.calls("put") and not slept:
            slept.append(name)
            world.service.jobs[name].uploaded_at = world.clock.seconds + 60
            world.service.effects["upload", "key-m"] += 1
            world.clock.seconds += world.service.url_s + 7200
        return answer

    monkeypatch.setattr(world.service, "status", sleep_over_the_answer)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1
    assert world.service.calls("put") == 1


@pytest.mark.parametrize("tells_time", [True, False])
def test_a_clock_set_forward_does_not_end_the_quarantine(
    world: World, monkeypatch: pytest.MonkeyPatch, tells_time: bool
) -> None:
    world.service.tells_time = tells_time
    arrives: list[float] = []

    def late(call: str, _job: str) -> object:
        if call == "put" and not arrives:
            arrives.append(world.clock.seconds + 120)
            monkeypatch.setattr(VirtualClock, "now", lambda clock: START + timedelta(days=1, seconds=clock.seconds))
            return UNCLEAR
        if call == "status" and arrives and world.clock.seconds >= arrives[0]:
            world.service.jobs["job-1"].uploaded_at = arrives[0]
        return None

    monkeypatch.setattr(world.service, "before", late)
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("put") == 1


def test_an_unclear_switch_that_never_arrived_is_not_repeated_after_its_policy_changed(world: World) -> None:
    def lost(call: str, _job: str) -> Effect | None:
        if call != "switch":
            return None
        world.service.readable = False
        return UNCLEAR

    world.service.before = lost
    assert world.run()["m"].outcome == "unknown"
    world.service.readable = True
    world.write_manifest(ONE_MODEL.replace("min: 0.9", "min: 0.99"))
    assert world.run()["m"].outcome == "held"
    assert world.service.calls("switch") == 1


def test_the_pause_between_attempts_stays_bounded_however_many_there_are() -> None:
    rng = random.Random(1)  # noqa: S311 -- jitter that repeats
    assert all(backoff(attempt, rng) <= 45 for attempt in (1, 100, 1_000, 1_025, 100_000))


def jump_at_first_poll(world: World, monkeypatch: pytest.MonkeyPatch, jump: timedelta) -> None:
    """Set the wall clock once, when the status of a job in training is read first."""

    def fault(call: str, job: str) -> None:
        if call == "status" and world.service.jobs[job].uploaded_at is not None:
            monkeypatch.setattr(VirtualClock, "now", lambda clock: START + jump + timedelta(seconds=clock.seconds))

    monkeypatch.setattr(world.service, "before", fault)


def test_a_clock_set_forward_does_not_end_the_wait_for_a_training(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump_at_first_poll(world, monkeypatch, timedelta(days=2))
    assert world.run()["m"].outcome == "switched"


def test_a_clock_set_back_does_not_lengthen_the_wait_for_a_training(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(memory_path, ONE_MODEL.replace("policy: p}", "policy: p, wait: {timeout: 5m}}"))
    jump_at_first_poll(world, monkeypatch, timedelta(days=-2))
    assert world.run()["m"].outcome == "training"
    assert world.clock.seconds == pytest.approx(300, abs=1)


@pytest.mark.parametrize("tells_time", [True, False])
def test_a_clock_set_forward_does_not_make_a_lagging_status_a_contradiction(
    world: World, monkeypatch: pytest.MonkeyPatch, tells_time: bool
) -> None:
    world.service.tells_time = tells_time
    world.service.lag_s = 200.0
    jump_at_first_poll(world, monkeypatch, timedelta(days=2))
    assert world.run()["m"].outcome == "switched"


@pytest.mark.parametrize("jump", [timedelta(days=-2), timedelta(days=2)])
def test_a_clock_that_was_set_changes_nothing_in_how_often_the_status_is_read(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    calls: list[int] = []
    for name in ("steady", "set"):
        (memory_path / name).mkdir()
        world = World(memory_path / name, ONE_MODEL)
        if name == "set":
            jump_at_first_poll(world, monkeypatch, jump)
        assert world.run()["m"].outcome == "switched"
        calls.append(world.service.calls("status"))
    assert calls[0] == calls[1]


def test_an_unclear_switch_is_not_called_refused_when_somebody_published_another_model_meanwhile(world: World) -> None:
    world.service.serving["key-m"] = "job-800"  # what served before

    def by_hand(call: str, _job: str) -> Effect | None:
        if call != "switch":
            return None
        world.service.serving["key-m"] = "job-900"
        return UNCLEAR

    world.service.before = by_hand
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("switch") == 1
    assert world.service.serving["key-m"] == "job-900"


def test_an_unclear_switch_is_settled_where_a_model_of_another_partition_was_switched_meanwhile(
    world: World, memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (memory_path / "other").mkdir()
    other = World(memory_path / "other", ONE_MODEL)
    for data in ("1", "2"):
        other.write_data(data)
        assert other.run()["m"].outcome == "switched"
    elsewhere, context = {"n": other.progress().known(REALM)["m"]}, world._context
    monkeypatch.setattr(world, "_context", lambda *known: replace(context(*known), elsewhere=elsewhere))
    world.service.serving |= {"key-m": "job-800", "key-n": "job-700"}

    def switch_the_other(call: str, _job: str) -> Effect | None:
        if call != "switch" or world.service.serving["key-n"] == "job-2":
            return None
        world.service.serving["key-n"] = "job-2"
        return UNCLEAR if world.service.calls("switch") == 1 else None

    world.service.before = switch_the_other
    world.write_data("of m")
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("switch") == 2


def test_an_unclear_switch_is_not_called_refused_where_the_list_before_it_is_not_known(world: World) -> None:
    world.service.readable = False

    def answer_later(call: str, _job: str) -> Effect | None:
        world.service.readable = world.service.readable or call == "switch"
        return UNCLEAR if call == "switch" else None

    world.service.before = answer_later
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("switch") == 1
