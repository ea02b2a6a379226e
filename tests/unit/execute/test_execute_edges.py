"""The edges of the protocol that a single ordinary fault does not reach; each was a mutant that nothing else caught."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runner.errors import Kind
from runner.execute.retry import ATTEMPTS, LONGEST_ASKED_S, LONGEST_S
from runner.execute.switch import INTENTS
from runner.journal.events import SwitchIntended, UploadIntended
from runner.journal.retrain_job import JobStage
from runner.journal.store import open_store
from runner.lib.secrets import Secret
from runner.manifest.model import Model
from runner.plan.model_plan import Choice
from runner.providers.base import Code, Effect, ServiceError
from tests.fakes.world import ONE_MODEL, REALM, UNCLEAR, FakeJob, FakeKeys, World, service_error

ENOUGH = 400  # calls after which a loop is taken to have no end


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def raising(call: str, error: ServiceError, *, times: int = ENOUGH) -> Callable[[str, str], Effect | None]:
    """Return a fault that fails the first such calls, and stops a loop without an end."""
    left = [times]

    def fault(name: str, _job: str) -> Effect | None:
        if name == call and left[0]:
            left[0] -= 1
            raise error
        if name == call and times == ENOUGH:
            raise AssertionError(f"{call} is repeated without an end")
        return None

    return fault


def stop_at(world: World, stage: JobStage) -> None:
    """Stop the run as soon as a job's stage is durable."""

    def look(commit: int) -> None:
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == stage and world.coordinator is not None:
            world.coordinator.stop("SIGTERM")

    world.on_commit = look


def test_every_intent_carries_a_guard_of_its_own(world: World) -> None:
    world.run()
    world.options = Choice(force=True)
    world.run()
    store = open_store(world.state)
    events = [one.event for one in store.read() if isinstance(one.event.fact, UploadIntended | SwitchIntended)]
    store.close()
    guards = [event.guard for event in events]
    assert len(guards) == 4
    assert None not in guards
    assert len(set(guards)) == 4


def test_a_training_that_ended_proves_its_start_even_when_no_word_was_known_before(world: World) -> None:
    world.service.training_s = 0.0
    world.service.before = raising("status", service_error(None), times=1)
    world.service.after = lambda call, _job: UNCLEAR if call == "put" else None
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("put") == 1


def test_another_word_for_waiting_does_not_prove_a_start(world: World) -> None:
    def lose_the_first(call: str, job: str) -> Effect | None:
        if (call, job) != ("put", "job-1"):
            return None
        world.service.words = ("created", "training")
        return UNCLEAR

    world.service.before = lose_the_first
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("put") == 2
    assert world.service.effects["upload", "key-m"] == 1


def test_a_switch_that_arrives_late_within_the_quarantine_is_not_sent_again(world: World) -> None:
    late: list[float] = []

    def delay(call: str, _job: str) -> Effect | None:
        if call == "switch":
            late.append(world.clock.seconds + timedelta(minutes=4).total_seconds())
            return UNCLEAR
        if call == "classifiers" and late and world.clock.seconds >= late[0]:
            world.service.serving["key-m"] = "job-1"
        return None

    world.service.before = delay
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("switch") == 1


def test_a_switch_that_never_becomes_visible_is_sent_as_often_as_there_are_intents_and_no_more(world: World) -> None:
    world.service.before = lambda call, _job: UNCLEAR if call == "switch" else None
    ends = [world.run()["m"] for _ in range(3)]
    assert [end.outcome for end in ends] == ["unknown"] * 3
    assert world.service.calls("switch") == INTENTS == 2
    assert all("was tried 2 times, and by the service's list it does not serve" in end.reason for end in ends)
    assert all("retrain resolve m --as switched" in end.reason for end in ends)


