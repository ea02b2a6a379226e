"""The protocol around the two effects, judged by the service's own log."""

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runner.journal.retrain_job import JobStage
from runner.plan.model_plan import Choice
from runner.providers.base import Effect
from tests.fakes.world import EXPIRED, NEVER_SENT, ONE_MODEL, REALM, UNCLEAR, CrashError, World, until_settled


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def once(call: str, effect: Effect) -> Callable[[str, str], Effect | None]:
    """Return a fault that meets the first such call only."""
    met: list[str] = []

    def fault(name: str, _job: str) -> Effect | None:
        if name != call or met:
            return None
        met.append(name)
        return effect

    return fault


def test_a_good_candidate_is_trained_once_and_switched_once(world: World) -> None:
    ends = world.run()
    assert ends["m"].outcome == "switched"
    assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}
    assert world.service.serving == {"key-m": "job-1"}


def test_the_same_data_is_not_trained_again(world: World) -> None:
    world.run()
    calls = len(world.service.log)
    assert world.run()["m"].outcome == "unchanged"
    assert len(world.service.log) == calls


def test_a_candidate_below_its_limit_is_held_and_never_switched(world: World) -> None:
    world.service.metrics = {"AUC": "0.89"}
    end = world.run()["m"]
    assert end.outcome == "held"
    assert "0.89" in end.reason
    assert world.service.calls("switch") == 0


def test_the_intent_is_durable_before_the_first_byte_and_the_decision_before_the_switch(world: World) -> None:
    seen: dict[str, JobStage] = {}

    def look(call: str, _job: str) -> None:
        last = world.progress().model(REALM, "m").last
        if call in ("put", "switch") and last is not None:
            seen[call] = last.stage

    world.service.before = look
    world.run()
    assert seen == {"put": JobStage.SENDING, "switch": JobStage.SWITCHING}


@pytest.mark.parametrize("answer", [None, UNCLEAR])
def test_the_proof_of_a_switch_and_the_models_end_are_one_commit(world: World, answer: Effect | None) -> None:
    commits: list[int] = []
    world.service.after = once("switch", answer) if answer else world.service.after
    world.on_commit = lambda number: commits.extend([number] if number > 0 and world.service.calls("switch") else [])
    assert world.run()["m"].outcome == "switched"
    assert len(commits) == (1 if answer is None else 2)  # that the answer is unclear is recorded before it is read back
    assert [job.stage for job in world.model().jobs.values()] == [JobStage.SWITCHED]


