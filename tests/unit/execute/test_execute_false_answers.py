"""A store that says yes and keeps nothing, a status that lags, a queue under a word for waiting: who is believed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import Kind
from runner.http.upload_body import SentFile, UploadWatch
from runner.journal.events import Draft, Fact, JobAbandoned, Resolved, UploadSucceeded
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.journal.store import open_store
from runner.lib.checksums import Checksum
from runner.lib.secrets import Secret
from runner.lib.timestamps import stamp
from runner.plan.model_plan import Choice
from runner.providers.base import Code, Done, Effect, Rejected, RejectionReason
from tests.fakes.run_ids import run_id
from tests.fakes.world import UNCLEAR, World, service_error, until_settled

MANIFEST = """
version: 1
service: {url: "https://service.test", quarantine: 5m}
defaults: {policy: p, dataset: d, wait: {timeout: 1h}}
datasets: {d: {train: data.csv}}
policies:
  p: {type: threshold, rules: [{metric: auc, min: 0.9}]}
models:
  m: {api_key: {env: KEY}}
"""
WITH_OTHER = f"{MANIFEST}  n: {{api_key: {{env: OTHER}}}}\n"
FALSE_YES = Done(detail="200")
QUARANTINE_S = 300.0


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, MANIFEST)


@pytest.fixture
def two(memory_path: Path) -> World:
    """Give a world with the models m and n."""
    return World(memory_path, WITH_OTHER)


def first_put(world: World, key: str, effect: Effect) -> Callable[[str, str], Effect | None]:
    """Return a fault that meets a model's first upload only."""
    met: list[str] = []

    def fault(call: str, job: str) -> Effect | None:
        if call != "put" or world.service.jobs[job].key != key or met:
            return None
        met.append(job)
        return effect

    return fault


def together(*faults: Callable[[str, str], Effect | None]) -> Callable[[str, str], Effect | None]:
    """Return the first answer that one of the faults gives."""
    return lambda call, job: next((one for one in [fault(call, job) for fault in faults] if one is not None), None)


def jobs_of(world: World, key: str) -> list[str]:
    """Return the jobs to which a model's data was sent, in order."""
    return [job for call, job in world.service.log if call == "put" and world.service.jobs[job].key == key]


def tell(world: World, model: str, *facts: Fact) -> None:
    """Write a person's word as `retrain resolve` does."""
    store = open_store(world.state)
    list(store.read())
    store.append([Draft(at=stamp(world.clock.now()), run_id=run_id(1), model=model, fact=fact) for fact in facts])
    store.close()


def not_started(world: World, job: str, model: str = "m") -> None:
    word = Resolved(retrain_job_id=job, state="not-started", by="p", reason="looked")
    tell(world, model, word, JobAbandoned(retrain_job_id=job, by="operator"))


def last(world: World, model: str = "m") -> RetrainJob:
    job = world.model(model).last
    assert job is not None
    return job


def test_a_false_yes_of_the_store_ends_unknown_once_nothing_can_come_any_more_and_names_the_next_step(
    world: World,
) -> None:
    world.service.before = first_put(world, "key-m", FALSE_YES)
    end = world.run()["m"]
    assert end.outcome == "unknown"
    assert "retrain resolve m --as not-started" in end.reason
    assert world.service.url_s + QUARANTINE_S <= world.clock.seconds < world.service.url_s + QUARANTINE_S + 60
    assert world.model().upload_unknown == last(world)


def test_a_model_the_store_lied_to_stays_unknown_without_another_upload_until_a_person_tells(world: World) -> None:
    world.service.before = first_put(world, "key-m", FALSE_YES)
    assert [world.run()["m"].outcome for _ in range(3)] == ["unknown"] * 3
    assert jobs_of(world, "key-m") == ["job-1"]
    not_started(world, "job-1")
    assert world.run()["m"].outcome == "switched"
    assert jobs_of(world, "key-m") == ["job-1", "job-2"]