def test_a_stop_between_intent_and_switch_records_that_nothing_was_sent(world: World) -> None:
    stop_at(world, JobStage.SWITCHING)
    assert world.run()["m"].outcome == "skipped"
    assert world.service.calls("switch") == 0
    world.on_commit = lambda _commit: None
    before = world.clock.seconds
    assert world.run()["m"].outcome == "switched"
    assert world.clock.seconds == before


def test_a_stop_whose_upload_is_unclear_ends_unknown_not_in_training(world: World) -> None:
    def stop(call: str, _job: str) -> Effect | None:
        if call != "put":
            return None
        assert world.coordinator is not None
        world.coordinator.stop("SIGTERM")
        return UNCLEAR

    world.service.before = stop
    assert world.run()["m"].outcome == "unknown"


def test_a_job_that_is_deleted_in_its_training_counts_as_failed_once_that_lasts(world: World) -> None:
    def delete(call: str, job: str) -> Effect | None:
        if call == "status" and world.model().last and world.model().jobs[job].status == "training":
            raise service_error(Code.JOB_DELETED)
        return None

    world.service.before = delete
    assert world.run()["m"].outcome == "failed"
    last = world.model().last
    assert last is not None
    assert last.stage == JobStage.FAILED
    assert world.clock.seconds >= 300


def test_a_read_that_cannot_fare_better_is_not_repeated(world: World) -> None:
    world.service.before = raising("upload_url", service_error(Code.MODEL_DELETED))
    assert world.run()["m"].outcome == "failed"
    assert world.service.calls("upload_url") == 1


def test_reads_before_the_upload_are_bounded_in_number(world: World) -> None:
    world.service.before = raising("upload_url", service_error(None, again=True))
    assert world.run()["m"].outcome == "failed"
    assert world.service.calls("upload_url") == ATTEMPTS


def test_reads_are_bounded_in_time_whatever_pause_a_server_asks_for(world: World) -> None:
    asked = ServiceError(Kind.SERVICE, "Later.", hint="Wait.", again=True, after=LONGEST_ASKED_S * 0.7)
    world.service.before = raising("upload_url", asked)
    assert world.run()["m"].outcome == "failed"
    assert world.service.calls("upload_url") == 3
    assert world.clock.seconds <= LONGEST_S + LONGEST_ASKED_S


def test_a_training_that_the_service_takes_back_is_warned_of(world: World) -> None:
    world.service.before = raising("download", service_error(None))
    assert world.run()["m"].outcome == "failed"
    world.service.training_s = 1e6
    end = world.run()["m"]
    assert end.outcome == "training"
    assert "job job-1 had finished by the journal, and says training now" in end.warnings
    world.service.before, world.service.training_s = (lambda _call, _job: None), 1.0
    end = world.run()["m"]
    assert end.outcome == "switched"
    assert not any("had finished" in warning for warning in end.warnings)


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_lost_result_is_downloaded_again_and_what_lies_in_its_place_is_not_judged(world: World, damage: str) -> None:
    world.service.metrics = {"AUC": "0.85"}
    world.run()
    lose_result(world, damage)
    world.write_manifest(ONE_MODEL.replace("min: 0.9", "min: 0.86"))
    end = world.run()["m"]
    assert (end.outcome, end.calls["download"]) == ("held", 1)
    assert "the stored result is downloaded again: The stored result " in end.warnings[0]
    job = world.model().last
    assert job is not None
    assert job.decided is not None
    assert job.decided.fact.evaluation.metrics == {"auc": "0.85"}


def lose_result(world: World, damage: str) -> None:
    """Let the stored result of the last job have other bytes, or be gone."""
    world.run()
    last = world.model().last
    assert last is not None
    assert last.result is not None
    path = world.state.root / last.result.path
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"AUC,0.99\n")