def test_an_upload_whose_answer_was_lost_is_found_by_the_status_and_not_sent_again(world: World) -> None:
    world.service.after = once("put", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("put") == 1
    assert world.service.effects["upload", "key-m"] == 1


def test_an_upload_that_never_arrived_gets_a_new_job_only_after_expiry_and_quarantine(world: World) -> None:
    world.service.before = once("put", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1
    assert world.service.calls("upload_url") == 2
    second = world.service.jobs["job-2"].uploaded_at
    assert second is not None
    assert second >= world.service.url_s + timedelta(minutes=5).total_seconds()


def test_no_second_job_while_the_first_ones_word_proves_nothing(memory_path: Path) -> None:
    world = World(memory_path, ONE_MODEL.replace("policy: p}", "policy: p, wait: {timeout: 2h}}"))
    world.service.words = ("processing", "processing")
    world.service.before = lambda call, _job: UNCLEAR if call == "put" else None
    assert [world.run()["m"].outcome for _ in range(2)] == ["unknown", "unknown"]
    assert world.service.calls("put") == 1


def test_no_second_job_while_the_waiting_word_is_one_this_service_also_uses_for_trainings(memory_path: Path) -> None:
    world = World(memory_path, ONE_MODEL.replace("policy: p}", "policy: p, wait: {timeout: 2h}}"))
    world.service.words = ("waiting", "waiting")
    world.run()
    world.write_data("2")
    world.service.before = once("put", UNCLEAR)
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("put") == 2
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("put") == 2


def test_a_connection_that_was_never_made_may_send_the_same_upload_again(world: World) -> None:
    world.service.before = once("put", NEVER_SENT)
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("put") == 2
    assert world.service.calls("upload_url") == 1


def test_an_expired_url_gets_a_new_job_in_the_same_run(world: World) -> None:
    world.service.before = once("put", EXPIRED)
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("upload_url") == 2
    assert world.service.effects["upload", "key-m"] == 1


def test_a_store_that_always_expires_fails_and_does_not_loop(world: World) -> None:
    world.service.before = lambda call, _job: EXPIRED if call == "put" else None
    end = world.run()["m"]
    assert end.outcome == "failed"
    assert "URL has expired" in end.reason
    assert world.service.calls("put") == 3


def test_a_switch_whose_answer_was_lost_is_read_back_and_not_repeated(world: World) -> None:
    world.service.after = once("switch", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("switch") == 1


def test_a_model_listed_before_the_switch_proves_nothing_afterwards(world: World) -> None:
    """Another classifier of the account serves it, or an earlier job of the same model id did."""
    world.service.serving["key-of-another-classifier"] = "job-1"
    world.service.before = once("switch", UNCLEAR)
    ends = [world.run()["m"] for _ in range(2)]
    assert [end.outcome for end in ends] == ["unknown"] * 2
    assert all("Its model 1 was on the list of those in service before the switch too." in end.reason for end in ends)
    assert world.service.calls("switch") == 1
    assert ("switch", "key-m") not in world.service.effects


def test_a_list_that_was_not_read_before_the_switch_proves_nothing_afterwards(world: World) -> None:
    def answer_later(call: str, _job: str) -> Effect | None:
        if call != "switch":
            return None
        world.service.readable = True
        return UNCLEAR

    world.service.readable = False
    world.service.after = answer_later
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("classifiers") == 2
    assert world.model().jobs["job-1"].listed_before is None


def test_a_switch_that_never_became_visible_is_intended_once_more_after_the_quarantine(world: World) -> None:
    world.service.before = once("switch", UNCLEAR)
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("switch") == 2
    assert world.service.effects["switch", "key-m"] == 1


def test_a_switch_that_cannot_be_read_back_ends_unknown_and_stays_so(world: World) -> None:
    world.service.readable = False
    world.service.after = once("switch", UNCLEAR)
    assert world.run()["m"].outcome == "unknown"
    assert world.run()["m"].outcome == "unknown"
    assert world.service.calls("switch") == 1


@pytest.mark.parametrize(
    ("policy", "call", "outcome"),
    [
        ("{type: auto}", "switch", "unknown"),
        ("{type: auto}", "put", "unknown"),
        ("{type: manual}", None, "awaiting_approval"),
    ],
)
def test_a_command_in_a_reason_names_the_state_of_the_run(
    memory_path: Path, policy: str, call: str | None, outcome: str
) -> None:
    """Two states may hold one model's name: a pasted `resolve` without the state would settle the other's doubt."""
    world = World(memory_path, re.sub(r"p: {type: .*}", f"p: {policy}", ONE_MODEL))
    world.service.readable = False
    world.service.words = ("processing", "processing")
    world.service.before = lambda name, _job: UNCLEAR if name == call else None
    end = world.run()["m"]
    printed = [text for text in re.findall("`([^`]+)`", end.reason) if " m " in text]
    assert end.outcome == outcome
    assert len(printed) == 2, end.reason
    assert all(text.endswith(f" --state {shlex.quote(str(world.state.root))}") for text in printed), end.reason


def test_a_training_longer_than_the_deadline_keeps_its_job_and_the_next_run_goes_on(memory_path: Path) -> None:
    world = World(memory_path, ONE_MODEL.replace("policy: p}", "policy: p, wait: {timeout: 5m}}"))
    assert world.run()["m"].outcome == "training"
    assert [ends["m"].outcome for ends in until_settled(world)][-1] == "switched"
    assert world.service.effects["upload", "key-m"] == 1


def test_a_failed_training_is_tried_again_by_the_next_run_as_often_as_attempts_allows(world: World) -> None:
    world.service.fails = "too few rows"
    ends = [world.run()["m"] for _ in range(4)]
    assert [end.outcome for end in ends] == ["failed"] * 4
    assert world.service.effects["upload", "key-m"] == 2
    assert all(end.error is not None and end.error.kind == "training" for end in ends)
    assert "too few rows" in ends[3].reason
    hints = [end.error.hint.split(",")[0] for end in ends[:2] if end.error is not None]
    assert hints == ["The next run tries once more", "No attempt is left on this data; change the data"]


def test_after_failed_trainings_changed_data_is_trained(world: World) -> None:
    world.service.fails = "too few rows"
    for _ in range(3):
        world.run()
    world.service.fails = None
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"


def test_force_trains_unchanged_data_again(world: World) -> None:
    world.run()
    world.options = Choice(force=True)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 2


def test_no_switch_leaves_the_decision_for_the_next_run(world: World) -> None:
    world.options = Choice(no_switch=True)
    assert world.run()["m"].outcome == "skipped"
    assert world.service.calls("switch") == 0
    world.options = Choice()
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}


def test_a_due_switch_is_judged_again_when_the_policy_changed_meanwhile(world: World) -> None:
    world.options = Choice(no_switch=True)
    world.run()
    world.options = Choice()
    world.write_manifest(ONE_MODEL.replace("min: 0.9", "min: 0.99"))
    assert world.run()["m"].outcome == "held"
    assert world.service.calls("switch") == 0


def test_a_held_candidate_is_judged_again_without_a_training_when_its_policy_changed(world: World) -> None:
    world.service.metrics = {"AUC": "0.85"}
    assert world.run()["m"].outcome == "held"
    assert world.run()["m"].outcome == "held"
    world.write_manifest(ONE_MODEL.replace("min: 0.9", "min: 0.8"))
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1


def test_a_signal_stops_waiting_and_the_next_run_resumes_the_same_job(world: World) -> None:
    polls: list[str] = []

    def stop_at_third_poll(call: str, _job: str) -> None:
        if call == "status":
            polls.append(call)
            if len(polls) == 3:
                assert world.coordinator is not None
                world.coordinator.stop("SIGTERM")

    world.service.before = stop_at_third_poll
    end = world.run()["m"]
    assert (end.outcome, "SIGTERM" in end.reason) == ("training", True)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 1


def test_a_stop_between_intent_and_upload_records_that_nothing_was_sent(world: World) -> None:
    def stop_after_intent(commit: int) -> None:
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == JobStage.SENDING and world.coordinator is not None:
            world.coordinator.stop("SIGINT")

    world.on_commit = stop_after_intent
    assert world.run()["m"].outcome == "skipped"
    assert world.service.calls("put") == 0
    world.on_commit = lambda _commit: None
    assert world.run()["m"].outcome == "switched"
    assert world.clock.seconds < world.service.url_s


def test_a_runner_that_slept_past_the_urls_expiry_does_not_send(world: World) -> None:
    slept: list[bool] = []

    def sleep_after_intent(commit: int) -> None:
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == JobStage.SENDING and not slept:
            slept.append(True)
            world.clock.seconds += world.service.url_s

    world.on_commit = sleep_after_intent
    assert world.run()["m"].outcome == "switched"
    assert [name for call, name in world.service.log if call == "put"] == ["job-2"]


def test_a_runner_that_slept_longer_than_the_quarantine_does_not_switch(world: World) -> None:
    slept: list[bool] = []

    def sleep_after_intent(commit: int) -> None:
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == JobStage.SWITCHING and not slept:
            slept.append(True)
            world.clock.seconds += 3600

    world.on_commit = sleep_after_intent
    assert world.run()["m"].outcome == "failed"
    assert world.service.calls("switch") == 0
    assert world.run()["m"].outcome == "switched"


def test_a_service_that_contradicts_the_journal_is_warned_of(world: World) -> None:
    forgotten: list[bool] = []

    def forget_the_upload(call: str, job: str) -> None:
        if call == "status" and world.service.jobs[job].uploaded_at is not None and not forgotten:
            forgotten.append(True)
            world.service.jobs[job].uploaded_at = None

    world.service.before = forget_the_upload
    end = world.run()["m"]
    assert end.outcome == "unknown"
    lasts = "job job-1 still says waiting, as before its upload, which the store confirmed more than 5m ago"
    assert lasts in end.warnings


def crash_points(folder: Path) -> list[tuple[str, int]]:
    """Count the calls and commits of an undisturbed run: each is a point to crash before and after."""
    (folder / "count").mkdir()
    world = World(folder / "count", ONE_MODEL)
    world.run()
    calls = [(side, number) for side in ("before", "after") for number in range(1, len(world.service.log) + 1)]
    commits = [(side, number) for side in ("uncommitted", "committed") for number in range(1, world.commits + 1)]
    return calls + commits


def arm(world: World, side: str, number: int) -> None:
    """Crash the world at one point, once."""
    counter = {"calls": 0}
    fired: list[bool] = []

    def at_call(_call: str, _job: str) -> None:
        counter["calls"] += 1
        if counter["calls"] == number and not fired:
            fired.append(True)
            raise CrashError

    def at_commit(commit: int) -> None:
        if commit == (number if side == "uncommitted" else -number) and not fired:
            fired.append(True)
            raise CrashError

    if side in ("before", "after"):
        setattr(world.service, side, at_call)
    else:
        world.on_commit = at_commit


def test_a_crash_at_every_call_and_every_commit_never_trains_or_switches_twice(memory_path: Path) -> None:
    points = crash_points(memory_path)
    assert len(points) > 40
    for side, number in points:
        folder = memory_path / f"{side}-{number}"
        folder.mkdir()
        world = World(folder, ONE_MODEL)
        arm(world, side, number)
        with pytest.raises(CrashError):
            world.run()
        outcomes = [ends["m"].outcome for ends in until_settled(world)]
        where = f"crash {side} {number}: {outcomes}, {world.service.effects}"
        assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}, where
        assert world.run()["m"].outcome == "unchanged", where
