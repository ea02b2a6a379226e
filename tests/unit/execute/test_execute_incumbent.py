"""A production model is never replaced by accident: what served is known, stated, or a person is asked."""

import shutil
from pathlib import Path

import pytest

from runner.app.review.rollback import find_target
from runner.plan.model_plan import Choice
from tests.fakes.world import World
from tests.unit.plan.plan_people import decide_rollback, manifest, review

RULE = "{metric: auc, against: incumbent, max_drop: 0.01, any_eval: true}"
GUARDED = f"{{type: threshold, rules: [{{metric: auc, min: 0.5}}, {RULE}]}}"
BOUND = "{type: threshold, rules: [{metric: auc, min: 0.5}]}"
DAY = 86400.0


def by_hand(world: World) -> None:
    """Publish a model of somebody else for this key, as a person does in the product."""
    world.service.serving["key-m"] = "job-900"


def served(folder: Path, policy: str = "{type: auto}") -> World:
    """Return a world in which job-1 took over, a day ago."""
    world = World(folder, manifest())
    assert world.run()["m"].outcome == "switched"
    world.write_manifest(manifest(policy))
    world.clock.seconds += DAY
    world.write_data("2")
    return world


def test_a_candidate_that_nothing_can_be_compared_with_waits_for_a_person(tmp_path: Path) -> None:
    world = World(tmp_path, manifest(GUARDED))
    world.service.metrics = {"AUC": "0.60"}
    end = world.run()["m"]
    assert end.outcome == "awaiting_approval"
    assert "no incumbent" not in end.reason.lower()
    assert world.service.calls("switch") == 0


def test_a_lost_state_knows_nothing_of_what_serves_and_asks(tmp_path: Path) -> None:
    world = served(tmp_path, GUARDED)
    shutil.rmtree(world.state.root)
    assert world.run()["m"].outcome == "awaiting_approval"
    assert world.service.calls("switch") == 1


@pytest.mark.parametrize(
    ("first_run", "outcome"), [("hold", "held"), ("pass", "switched"), ("ask", "awaiting_approval")]
)
def test_first_run_says_what_follows(tmp_path: Path, first_run: str, outcome: str) -> None:
    world = World(tmp_path, manifest(GUARDED.replace("rules", f"first_run: {first_run}, rules")))
    assert world.run()["m"].outcome == outcome


@pytest.mark.parametrize("policy", [BOUND, "{type: auto}"])
def test_a_policy_that_compares_nothing_switches_on_first_contact(tmp_path: Path, policy: str) -> None:
    assert World(tmp_path, manifest(policy)).run()["m"].outcome == "switched"


@pytest.mark.parametrize(("stated", "outcome"), [("0.95", "held"), ("0.90", "switched")])
def test_a_candidate_is_compared_with_what_is_stated(tmp_path: Path, stated: str, outcome: str) -> None:
    world = World(tmp_path, manifest(GUARDED, incumbent=f"{{metrics: {{auc: {stated}}}}}"))
    assert world.run()["m"].outcome == outcome
    decided = world.model().jobs["job-1"].decided
    assert decided is not None
    baseline = decided.fact.inputs["baseline"]
    assert baseline is not None
    assert baseline["source"] == "stated"


def test_a_candidate_that_waits_is_judged_again_when_what_serves_is_stated(tmp_path: Path) -> None:
    world = World(tmp_path, manifest(GUARDED))
    assert world.run()["m"].outcome == "awaiting_approval"
    world.write_manifest(manifest(GUARDED, incumbent="{metrics: {auc: 0.90}}"))
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == world.service.effects["switch", "key-m"] == 1


@pytest.mark.parametrize("policy", [GUARDED, BOUND, "{type: auto}"])
def test_after_a_switch_by_hand_no_policy_switches_and_a_person_is_asked(tmp_path: Path, policy: str) -> None:
    world = served(tmp_path, policy)
    by_hand(world)
    end = world.run()["m"]
    assert end.outcome == ("held" if policy == GUARDED else "awaiting_approval")
    assert any("changed outside" in warning for warning in end.warnings)
    assert world.service.calls("switch") == 1
    decided = world.model().jobs["job-2"].decided
    assert decided is not None
    assert decided.fact.inputs["drift"] == "changed_outside"


def test_a_persons_approval_switches_over_a_model_that_was_published_by_hand(tmp_path: Path) -> None:
    world = served(tmp_path)
    by_hand(world)
    assert world.run()["m"].outcome == "awaiting_approval"
    review(world, "job-2", "approve")
    assert world.run()["m"].outcome == "switched"
    assert world.service.serving["key-m"] == "job-2"


def test_a_switch_by_hand_after_the_decision_is_seen_before_the_switch(tmp_path: Path) -> None:
    world = served(tmp_path)
    world.options = Choice(no_switch=True)
    assert world.run()["m"].outcome == "skipped"
    by_hand(world)
    world.options = Choice()
    assert world.run()["m"].outcome == "awaiting_approval"
    assert world.service.serving["key-m"] == "job-900"


def test_a_switch_by_hand_after_the_approval_is_seen_before_the_switch(tmp_path: Path) -> None:
    world = served(tmp_path, "{type: manual}")
    assert world.run()["m"].outcome == "awaiting_approval"
    review(world, "job-2", "approve")
    by_hand(world)
    assert world.run()["m"].outcome == "awaiting_approval"
    assert world.service.serving["key-m"] == "job-900"


def test_our_model_in_service_again_ends_the_drift(tmp_path: Path) -> None:
    world = served(tmp_path)
    by_hand(world)
    assert world.run()["m"].outcome == "awaiting_approval"
    world.service.serving["key-m"] = "job-1"
    world.write_data("3")
    assert world.run()["m"].outcome == "switched"


def test_a_list_that_cannot_be_read_is_said_in_the_decision_and_asked_once_a_run(tmp_path: Path) -> None:
    world = served(tmp_path)
    world.service.readable = False
    before = world.service.calls("classifiers")
    assert world.run()["m"].outcome == "switched"
    decided = world.model().jobs["job-2"].decided
    assert decided is not None
    assert decided.fact.inputs["drift"] == "cannot_be_told"
    assert world.service.calls("classifiers") == before + 1


def test_a_rollback_restores_our_model_where_another_was_published_by_hand(tmp_path: Path) -> None:
    world = served(tmp_path)
    by_hand(world)
    assert world.run()["m"].outcome == "awaiting_approval"
    target, incumbent = find_target(world.model(), "m", "job-1")
    assert target == incumbent
    decide_rollback(world, "job-1")
    assert world.run()["m"].outcome == "switched"
    assert world.service.serving["key-m"] == "job-1"
    assert world.run()["m"].outcome == "switched"  # the candidate is judged again, now that ours serves
    assert world.service.serving["key-m"] == "job-2"


def test_a_candidate_held_in_a_drift_is_judged_again_when_our_model_is_restored(tmp_path: Path) -> None:
    world = served(tmp_path, GUARDED)
    by_hand(world)
    assert world.run()["m"].outcome == "held"
    assert world.run()["m"].outcome == "held"
    decide_rollback(world, "job-1")
    assert world.run()["m"].outcome == "switched"
    assert world.service.serving["key-m"] == "job-1"
    assert world.run()["m"].outcome == "switched"
    assert world.service.serving["key-m"] == "job-2"
    assert world.service.effects["upload", "key-m"] == 2