def test_new_data_passes_by_a_candidate_whose_result_is_lost_for_ever(world: World) -> None:
    world.service.metrics = {"AUC": "0.85"}
    world.run()
    lose_result(world, "gone")
    world.write_manifest(ONE_MODEL.replace("min: 0.9", "min: 0.8"))
    del world.service.jobs["job-1"]
    assert world.run()["m"].outcome == "failed"
    world.service.jobs["job-1"] = FakeJob(key="key-m")
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"
    assert world.model().incumbent_id == "job-2"


def two_models(limits: str) -> str:
    """Return the manifest with a second model that is served by the same data."""
    return f"{ONE_MODEL}  n: {{api_key: {{env: OTHER}}, dataset: d, policy: p}}\nlimits: {{{limits}}}\n"


def test_no_more_models_are_switched_than_the_limit_allows(memory_path: Path) -> None:
    world = World(memory_path, two_models("switches_per_run: 1"))
    assert sorted(end.outcome for end in world.run().values()) == ["skipped", "switched"]


def test_one_models_bug_does_not_end_the_others(memory_path: Path) -> None:
    world = World(memory_path, two_models("parallel: 2"))

    def stumble(call: str, job: str) -> Effect | None:
        if (call, job) == ("put", "job-1"):
            raise ZeroDivisionError
        return None

    world.service.before = stumble
    with pytest.raises(ZeroDivisionError):  # the world raises the bug when all models have ended
        world.run()
    ends = {name: world.model(name).last_outcome for name in ("m", "n")}
    assert sorted(end.outcome for end in ends.values() if end is not None) == ["failed", "switched"]


def test_no_more_uploads_run_side_by_side_than_there_are_slots(memory_path: Path) -> None:
    world = World(memory_path, two_models("uploads: 1, parallel: 2"))
    order: list[tuple[str, str]] = []
    world.service.before = lambda call, job: order.append((call, job))
    world.run()
    calls = [(call, job) for call, job in order if call in ("upload_url", "put")]
    assert [call for call, _ in calls] == ["upload_url", "put", "upload_url", "put"]


def test_what_is_not_an_upload_takes_no_upload_slot(memory_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(memory_path, two_models("uploads: 1, parallel: 2"))
    order: list[str] = []
    plain = FakeKeys.model_key

    def told(keys: FakeKeys, model: Model) -> Secret:
        order.append("key")
        return plain(keys, model)

    monkeypatch.setattr(FakeKeys, "model_key", told)
    world.service.before = lambda call, _job: order.append(call)
    world.run()
    assert order[:3] == ["key", "key", "upload_url"]


def test_an_upload_that_is_settled_keeps_no_other_model_from_its_upload(memory_path: Path) -> None:
    world = World(memory_path, two_models("uploads: 1, parallel: 2"))
    puts: dict[str, float] = {}

    def lose_the_first(call: str, job: str) -> Effect | None:
        if call == "put":
            puts[job] = world.clock.seconds
        return UNCLEAR if (call, job) == ("put", "job-1") else None

    world.service.before = lose_the_first
    assert {end.outcome for end in world.run().values()} == {"switched"}
    assert puts["job-2"] - puts["job-1"] < 1.0 < world.service.url_s < puts["job-3"] - puts["job-1"]


def test_models_whose_trainings_began_together_do_not_ask_together(memory_path: Path) -> None:
    world = World(memory_path, two_models("uploads: 2, parallel: 2"))
    asked: dict[str, list[float]] = {"job-1": [], "job-2": []}
    world.service.before = lambda call, job: asked[job].append(world.clock.seconds) if call == "status" else None
    world.run()
    first, second = asked.values()
    assert first[:2] == second[:2] == [0.0, 0.0]  # before the upload, and when the wait begins
    assert not set(first[2:]) & set(second[2:])


def test_no_more_models_are_driven_side_by_side_than_parallel_allows(memory_path: Path) -> None:
    world = World(memory_path, two_models("parallel: 1"))
    order: list[str] = []
    world.service.before = lambda call, _job: order.append(call)
    world.run()
    assert order.index("switch") < len(order) - 1 - order[::-1].index("upload_url")
