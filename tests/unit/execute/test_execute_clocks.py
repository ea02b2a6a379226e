"""What depends on the service's time is judged by its own clock; machines of the runner may show other times."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.errors import Kind
from runner.execute.upload_evidence import ClockReading
from runner.journal.retrain_job import JobStage
from runner.lib.secrets import Secret
from runner.providers.base import Effect, IssuedJob
from tests.fakes.world import ONE_MODEL, REALM, START, UNCLEAR, CrashError, World

QUARANTINE = timedelta(minutes=5)
SHORT = timedelta(seconds=30)  # by which two machines' clocks differ


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def lose_uploads(call: str, _job: str) -> Effect | None:
    return UNCLEAR if call == "put" else None


def crash_at_the_upload(call: str, _job: str) -> Effect | None:
    if call == "put":
        raise CrashError
    return None


def nothing(_call: str, _job: str) -> Effect | None:
    return None


def sleep_before_the_upload(world: World, seconds: float) -> None:
    """Let the process stand still after its first intent, for a while that ends so long after the job was taken."""
    slept: list[bool] = []

    def sleep(commit: int) -> None:
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == JobStage.SENDING and not slept:
            slept.append(True)
            world.clock.seconds += seconds

    world.on_commit = sleep


@pytest.mark.parametrize("ahead", [-QUARANTINE, -SHORT, timedelta(0), SHORT, QUARANTINE])
def test_an_upload_begins_before_its_url_ends_by_the_services_clock_and_not_after(
    memory_path: Path, ahead: timedelta
) -> None:
    for seconds, first in ((-2.0, "job-1"), (0.0, "job-2")):
        folder = memory_path / first
        folder.mkdir()
        world = World(folder, ONE_MODEL)
        world.clock.ahead = ahead
        sleep_before_the_upload(world, world.service.url_s + seconds)
        assert world.run()["m"].outcome == "switched"
        assert [name for call, name in world.service.log if call == "put"] == [first]


@pytest.mark.parametrize("by_wall", [True, False])
def test_a_sleep_shows_by_either_clock(world: World, by_wall: bool) -> None:
    """The monotonic clock stops while a machine sleeps; the wall clock may be set back meanwhile."""
    sleep_before_the_upload(world, 0.0 if by_wall else world.service.url_s)
    asleep = world.on_commit

    def sleep(commit: int) -> None:
        before = world.clock.seconds
        asleep(commit)
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == JobStage.SENDING and last.retrain_job_id == "job-1":
            length = timedelta(seconds=world.service.url_s)
            world.clock.ahead = length if by_wall else -(length if world.clock.seconds > before else timedelta(0))
            world.service.ahead = world.clock.ahead

    world.on_commit = sleep
    world.run()
    assert ("put", "job-1") not in world.service.log


@pytest.mark.parametrize("ahead", [-QUARANTINE, -SHORT, SHORT, QUARANTINE])
def test_a_lost_upload_is_replaced_when_the_quarantine_is_over_by_the_services_clock(
    world: World, ahead: timedelta
) -> None:
    """Another machine settles it, whose clock differs from that of the first one."""
    world.service.before = crash_at_the_upload
    with pytest.raises(CrashError):
        world.run()
    world.clock.ahead = ahead
    world.service.before = nothing
    end = world.service.url_s + QUARANTINE.total_seconds()
    taken: list[float] = []
    world.service.after = lambda call, _job: taken.append(world.clock.seconds) if call == "upload_url" else None
    assert world.run()["m"].outcome == "switched"
    assert end <= taken[0] <= end + 60


def test_without_a_date_the_own_clock_counts_and_a_lost_upload_waits_for_the_quarantine_once_more(world: World) -> None:
    world.service.tells_time = False
    world.service.before = lose_uploads
    end = world.run()["m"]
    assert any("tell no time" in warning for warning in end.warnings)
    assert end.outcome == "failed"
    taken: list[float] = []
    world.service.after = lambda call, _job: taken.append(world.clock.seconds) if call == "upload_url" else None
    world.write_data("2")
    world.run()
    assert taken[1] - taken[0] >= world.service.url_s + 2 * QUARANTINE.total_seconds()


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=4000)])
def test_clocks_that_differ_by_more_than_the_quarantine_send_nothing_and_say_so(world: World, ahead: timedelta) -> None:
    world.clock.ahead = ahead
    end = world.run()["m"]
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.kind == Kind.CONFIG
    side = "ahead of" if ahead > timedelta(0) else "behind"
    assert f"{side} the service's ({START:%Y-%m-%dT%H:%M}" in end.error.message
    assert "more than the 5m allowed" in end.error.message
    assert "Set this machine's clock" in end.error.hint
    assert world.service.calls("put") == 0
    assert world.model().last is None
    world.clock.ahead = timedelta(0)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1


def test_a_clock_ahead_of_a_urls_life_does_not_keep_the_data_from_being_sent(world: World) -> None:
    world.service.url_s = 60.0
    world.clock.ahead = timedelta(minutes=4)
    end = world.run()["m"]
    assert end.outcome == "switched"
    [warning] = end.warnings
    assert "this machine's clock" in warning
    assert "ahead of the service's" in warning


def test_a_clock_ahead_of_a_urls_life_is_named_where_the_service_tells_no_time(world: World) -> None:
    world.service.tells_time = False
    world.clock.ahead = timedelta(hours=1)
    end = world.run()["m"]
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.kind == Kind.CONFIG
    assert "ahead by about 45m" in end.error.message
    assert world.service.calls("put") == 0
    assert world.service.calls("upload_url") == 1


def test_a_url_that_has_expired_by_the_services_own_clock_is_the_services_fault(world: World) -> None:
    world.service.url_s = -60.0
    end = world.run()["m"]
    assert end.error is not None
    assert end.error.kind == Kind.SERVICE
    assert "when its own clock showed" in end.error.message
    assert world.service.calls("put") == 0


def test_clocks_are_warned_of_once_a_run(memory_path: Path) -> None:
    two = "models:\n  other: {api_key: {env: OTHER}, dataset: d, policy: p}\n"
    world = World(memory_path, ONE_MODEL.replace("models:\n", two))
    world.clock.ahead = timedelta(minutes=-2)
    ends = world.run()
    assert sum("behind the service's" in warning for end in ends.values() for warning in end.warnings) == 1


def test_a_date_far_ahead_of_this_machine_never_makes_a_lost_upload_dead(world: World) -> None:
    """Whoever answers may lie about the time: by more than the quarantine it is not believed."""
    world.service.before = lose_uploads
    world.write_manifest(ONE_MODEL.replace("policy: p", "policy: p, wait: {timeout: 6m}"))
    assert world.run()["m"].outcome == "unknown"
    world.service.ahead = timedelta(days=3)
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("upload_url") == 1


def test_where_the_url_does_not_tell_its_end_the_services_time_is_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = world.service.take_job

    def untold(key: Secret, filename: str) -> IssuedJob:
        job = take(key, filename)
        return IssuedJob(retrain_job_id=job.retrain_job_id, upload_url=job.upload_url, expires_at=None, date=job.date)

    monkeypatch.setattr(world.service, "take_job", untold)
    world.clock.ahead = timedelta(minutes=4)
    assert world.run()["m"].outcome == "switched"
    last = world.model().last
    assert last is not None
    assert last.url_expires_at == START + world.manifest.service.url_lifetime + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "after", "ahead"),
    [(0, 0, 0), (0.9, 1.0, 0), (2, 2, 1), (-3, -2, -2), (-100, 50, 0), (100, 200, 99), (-200, -100, -100)],
)
def test_a_difference_of_clocks_is_what_the_round_trip_leaves_no_doubt_of(
    before: float, after: float, ahead: float
) -> None:
    reading = ClockReading(date=START, before=START + timedelta(seconds=before), after=START + timedelta(seconds=after))
    assert reading.ahead == timedelta(seconds=ahead)