def test_a_person_may_also_tell_that_a_contradicted_job_did_start(world: World) -> None:
    world.service.lag_s = 2000.0
    assert world.run()["m"].outcome == "unknown"
    word = Resolved(retrain_job_id="job-1", state="started", by="p", reason="looked")
    tell(world, "m", word, UploadSucceeded(retrain_job_id="job-1", proof="operator"))
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1


def test_a_store_that_lied_about_a_job_nobody_knows_is_found_out_as_well(world: World) -> None:
    def unknown_before_upload(call: str, job: str) -> None:
        if call == "status" and world.service.jobs[job].uploaded_at is None:
            raise service_error(Code.NOT_FOUND_JOB)

    world.service.before = together(unknown_before_upload, first_put(world, "key-m", FALSE_YES))
    end = world.run()["m"]
    assert (end.outcome, "not_found" in end.reason) == ("unknown", True)
    not_started(world, "job-1")
    assert world.run()["m"].outcome == "switched"


def test_a_service_that_knows_a_job_only_minutes_after_its_upload_is_waited_for(world: World) -> None:
    def unknown_at_first(call: str, job: str) -> None:
        uploaded = world.service.jobs[job].uploaded_at if call == "status" else 0.0
        if uploaded is None or (call == "status" and world.clock.seconds < uploaded + 120):
            raise service_error(Code.NOT_FOUND_JOB)

    world.service.before = unknown_at_first
    assert world.run()["m"].outcome == "switched"


def test_other_lost_uploads_wait_for_the_contradiction_to_be_settled_and_name_it_then_go_on(two: World) -> None:
    two.service.before = together(first_put(two, "key-m", FALSE_YES), first_put(two, "key-n", UNCLEAR))
    ends = two.run()
    assert {name: end.outcome for name, end in ends.items()} == {"m": "unknown", "n": "unknown"}
    assert f"Job {jobs_of(two, 'key-m')[0]} of m says waiting too" in ends["n"].reason
    assert len(jobs_of(two, "key-n")) == 1
    not_started(two, last(two, "m").retrain_job_id)
    assert {name: end.outcome for name, end in two.run().items()} == {"m": "switched", "n": "switched"}
    assert two.service.effects["upload", "key-m"] == two.service.effects["upload", "key-n"] == 1


def test_a_false_yes_that_was_settled_leaves_no_doubt_for_later_lost_uploads(two: World) -> None:
    two.service.before = first_put(two, "key-m", FALSE_YES)
    two.run()
    not_started(two, last(two, "m").retrain_job_id)
    two.run()
    two.write_data("2")
    two.service.before = first_put(two, "key-n", UNCLEAR)
    assert two.run()["n"].outcome == "switched"


