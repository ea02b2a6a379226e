"""How reads are repeated: with the pauses a server asks for, bounded, and visible in the report."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import Kind, ModelError
from runner.execute.evaluation import DOWNLOADS
from runner.execute.retry import ATTEMPTS, LONGEST_ASKED_S, LONGEST_S, SENDS
from runner.journal.retrain_job import JobStage
from runner.lib.secrets import Secret
from runner.manifest.model import Model
from runner.providers.base import Effect, ServiceError
from tests.fakes import world as fake_world
from tests.fakes.world import NEVER_SENT, ONE_MODEL, FakeKeys, World


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def later(after: float | None = None) -> ServiceError:
    return ServiceError(Kind.SERVICE, "It is busy.", hint="Wait.", again=True, after=after)


def failing(world: World, call: str, *errors: ServiceError) -> list[float]:
    """Let the first such calls fail, the last one forever when there is one alone; return when the calls came."""
    came: list[float] = []

    def fault(name: str, _job: str) -> Effect | None:
        if name == call:
            came.append(world.clock.seconds)
            assert len(came) < 100, "it is repeated without an end"
            if len(came) <= len(errors) or len(errors) == 1:
                raise errors[min(len(came), len(errors)) - 1]
        return None

    world.service.before = fault
    return came


def test_a_server_that_asks_for_five_minutes_gets_them_and_is_asked_again(world: World) -> None:
    came = failing(world, "upload_url", later(LONGEST_ASKED_S), later())
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert came[1] - came[0] == pytest.approx(LONGEST_ASKED_S)
    assert end.calls["upload_url"] == 3
    assert "upload_url, attempt 1: It is busy. It is asked again after 300 s." in end.warnings
    assert "upload_url, attempt 2: It is busy." in end.warnings


def test_a_longer_wish_is_granted_once_up_to_the_bound_and_then_the_read_ends(world: World) -> None:
    came = failing(world, "upload_url", later(LONGEST_ASKED_S * 0.7))
    end = world.run()["m"]
    assert (end.outcome, end.error and end.error.message) == ("failed", "It is busy.")
    assert len(came) == 3
    assert LONGEST_ASKED_S <= came[-1] - came[0] < LONGEST_ASKED_S + LONGEST_S


def test_a_read_whose_attempts_take_long_ends_after_two_minutes(world: World) -> None:
    def hang(name: str, _job: str) -> Effect | None:
        if name == "upload_url":
            world.clock.seconds += 50
            raise later()
        return None

    world.service.before = hang
    assert world.run()["m"].outcome == "failed"
    assert world.service.calls("upload_url") == 3
    assert LONGEST_S < world.clock.seconds < LONGEST_S + 50


def test_what_a_server_asks_for_does_not_use_up_the_time_for_other_trouble(world: World) -> None:
    failing(world, "upload_url", later(LONGEST_S * 2), later(), later(), later())
    assert world.run()["m"].outcome == "switched"


@pytest.mark.parametrize("after", [None, 0.0])
def test_pauses_grow_and_vary_when_a_server_asks_for_none(world: World, after: float | None) -> None:
    came = failing(world, "upload_url", *[later(after)] * (ATTEMPTS - 1))
    assert world.run()["m"].outcome == "switched"
    pauses = [two - one for one, two in itertools.pairwise(came)]
    for number, seconds in enumerate(pauses):
        assert 0.25 * 2**number <= seconds <= 0.75 * 2**number
    assert len({seconds / 2**number for number, seconds in enumerate(pauses)}) == len(pauses)


def test_an_upload_that_certainly_never_left_is_sent_again_after_growing_pauses_and_then_given_up(world: World) -> None:
    came: list[float] = []

    def refuse(call: str, _job: str) -> Effect | None:
        if call != "put":
            return None
        came.append(world.clock.seconds)
        return NEVER_SENT

    world.service.before = refuse
    end = world.run()["m"]
    assert (end.outcome, end.error and end.error.kind) == ("failed", "network")
    assert len(came) == SENDS
    for number, seconds in enumerate(two - one for one, two in itertools.pairwise(came)):
        assert 0.25 * 2**number <= seconds <= 0.75 * 2**number
    assert world.model().jobs["job-1"].stage == JobStage.NEVER_STARTED


def test_a_download_is_tried_again_after_a_pause_and_the_pause_asked_for(world: World) -> None:
    came = failing(world, "download", later(40.0), later())
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert came[1] - came[0] == pytest.approx(40.0)
    assert came[2] - came[1] > 0
    assert end.calls["download"] == DOWNLOADS
    assert any("download, attempt 1: It is busy. It is asked again after 40 s." in text for text in end.warnings)


def test_a_download_that_took_hours_before_it_broke_is_tried_again(world: World) -> None:
    def break_late(name: str, _job: str) -> Effect | None:
        if name == "download" and world.service.calls("download") == 1:
            world.clock.seconds += 5 * 3600
            raise later()
        return None

    world.service.before = break_late
    assert world.run()["m"].outcome == "switched"


class AskingKeys(FakeKeys):
    """Keys that the service hands out, with errors before the first one."""

    errors: tuple[ModelError, ...] = ()
    asked = 0

    def end_date(self, model: Model) -> str | None:  # noqa: ARG002 -- the port's signature
        return None

    def asks_service(self, model: Model) -> bool:  # noqa: ARG002 -- the port's signature
        return True

    def model_key(self, model: Model) -> Secret:
        AskingKeys.asked += 1
        if AskingKeys.asked <= len(AskingKeys.errors):
            raise AskingKeys.errors[AskingKeys.asked - 1]
        return super().model_key(model)


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_errors(*errors: ModelError) -> None:
        monkeypatch.setattr(AskingKeys, "errors", errors)
        monkeypatch.setattr(AskingKeys, "asked", 0)
        monkeypatch.setattr(fake_world, "FakeKeys", AskingKeys)

    return set_errors


def test_a_key_that_the_service_hands_out_is_asked_for_again_and_counted(
    world: World, asking: Callable[..., None]
) -> None:
    asking(later(), later(20.0))
    end = world.run()["m"]
    assert (end.outcome, end.calls["api_key"]) == ("switched", 3)
    assert "api_key, attempt 1: It is busy." in end.warnings


def test_a_key_that_the_service_refuses_is_not_asked_for_again(world: World, asking: Callable[..., None]) -> None:
    asking(ServiceError(Kind.CREDENTIALS, "No.", hint="Look.", again=False))
    end = world.run()["m"]
    assert (end.outcome, end.error and end.error.kind, end.calls["api_key"]) == ("failed", "credentials", 1)


def test_a_key_that_needs_no_call_is_not_counted_as_one(world: World) -> None:
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert "api_key" not in end.calls
