"""What comes after a rollback: what is not trained or switched again, and what is. The judge is the service's log."""

from pathlib import Path

import pytest

from runner.execute.evaluation import evaluate_stored, judged
from runner.plan.approvals import inputs_now
from runner.plan.model_plan import Action, Choice, PlanStage
from tests.fakes.world import EXPIRED, NEVER_SENT, UNCLEAR, World
from tests.unit.plan.plan_people import decide_rollback, manifest, plan_of, review, roll_back, say, write_word


def served(folder: Path, count: int = 2, **settings: str) -> World:
    """Return a world in which as many jobs took over from each other, each with data of its own."""
    world = World(folder, manifest(**settings))
    for number in range(1, count + 1):
        world.write_data(str(number))
        assert world.run()["m"].outcome == "switched"
    return world


def counts(world: World) -> tuple[int, int]:
    """Return how many trainings and switches the service saw."""
    return world.service.effects["upload", "key-m"], world.service.effects["switch", "key-m"]


@pytest.mark.parametrize("retrain", ["{when: changed}", "{when: always}", "{max_age: 1d}"])
def test_data_that_was_rolled_back_from_is_not_trained_again(tmp_path: Path, retrain: str) -> None:
    world = served(tmp_path, retrain=retrain)
    roll_back(world, "job-1")
    before = counts(world)
    for _ in range(3):
        world.clock.seconds += 2 * 86400
        end = world.run()["m"]
        assert end.outcome == "unchanged"
        assert "the data is the same as for job job-2, from which ann turned back (off)" in end.reason.lower()
    assert counts(world) == before


def test_new_data_is_trained_and_compared_with_the_job_that_serves_now(tmp_path: Path) -> None:
    rule = "{metric: auc, against: incumbent, max_drop: 0.01, any_eval: true}"
    rules = f"{{type: threshold, rules: [{rule}], first_run: pass}}"
    world = served(tmp_path, policy=rules)
    roll_back(world, "job-1")
    world.write_data("3")
    assert world.run()["m"].outcome == "switched"
    decided = world.model().jobs["job-3"].decided
    assert decided is not None
    baseline = decided.fact.inputs["baseline"]
    assert baseline is not None
    assert baseline["retrain_job_id"] == "job-1"


def test_data_of_the_job_that_serves_again_is_unchanged(tmp_path: Path) -> None:
    world = served(tmp_path)
    roll_back(world, "job-1")
    world.write_data("1")
    plan = plan_of(world)
    assert (plan.outcome, plan.retrain_job_id) == ("unchanged", "job-1")


def test_force_trains_the_data_anew_and_its_candidate_is_judged_as_usual(tmp_path: Path) -> None:
    world = served(tmp_path)
    roll_back(world, "job-1")
    world.options = Choice(force=True)
    assert world.run()["m"].outcome == "switched"
    world.options = Choice()
    assert plan_of(world).outcome == "unchanged"
    assert world.model().incumbent_id == "job-3"


def test_a_training_that_was_under_way_on_the_same_data_is_not_switched_to(tmp_path: Path) -> None:
    world = served(tmp_path)
    world.write_manifest(manifest(retrain="{when: always}, wait: {timeout: 1m}"))
    assert world.run()["m"].outcome == "training"
    roll_back(world, "job-1")
    world.clock.seconds += 700
    end = world.run()["m"]
    assert (end.outcome, "--force" in end.reason) == ("held", True)
    before = counts(world)
    assert world.run()["m"].outcome == "unchanged"
    assert counts(world) == before
    assert world.model().incumbent_id == "job-1"


def test_a_file_does_not_approve_what_was_trained_meanwhile_on_the_data_that_was_rolled_back_from(
    tmp_path: Path,
) -> None:
    world = served(tmp_path)
    world.write_manifest(manifest("{type: manual}", retrain="{when: always}, wait: {timeout: 1m}"))
    world.run()
    roll_back(world, "job-1")
    world.clock.seconds += 700
    assert world.run()["m"].outcome == "awaiting_approval"
    write_word(world, "w3", world.model().jobs["job-3"])
    plan = plan_of(world)
    assert (plan.action, "approvals/w3.yaml has no effect: the data is the same as for job job-2" in plan.reason) == (
        Action.NONE,
        True,
    )


def test_an_approval_in_git_does_not_bring_back_what_was_rolled_back_from(tmp_path: Path) -> None:
    world = World(tmp_path, manifest("{type: manual}"))
    for number in ("1", "2"):
        world.write_data(number)
        world.run()
        write_word(world, f"w{number}", world.model().jobs[f"job-{number}"])
        assert world.run()["m"].outcome == "switched"
    roll_back(world, "job-1")
    before = counts(world)
    end = world.run()["m"]
    assert end.outcome == "unchanged"
    assert "approvals/w2.yaml has no effect" in end.reason
    assert counts(world) == before