@pytest.mark.parametrize("poll", ["adaptive", "30m"])
def test_a_status_that_lags_behind_uploads_leaves_no_doubt_for_later_lost_ones(memory_path: Path, poll: str) -> None:
    world = World(memory_path, MANIFEST.replace("timeout: 1h", f"timeout: 1h, poll: {poll}"))
    world.service.lag_s = QUARANTINE_S - 1
    assert world.run()["m"].outcome == "switched"
    world.write_data("2")
    world.service.before = first_put(world, "key-m", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert jobs_of(world, "key-m") == ["job-1", "job-2", "job-3"]
    assert world.service.effects["upload", "key-m"] == 2


def test_a_queue_under_a_word_for_waiting_is_learnt_and_a_lost_upload_in_it_is_never_called_dead(world: World) -> None:
    world.service.lag_s = 2000.0  # longer than URL and quarantine
    assert [ends["m"].outcome for ends in until_settled(world)] == ["unknown"] * 3 + ["switched"]
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"  # the word says nothing any more, so it is just waited for
    world.write_data("3")
    world.service.after = first_put(world, "key-m", UNCLEAR)  # it arrived; its answer did not
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == len(jobs_of(world, "key-m")) == 3


@pytest.mark.parametrize("poll", ["adaptive", "30m"])
def test_a_queue_that_was_short_over_the_quarantine_is_learnt_however_seldom_the_status_is_read(
    memory_path: Path, poll: str
) -> None:
    world = World(memory_path, MANIFEST.replace("timeout: 1h", f"timeout: 2h, poll: {poll}"))
    world.service.lag_s = QUARANTINE_S + 30
    assert world.run()["m"].outcome == "switched"
    world.write_data("2")
    world.service.lag_s = 2000.0
    world.service.after = first_put(world, "key-m", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 2


@pytest.mark.parametrize("poll", ["adaptive", "30m"])
def test_no_upload_is_called_dead_while_another_model_may_be_in_training_under_its_word(
    memory_path: Path, poll: str
) -> None:
    """Both uploads arrive at about the same time; the URL is short, and nothing was learnt before."""
    world = World(memory_path, WITH_OTHER.replace("timeout: 1h", f"timeout: 2h, poll: {poll}"))
    world.service.words, world.service.url_s = ("waiting", "waiting"), 10.0
    world.service.training_s = 3000.0
    world.service.after = first_put(world, "key-n", UNCLEAR)
    for _ in range(3):
        world.run()
    assert world.service.effects["upload", "key-n"] == len(jobs_of(world, "key-n")) == 1
    assert world.service.effects["upload", "key-m"] == len(jobs_of(world, "key-m")) == 1


def test_no_upload_is_called_dead_while_a_younger_one_of_another_model_says_its_word(memory_path: Path) -> None:
    """The younger one's quarantine is not over yet, so nothing is learnt for good; but the word is in doubt."""
    world = World(memory_path, MANIFEST.replace("timeout: 1h", "timeout: 1m"))
    world.service.words, world.service.training_s = ("waiting", "waiting"), 3000.0
    world.service.after = first_put(world, "key-m", UNCLEAR)
    assert world.run()["m"].outcome == "unknown"
    world.clock.seconds += world.service.url_s + QUARANTINE_S
    world.write_manifest(WITH_OTHER.replace("timeout: 1h", "timeout: 1m"))
    assert {name: end.outcome for name, end in world.run().items()} == {"m": "unknown", "n": "training"}
    assert jobs_of(world, "key-m") == ["job-1"]


def test_a_job_left_alone_by_force_within_its_lag_leaves_no_doubt(world: World) -> None:
    def stop_in_lag(commit: int) -> None:
        job = world.model().last if commit < 0 else None
        if job is not None and job.status == "waiting" and world.coordinator is not None:
            world.coordinator.stop("SIGTERM")

    world.service.lag_s, world.on_commit = 60.0, stop_in_lag
    assert world.run()["m"].outcome == "training"
    assert (last(world).stage, last(world).status) == (JobStage.STARTED, "waiting")
    world.on_commit = lambda _commit: None
    world.options, world.service.before = Choice(force=True), first_put(world, "key-m", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert len(jobs_of(world, "key-m")) == 3


def test_data_that_a_refusing_store_took_is_not_sent_to_it_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    upload = world.service.upload

    def refuse(url: Secret, file: SentFile, *, content: Checksum, watch: UploadWatch) -> Effect:
        asked.append(watch.may_repeat())
        upload(url, file, content=content, watch=watch)
        asked.append(watch.may_repeat())
        return Rejected(message="403", hint="Look.", kind=Kind.SERVICE, permanent=True, reason="signature")

    monkeypatch.setattr(world.service, "upload", refuse)
    assert world.run()["m"].outcome == "switched"
    assert asked == [True, False]
    assert world.service.calls("put") == 1


@pytest.mark.parametrize("reason", ["busy", "gateway", "documented"])
def test_a_switch_that_is_refused_and_listed_all_the_same_counts_and_is_not_repeated(
    world: World, reason: RejectionReason
) -> None:
    refused = Rejected(message="409", hint="Look.", kind=Kind.SERVICE, permanent=False, reason=reason)
    world.service.after = lambda call, _job: refused if call == "switch" else None
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("switch") == 1
