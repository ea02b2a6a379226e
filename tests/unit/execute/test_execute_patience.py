"""What may pass is waited for, to the deadline of the wait and no further; nothing is trained twice by itself."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.errors import Kind
from runner.journal.events import ModelFinished
from runner.journal.retrain_job import JobStage
from runner.lib.secrets import Secret
from runner.providers.base import Code, Done, Effect, Rejected, ServiceError, Status
from tests.fakes.world import ONE_MODEL, World, going, service_error

UNDOCUMENTED = ServiceError(
    Kind.SERVICE, "service.test answered 404: Not Found.", hint="Look.", again=False, understood=False
)
OUTAGE = ServiceError(Kind.SERVICE, "service.test answered 503.", hint="Wait.", again=True, understood=False)
BUSY = Rejected(message="Classifier is updating.", hint="Later.", kind=Kind.SERVICE, permanent=False, reason="busy")
REFUSED = Rejected(message="The store refused it.", hint="Look.", kind=Kind.SERVICE, permanent=True, reason="store")
CUT_SHORT = replace(REFUSED, message="The file train.csv changed while it was sent.", kind=Kind.DATA)


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def with_wait(text: str) -> str:
    return ONE_MODEL.replace("policy: p}", f"policy: p, wait: {text}}}")


def since_upload(world: World) -> float | None:
    """Return the seconds since the newest upload, None before it."""
    newest = list(world.service.jobs.values())[-1:]
    return None if not newest or newest[0].uploaded_at is None else world.clock.seconds - newest[0].uploaded_at


def failing_status(world: World, error: ServiceError, *, seconds: float, before: bool = True) -> None:
    """Let each status be this error, for so long after the upload."""

    def hook(call: str, _job: str) -> Effect | None:
        since = since_upload(world)
        if call == "status" and (before if since is None else since < seconds):
            raise error
        return None

    world.service.before = hook


def saying(world: World, status: Callable[[float], Status | None]) -> None:
    """Let the service say this of a job, by the seconds since its upload; None: what it says otherwise."""
    stands = world.service._stands

    def told(retrain_job_id: str, job: object) -> Status:
        since = since_upload(world)
        return (None if since is None else status(since)) or stands(retrain_job_id, job)  # type: ignore[arg-type]

    world.service._stands = told  # type: ignore[method-assign]


def trained(world: World) -> int:
    return world.service.effects["upload", "key-m"]


@pytest.mark.parametrize("code", [Code.NOT_FOUND_JOB, Code.JOB_DELETED])
@pytest.mark.parametrize("before", [True, False])
def test_a_job_that_is_not_known_right_after_its_upload_is_waited_for(
    *, world: World, code: Code, before: bool
) -> None:
    failing_status(world, service_error(code), seconds=400.0, before=before)  # longer than the quarantine
    assert world.run()["m"].outcome == "switched"
    assert (trained(world), world.service.calls("upload_url")) == (1, 1)


def test_a_job_that_stays_deleted_since_its_upload_fails_and_is_not_trained_again_by_itself(world: World) -> None:
    failing_status(world, service_error(Code.JOB_DELETED), seconds=1e9)
    for _ in range(3):
        end = world.run()["m"]
        assert end.outcome == "failed"
        assert "job-1 may be deleted, and nothing else about it" in end.reason
        assert "`retrain run --force --select m`" in end.reason
    assert trained(world) == 1
    world.service.before = lambda _call, _job: None
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"


def test_a_short_wait_does_not_end_a_job_that_is_deleted_for_less_than_the_quarantine(world: World) -> None:
    world.write_manifest(with_wait("{timeout: 10s}"))
    failing_status(world, service_error(Code.JOB_DELETED), seconds=60)
    assert world.run()["m"].outcome == "training"
    world.clock.seconds += 60
    world.write_manifest(ONE_MODEL)
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


@pytest.mark.parametrize("refused", [REFUSED, CUT_SHORT])
def test_a_refusal_that_the_jobs_status_contradicts_is_not_a_refusal(world: World, refused: Rejected) -> None:
    met: list[str] = []

    def hook(call: str, job: str) -> Effect | None:
        if call == "put" and not met:
            met.append(job)
            world.service.jobs[job].uploaded_at = world.clock.seconds
            return refused
        return None

    world.service.before = hook
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert any("was refused, but its job has started" in warning for warning in end.warnings)
    assert world.service.calls("put") == 1


@pytest.mark.parametrize("error", [UNDOCUMENTED, OUTAGE])
def test_answers_that_may_pass_are_waited_out(world: World, error: ServiceError) -> None:
    failing_status(world, error, seconds=600.0)
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert any("the status could not be read for" in warning for warning in end.warnings)
    assert len(end.warnings) < 8


@pytest.mark.parametrize("error", [UNDOCUMENTED, OUTAGE])
def test_an_outage_is_bounded_by_the_waits_deadline_alone(world: World, error: ServiceError) -> None:
    world.write_manifest(with_wait("{timeout: 2h}"))
    failing_status(world, error, seconds=1e9)
    end = world.run()["m"]
    assert end.outcome == "training"
    assert error.message.rstrip(".") in end.reason
    assert 7200 <= world.clock.seconds < 7400
    failing_status(world, error, seconds=0)
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def test_an_outage_within_the_training_and_at_the_download_is_waited_out(world: World) -> None:
    def hook(call: str, _job: str) -> Effect | None:
        since = since_upload(world)
        if call in ("status", "download") and since is not None and 100 <= since < 1500:
            raise OUTAGE
        return None

    world.service.before = hook
    assert world.run()["m"].outcome == "switched"


def test_a_key_that_is_refused_fails_the_model_at_once_and_the_next_run_goes_on(world: World) -> None:
    failing_status(world, service_error(Code.INACTIVE_KEY), seconds=1e9)
    assert world.run()["m"].outcome == "failed"
    assert world.clock.seconds < 10
    failing_status(world, service_error(Code.INACTIVE_KEY), seconds=0)
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def finished(url: str | None, *keys: str) -> Status:
    secret = None if url is None else Secret(url)
    return replace(going("job_finished"), phase="finished", model_id=1, download_url=secret, url_keys=keys)


def test_a_result_whose_url_comes_later_is_waited_for(world: World) -> None:
    saying(world, lambda since: finished(None) if 600 <= since < 700 else None)
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert world.clock.seconds < 800


def test_a_result_whose_url_never_comes_ends_with_the_wait(world: World) -> None:
    saying(world, lambda since: finished(None) if since >= 600 else None)
    end = world.run()["m"]
    assert end.outcome == "training"
    assert "Job job-1 says `job_finished` since 2026-03-01T00:10:" in end.reason
    assert "no URL of the result" in end.reason


def test_a_result_under_another_key_is_told_with_the_line_to_paste(world: World) -> None:
    saying(world, lambda since: finished(None, "resultFile") if since >= 600 else None)
    end = world.run()["m"]
    assert end.outcome == "training"
    assert "add `fields: {download_url: resultFile}` under `service:`" in end.reason
    assert world.clock.seconds < 800


@pytest.mark.parametrize(
    ("status", "word"),
    [(going("succeeded"), "succeeded"), (replace(going("2"), download_url=Secret("https://store.test/r")), '"2"')],
)
def test_an_unknown_status_that_is_an_end_by_its_sound_or_its_result_ends_the_wait_at_once(
    world: World, status: Status, word: str
) -> None:
    saying(world, lambda since: status if since >= 600 else None)
    end = world.run()["m"]
    assert end.outcome == "training"
    line = f"statuses: {{finished: [job_finished, {word}]}}"
    assert f"add `{line}` under `service:`" in end.reason
    assert world.clock.seconds < 800
    world.service._stands = type(world.service)._stands.__get__(world.service)  # type: ignore[method-assign]
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def test_a_status_that_sounds_like_a_failure_ends_the_wait_with_the_line_for_that(world: World) -> None:
    saying(world, lambda since: going("ng") if since >= 600 else None)
    end = world.run()["m"]
    assert end.outcome == "training"
    assert "finished:" not in end.reason
    assert "delet, ng]}` under `service:`" in end.reason
    assert world.clock.seconds < 800


def test_a_status_that_is_under_another_key_ends_the_wait_with_the_line_to_paste(world: World) -> None:
    error = ServiceError(
        Kind.SERVICE,
        "The answer tells no status.",
        hint="Name it with `fields: {status: state}`.",
        again=False,
        code=Code.PART_ELSEWHERE,
        understood=False,
    )
    failing_status(world, error, seconds=1e9)
    end = world.run()["m"]
    assert (end.outcome, "`fields: {status: state}`" in end.reason) == ("training", True)
    assert world.clock.seconds < 60
    failing_status(world, error, seconds=0)
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def test_a_training_that_goes_on_is_told_with_its_status_since_when_and_the_lines(world: World) -> None:
    world.write_manifest(with_wait("{timeout: 1h}"))
    world.service.training_s = 1e6
    end = world.run()["m"]
    assert end.outcome == "training"
    assert "Job job-1 says `training` since 2026-03-01T00:00:" in end.reason
    assert "`statuses: {finished: [job_finished, training]}` under `service:`" in end.reason
    assert "training]}`" in end.reason


@pytest.mark.parametrize("word", ["deleted", "job not_found"])
def test_an_end_that_speaks_of_a_job_that_is_gone_is_not_believed_before_it_was_seen(world: World, word: str) -> None:
    saying(world, lambda since: replace(going(word), phase="failed") if since < 60 else None)
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def test_an_end_that_was_said_before_the_upload_is_not_believed(world: World) -> None:
    world.service.words = ("expired", "training")
    saying(world, lambda since: replace(going("expired"), phase="failed") if since < 60 else None)
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def test_waiting_is_given_up_in_the_end_and_blocks_no_new_data(world: World) -> None:
    world.write_manifest(with_wait("{timeout: 1d, give_up: 2d}"))
    world.service.training_s = 1e9
    assert world.run()["m"].outcome == "training"
    end = world.run()["m"]
    assert end.outcome == "failed"
    assert "2d after its upload (`wait.give_up`)" in end.reason
    assert world.run()["m"].outcome == "failed"  # asked once more, not trained again
    assert trained(world) == 1
    world.service.training_s = 600.0
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 2


def test_a_training_that_was_given_up_is_taken_in_when_it_ends(world: World) -> None:
    world.write_manifest(with_wait("{timeout: 1d, give_up: 1d}"))
    world.service.training_s = timedelta(days=3).total_seconds()
    assert world.run()["m"].outcome == "failed"
    world.clock.seconds += 3 * 86400
    assert world.run()["m"].outcome == "switched"
    assert trained(world) == 1


def refusing(world: World, effect: Effect, *, times: int) -> None:
    left = [effect] * times

    def hook(call: str, _job: str) -> Effect | None:
        return left.pop() if call == "switch" and left else None

    world.service.before = hook


def test_a_service_that_is_busy_is_switched_when_it_is_ready(world: World) -> None:
    refusing(world, BUSY, times=5)
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert world.service.effects["switch", "key-m"] == 1
    assert len(end.warnings) == 1


def test_a_service_that_stays_busy_is_left_at_the_deadline_and_the_decision_is_kept(world: World) -> None:
    world.write_manifest(with_wait("{timeout: 1h}"))
    refusing(world, BUSY, times=10**4)
    end = world.run()["m"]
    assert (end.outcome, "updating" in end.reason) == ("failed", True)
    assert world.clock.seconds < 600 + 3600 + 120
    refusing(world, BUSY, times=0)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["switch", "key-m"] == 1


def test_a_refusal_of_the_store_fails_the_model_with_one_job(world: World) -> None:
    def hook(call: str, _job: str) -> Effect | None:
        return REFUSED if call == "put" else None

    world.service.before = hook
    end = world.run()["m"]
    assert end.outcome == "failed"
    assert end.reason.endswith("Nothing was started.")
    assert world.service.calls("upload_url") == 1


def test_a_signature_that_is_refused_when_the_url_has_expired_gets_a_new_job(world: World) -> None:
    met: list[str] = []

    def hook(call: str, _job: str) -> Effect | None:
        if call == "put" and not met:
            met.append(call)
            world.clock.seconds += 1000
            return replace(REFUSED, reason="signature")
        return None

    world.service.before = hook
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("upload_url") == 2


def test_a_switch_that_the_list_does_not_show_is_not_called_done(world: World) -> None:
    def confirmed_only(call: str, _job: str) -> Effect | None:
        return Done(detail="200") if call == "switch" else None

    world.service.before = confirmed_only
    end = world.run()["m"]
    assert end.outcome == "unknown"
    assert "by the service's list it does not serve" in end.reason
    job = world.model().last
    assert job is not None
    assert job.stage == JobStage.SWITCHING


def test_a_switch_that_the_list_shows_later_is_done(world: World) -> None:
    late: list[str] = []

    def hook(call: str, job: str) -> Effect | None:
        if call == "switch":
            late.append(job)
            return Done(detail="204")
        if call == "classifiers" and late:
            world.service.serving["key-m"] = late[0]
            if len(late) == 1:
                late.append(job)
                world.service.serving.clear()
        return None

    world.service.before = hook
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert world.service.calls("switch") == 1


def test_where_the_list_cannot_be_read_the_answer_counts(world: World) -> None:
    world.service.readable = False
    end: ModelFinished = world.run()["m"]
    assert end.outcome == "switched"