def test_a_rolled_back_candidate_is_not_judged_again_when_its_policy_changes(tmp_path: Path) -> None:
    world = served(tmp_path)
    roll_back(world, "job-1")
    before = counts(world)
    world.write_manifest(manifest("{type: threshold, rules: [{metric: auc, min: 0.1}]}"))
    assert world.run()["m"].outcome == "unchanged"
    assert counts(world) == before


def test_a_waiting_candidate_is_judged_again_against_the_job_that_serves_now(tmp_path: Path) -> None:
    world = served(tmp_path)
    world.write_manifest(manifest("{type: manual}"))
    world.write_data("3")
    assert world.run()["m"].outcome == "awaiting_approval"
    roll_back(world, "job-1")
    plan = plan_of(world)
    assert (plan.action, "the incumbent changed" in plan.reason) == (Action.JUDGE, True)
    assert world.run()["m"].outcome == "awaiting_approval"


def test_an_approval_given_before_a_rollback_does_not_switch_after_it(tmp_path: Path) -> None:
    world = served(tmp_path)
    world.write_manifest(manifest("{type: manual}"))
    world.write_data("3")
    world.run()
    review(world, "job-3", "approve")
    decide_rollback(world, "job-1")
    world.run()
    before = counts(world)
    assert world.run()["m"].outcome == "awaiting_approval"
    assert counts(world) == before


def test_an_older_candidate_is_switched_to_only_when_its_approval_was_forced(tmp_path: Path) -> None:
    world = World(tmp_path, manifest("{type: manual}"))
    world.run()
    world.write_manifest(manifest())
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"
    review(world, "job-1", "approve")
    assert world.run()["m"].outcome == "unchanged"
    assert world.model().incumbent_id == "job-2"


def test_a_rollback_that_was_decided_and_not_begun_is_done_by_the_next_run_once(tmp_path: Path) -> None:
    world = served(tmp_path)
    decide_rollback(world, "job-1")
    assert plan_of(world).stages == (PlanStage.SWITCH,)
    assert world.run()["m"].outcome == "switched"
    assert world.run()["m"].outcome == "unchanged"
    assert world.service.log.count(("switch", "job-1")) == 2  # when it came, and when it came back


def test_a_forced_approval_of_an_older_candidate_is_carried_out_and_speaks_against_what_it_replaced(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, manifest("{type: manual}"))
    world.run()
    world.write_data("2")
    world.run()
    review(world, "job-2", "approve")
    assert world.run()["m"].outcome == "switched"
    world.write_manifest(manifest("{type: manual}", retrain="{when: always}"))
    decide_again(world, "job-1")
    review(world, "job-1", "approve", forced=True)
    assert plan_of(world).retrain_job_id == "job-1"
    assert world.run()["m"].outcome == "switched"
    before = counts(world)
    assert world.run()["m"].outcome == "unchanged"
    assert (counts(world), world.model().incumbent_id) == (before, "job-1")


def decide_again(world: World, job: str) -> None:
    """Judge a candidate again in the face of the incumbent, as a forced approval does."""
    found, progress, model = world.model().jobs[job], world.model(), world.manifest.models["m"]
    assert found.result is not None
    inputs = inputs_now(world.manifest, model, progress, found)
    evaluation = evaluate_stored(world.store.blobs, found.result.path, found.result.sha256, inputs)
    say(world, judged(world.manifest, model, found.result, inputs, evaluation))


def test_a_rollback_that_the_service_refused_is_over_and_the_incumbent_stays(tmp_path: Path) -> None:
    world = served(tmp_path)
    decide_rollback(world, "job-1")
    world.service.before = lambda call, _job: EXPIRED if call == "switch" else None
    assert world.run()["m"].outcome == "failed"
    plan = plan_of(world)
    assert (plan.outcome, world.model().incumbent_id) == ("unchanged", "job-2")


def test_a_rollback_that_never_left_stays_due(tmp_path: Path) -> None:
    world = served(tmp_path)
    decide_rollback(world, "job-1")
    world.service.before = lambda call, _job: NEVER_SENT if call == "switch" else None
    assert world.run()["m"].outcome == "failed"
    assert plan_of(world).action == Action.ROLLBACK
    world.service.before = lambda _call, _job: None
    assert world.run()["m"].outcome == "switched"


def test_an_unclear_rollback_is_settled_by_the_list_of_classifiers(tmp_path: Path) -> None:
    world = served(tmp_path)
    decide_rollback(world, "job-1")
    world.service.after = lambda call, _job: UNCLEAR if call == "switch" else None
    end = world.run()["m"]
    assert (end.outcome, end.retrain_job_id) == ("switched", "job-1")
    assert world.service.log.count(("switch", "job-1")) == 2


def test_rolling_back_and_forth_leaves_the_job_that_serves_in_good_standing(tmp_path: Path) -> None:
    world = served(tmp_path)
    roll_back(world, "job-1")
    roll_back(world, "job-2")
    assert world.model().serving.left == {}
    plan = plan_of(world)
    assert (plan.outcome, "which was switched to last" in plan.reason) == ("unchanged", True)
