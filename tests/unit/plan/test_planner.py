"""What a plan says for each state a model can be in. The states are made by the executor's own code."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.journal.retrain_job import JobStage
from runner.plan.incumbent import ONE_WAY
from runner.plan.model_plan import Action, Choice, ModelPlan, PlanStage
from tests.fakes.world import UNCLEAR, CrashError, World

MANIFEST = """
version: 1
service: {{url: "https://service.test"}}
datasets: {{d: {{train: data.csv}}}}
policies:
  p: {policy}
models:
  m: {{api_key: {{env: KEY}}, dataset: d, policy: p, retrain: {retrain}}}
"""
GUARDED = "{type: threshold, rules: [{metric: auc, min: 0.9}]}"
CHANGED = "{when: changed}"
WHOLE_ROAD = (PlanStage.CHECK, PlanStage.UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH)

UNKNOWN = "A switch replaces a model this project knows nothing about."


def world_of(folder: Path, policy: str = GUARDED, retrain: str = CHANGED) -> World:
    return World(folder, MANIFEST.format(policy=policy, retrain=retrain))


def plan_of(world: World) -> ModelPlan:
    (plan,) = world.plans(world.progress())
    return plan


def test_a_model_never_trained_walks_the_whole_road(tmp_path: Path) -> None:
    plan = plan_of(world_of(tmp_path))
    assert (plan.action, plan.stages) == (Action.RETRAIN, WHOLE_ROAD)


def test_unchanged_data_plans_nothing_and_names_the_job(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.run()
    plan = plan_of(world)
    assert (plan.action, plan.outcome, plan.retrain_job_id) == (Action.NONE, "unchanged", "job-1")
    assert "job-1" in plan.reason


def test_changed_data_is_trained(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.run()
    world.write_data("2")
    plan = plan_of(world)
    assert plan.action == Action.RETRAIN
    assert "changed since job job-1" in plan.reason


def test_data_that_went_back_to_an_older_content_is_trained_as_it_differs_from_the_last_job(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    for value in ("1", "2", "1"):
        world.write_data(value)
        assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 3


def test_missing_data_is_this_models_failure_with_its_file(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    (tmp_path / "data.csv").unlink()
    plan = plan_of(world)
    assert (plan.outcome, plan.error is not None and plan.error.kind) == ("failed", "data")
    assert "data.csv" in plan.reason


def test_a_job_in_training_is_waited_for_even_when_the_data_is_gone(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{when: changed}, wait: {timeout: 1m}")
    assert world.run()["m"].outcome == "training"
    (tmp_path / "data.csv").unlink()
    plan = plan_of(world)
    assert (plan.action, plan.stages[0]) == (Action.RESUME, PlanStage.WAIT)


def test_an_upload_of_unknown_result_is_settled_first(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{when: changed}, wait: {timeout: 1m}")
    world.service.before = lambda call, _job: UNCLEAR if call == "put" else None
    assert world.run()["m"].outcome == "unknown"
    plan = plan_of(world)
    assert (plan.action, plan.stages[0]) == (Action.RESUME, PlanStage.SETTLE_UPLOAD)


def test_when_always_trains_unchanged_data(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{when: always}")
    world.run()
    assert plan_of(world).action == Action.RETRAIN


def test_max_age_trains_unchanged_data_when_the_last_training_is_older(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{max_age: 30d}")
    world.run()
    world.clock.seconds += 29 * 86400
    assert plan_of(world).outcome == "unchanged"
    world.clock.seconds += 2 * 86400
    plan = plan_of(world)
    assert plan.action == Action.RETRAIN
    assert "30d" in plan.reason


@pytest.mark.parametrize("ahead", [timedelta(minutes=6), timedelta(days=1), timedelta(days=4000)])
@pytest.mark.parametrize("retrain", ["{min_interval: 1d}", "{max_age: 30d}"])
def test_a_job_dated_far_in_the_future_keeps_nothing_from_being_trained(
    tmp_path: Path, retrain: str, ahead: timedelta
) -> None:
    """A machine whose clock was wrong wrote it: that is found out by the first run with a right one, once."""
    world = world_of(tmp_path, retrain=retrain)
    world.clock.ahead = world.service.ahead = ahead
    world.run()
    world.clock.ahead = world.service.ahead = timedelta(seconds=-world.clock.seconds)
    world.write_data("2" if "min" in retrain else "1")
    assert plan_of(world).action == Action.RETRAIN
    world.run()
    assert plan_of(world).outcome == "unchanged"


def test_clocks_that_differ_a_little_do_not_shorten_min_interval(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{min_interval: 1d}")
    world.clock.ahead = timedelta(minutes=4)
    world.run()
    world.clock.ahead = timedelta(0)
    world.write_data("2")
    assert plan_of(world).outcome == "skipped"


def test_a_clock_that_is_ahead_ends_no_approval_for_good(tmp_path: Path) -> None:
    world = world_of(tmp_path, policy="{type: manual, expires: 14d}")
    world.run()
    world.clock.ahead = timedelta(days=15)
    assert world.run()["m"].outcome == "held"
    world.clock.ahead = timedelta(0)
    assert plan_of(world).outcome == "awaiting_approval"


def test_min_interval_skips_changed_data_until_it_is_over(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{min_interval: 1d}")
    world.run()
    world.write_data("2")
    plan = plan_of(world)
    assert (plan.outcome, plan.action) == ("skipped", Action.NONE)
    assert "2026-03-01T22:45:" in plan.reason
    world.clock.seconds += 86400
    assert plan_of(world).action == Action.RETRAIN


def test_force_overrules_unchanged_and_min_interval(tmp_path: Path) -> None:
    world = world_of(tmp_path, retrain="{min_interval: 1d}")
    world.run()
    world.options = Choice(force=True)
    assert plan_of(world).action == Action.RETRAIN


def test_force_names_what_it_leaves_behind(tmp_path: Path) -> None:
    world = world_of(tmp_path, policy="{type: manual}", retrain="{when: changed}, wait: {timeout: 1m}")
    world.options = Choice(force=True)
    assert plan_of(world).reason.count("left") == 0
    assert world.run()["m"].outcome == "training"
    assert "job job-1, which" in plan_of(world).reason
    assert "is left alone" in plan_of(world).reason
    world.options = Choice()
    world.write_manifest(MANIFEST.format(policy="{type: manual}", retrain=CHANGED))
    assert world.run()["m"].outcome == "awaiting_approval"
    world.options = Choice(force=True)
    assert "candidate job-1 is left behind" in plan_of(world).reason


def test_a_waiting_candidate_stays_waiting_and_expires(tmp_path: Path) -> None:
    world = world_of(tmp_path, policy="{type: manual, expires: 14d}")
    assert world.run()["m"].outcome == "awaiting_approval"
    assert plan_of(world).outcome == "awaiting_approval"
    world.clock.seconds += 14 * 86400
    plan = plan_of(world)
    assert (plan.outcome, "ended at 2026-03-15" in plan.reason) == ("held", True)


def test_changed_data_supersedes_a_waiting_candidate(tmp_path: Path) -> None:
    world = world_of(tmp_path, policy="{type: manual}")
    world.run()
    world.write_data("2")
    assert plan_of(world).action == Action.RETRAIN


@pytest.mark.parametrize("policy", ["{type: auto}", "{type: threshold, rules: [{metric: auc, min: 0.5}]}"])
def test_a_waiting_candidate_is_judged_again_when_its_policy_changed(tmp_path: Path, policy: str) -> None:
    world = world_of(tmp_path, policy="{type: manual}")
    world.run()
    world.write_manifest(MANIFEST.format(policy=policy, retrain=CHANGED))
    plan = plan_of(world)
    assert (plan.action, plan.stages) == (Action.JUDGE, (PlanStage.DECIDE, PlanStage.SWITCH))
    assert world.run()["m"].outcome == "switched"


def test_every_reason_is_a_sentence(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    reasons = [plan_of(world).reason]
    world.run()
    reasons.append(plan_of(world).reason)
    assert all(reason[0].isupper() and reason.endswith(".") for reason in reasons)


def test_a_held_candidate_stays_held_and_only_its_first_report_is_news(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.service.metrics = {"AUC": "0.85"}
    first = world.run()["m"]
    assert (first.outcome, first.still_held) == ("held", False)
    for _ in range(2):
        plan = plan_of(world)
        assert (plan.action, plan.outcome, plan.still_held) == (Action.NONE, "held", True)
        assert plan.reason.startswith("Candidate job-1 is still held: auc is 0.85, below the minimum 0.9. ")
        later = world.run()["m"]
        assert (later.outcome, later.still_held, later.calls) == ("held", True, {})


def test_a_candidate_that_was_judged_in_a_run_that_was_killed_is_news_in_the_next(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.service.metrics = {"AUC": "0.85"}

    def crash(commit: int) -> None:
        last = world.model().last if commit < 0 else None
        if last is not None and last.stage == JobStage.JUDGED:
            raise CrashError

    world.on_commit = crash
    with pytest.raises(CrashError):
        world.run()
    world.on_commit = lambda _commit: None
    assert [world.run()["m"].still_held for _ in range(2)] == [False, True]


def test_a_candidate_that_is_held_again_by_another_policy_is_news(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.service.metrics = {"AUC": "0.85"}
    world.run()
    world.run()
    world.write_manifest(MANIFEST.format(policy=GUARDED.replace("0.9", "0.86"), retrain=CHANGED))
    assert [world.run()["m"].still_held for _ in range(2)] == [False, True]


def test_a_newer_candidate_settles_a_held_one(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.service.metrics = {"AUC": "0.85"}
    world.run()
    world.service.metrics = {"AUC": "0.95"}
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"
    assert plan_of(world).outcome == "unchanged"


def test_an_approval_that_ended_is_news_once(tmp_path: Path) -> None:
    world = world_of(tmp_path, policy="{type: manual, expires: 14d}")
    world.run()
    world.clock.seconds += 14 * 86400
    ends = [world.run()["m"] for _ in range(2)]
    assert [(end.outcome, end.still_held) for end in ends] == [("held", False), ("held", True)]


def test_a_first_switch_says_that_nothing_brings_back_what_serves_now(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    assert plan_of(world).reason == f"It has not been trained by this project yet. {UNKNOWN} {ONE_WAY}"
    world.options = Choice(no_switch=True)
    assert ONE_WAY not in plan_of(world).reason
    assert world.run()["m"].outcome == "skipped"
    world.options = Choice()
    assert plan_of(world).reason.endswith(f"is decided and not done yet. {UNKNOWN} {ONE_WAY}")
    assert world.run()["m"].outcome == "switched"
    world.write_data("2")
    assert ONE_WAY not in plan_of(world).reason
