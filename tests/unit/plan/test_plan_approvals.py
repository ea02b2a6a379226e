"""Which word in the approvals folder counts, and what a plan says of the others."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.plan.model_plan import Action, PlanStage
from tests.fakes.world import World
from tests.unit.plan.plan_people import manifest, plan_of, review, write_word

MANUAL = "{type: manual}"


@pytest.fixture
def waiting(tmp_path: Path) -> World:
    """Return a world whose candidate job-1 waits for approval."""
    world = World(tmp_path, manifest(MANUAL))
    assert world.run()["m"].outcome == "awaiting_approval"
    return world


def candidate(world: World, name: str = "job-1") -> str:
    decided = world.model().jobs[name].decided
    assert decided is not None
    return decided.fact.candidate_sha256


def test_a_matching_approval_is_planned_as_a_recorded_review_and_a_switch(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], candidate_sha256=candidate(waiting))
    plan = plan_of(waiting)
    assert (plan.action, plan.stages) == (Action.SWITCH, (PlanStage.REVIEW, PlanStage.SWITCH))
    assert "approved by ann (as the file says) in approvals/a.yaml" in plan.reason


def test_an_approval_is_recorded_with_its_file_before_the_one_switch(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"])
    assert waiting.run()["m"].outcome == "switched"
    word = waiting.model().jobs["job-1"].review
    assert word is not None
    assert word.fact.source is not None
    assert (word.fact.by, word.fact.source.file, word.fact.source.commit) == (
        "ann (as the file says)",
        "approvals/a.yaml",
        None,
    )
    assert waiting.run()["m"].outcome == "unchanged"
    assert waiting.service.calls("switch") == 1


def test_of_two_words_that_contradict_each_other_none_is_followed(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], action="reject")
    write_word(waiting, "b", waiting.model().jobs["job-1"])
    end = waiting.run()["m"]
    assert end.outcome == "failed"
    assert "approvals/a.yaml and approvals/b.yaml contradict each other about candidate job-1." in end.reason
    assert waiting.service.calls("switch") == 0
    (waiting.folder / "approvals" / "a.yaml").unlink()
    assert waiting.run()["m"].outcome == "switched"
    write_word(waiting, "a", waiting.model().jobs["job-1"], action="reject")
    assert waiting.run()["m"].outcome == "unchanged"


def test_a_rejection_is_recorded_once_and_keeps_the_candidate_out(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], action="reject")
    assert plan_of(waiting).action == Action.REJECT
    assert waiting.run()["m"].outcome == "unchanged"
    plan = plan_of(waiting)
    assert (plan.outcome, "was rejected by ann" in plan.reason) == ("unchanged", True)
    assert waiting.service.calls("switch") == 0


def test_a_rejection_keeps_out_what_the_policy_would_switch_to(tmp_path: Path) -> None:
    world = World(tmp_path, manifest())
    world.options = type(world.options)(no_switch=True)
    world.run()
    write_word(world, "a", world.model().jobs["job-1"], action="reject")
    world.options = type(world.options)()
    assert world.run()["m"].outcome == "unchanged"
    assert world.service.calls("switch") == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"job": "job-9"}, "this state has no job job-9 of m"),
        ({"result_sha256": "0" * 64}, "has no result with the SHA-256 that it names"),
        ({"candidate_sha256": "0" * 64}, "the policy or the manifest changed"),
        ({"expires": "2026-02-28"}, "it expired at 2026-03-01T00:00:00Z"),
    ],
)
def test_an_approval_of_anything_else_does_nothing_and_the_plan_says_why(
    waiting: World, changes: dict[str, str], why: str
) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], **changes)
    plan = plan_of(waiting)
    assert plan.outcome == "awaiting_approval"
    assert "The file approvals/a.yaml has no effect: " in plan.reason
    assert why in plan.reason
    assert waiting.run()["m"].reason == plan.reason
    assert waiting.service.calls("switch") == 0


def test_an_approval_counts_until_the_second_at_which_it_expires(waiting: World) -> None:
    now = waiting.clock.now().replace(microsecond=0)
    for seconds, action in ((0, Action.NONE), (1, Action.SWITCH)):
        expires = f"{now + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
        write_word(waiting, "a", waiting.model().jobs["job-1"], expires=expires)
        waiting.clock.seconds -= (waiting.clock.now() - now).total_seconds()
        assert waiting.clock.now() == now
        assert plan_of(waiting).action == action


def test_an_approval_of_a_model_is_none_of_another(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], model="other")
    assert plan_of(waiting).outcome == "awaiting_approval"


def test_an_approval_that_a_newer_candidate_superseded_does_nothing(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"])
    (waiting.folder / "approvals" / "a.yaml").rename(waiting.folder / "later.yaml")
    waiting.write_data("2")
    waiting.run()
    (waiting.folder / "later.yaml").rename(waiting.folder / "approvals" / "a.yaml")
    plan = plan_of(waiting)
    assert plan.outcome == "awaiting_approval"
    assert "it names job job-1, and job job-2 is newer" in plan.reason


def test_a_person_who_rejected_by_command_is_not_overruled_by_a_file(waiting: World) -> None:
    review(waiting, "job-1", "reject")
    write_word(waiting, "a", waiting.model().jobs["job-1"])
    plan = plan_of(waiting)
    assert (plan.outcome, "ann has already rejected job job-1" in plan.reason) == ("unchanged", True)


def test_an_approval_that_did_its_work_is_not_spoken_of_again(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"])
    waiting.run()
    assert "approvals/a.yaml" not in plan_of(waiting).reason


def test_an_approval_after_the_policy_changed_waits_for_the_new_decision(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], candidate_sha256=candidate(waiting))
    waiting.write_manifest(manifest("{type: threshold, rules: [{metric: auc, min: 0.5}], on_pass: ask}"))
    assert plan_of(waiting).action == Action.JUDGE
    assert waiting.run()["m"].outcome == "awaiting_approval"
    plan = plan_of(waiting)
    assert plan.outcome == "awaiting_approval"
    assert "the policy or the manifest changed since it was given" in plan.reason


def test_an_approval_after_the_models_key_changed_waits_for_the_new_decision(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], candidate_sha256=candidate(waiting))
    waiting.write_manifest(manifest(MANUAL, key="OTHER_KEY"))
    plan = plan_of(waiting)
    assert plan.action == Action.JUDGE
    assert "`api_key` in the manifest changed" in plan.reason
    waiting.run()
    assert waiting.service.calls("switch") == 0


def test_settings_that_have_no_part_in_a_decision_do_not_undo_an_approval(waiting: World) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], candidate_sha256=candidate(waiting))
    waiting.write_manifest(manifest(MANUAL, retrain="{when: changed, attempts: 3}, wait: {timeout: 2h}"))
    assert waiting.run()["m"].outcome == "switched"


def test_no_word_counts_after_the_policys_own_time_to_approve(tmp_path: Path) -> None:
    world = World(tmp_path, manifest("{type: manual, expires: 1h}"))
    world.run()
    write_word(world, "a", world.model().jobs["job-1"])
    world.clock.seconds += 3600
    assert plan_of(world).outcome == "held"


@pytest.mark.parametrize("name", ["m", "renamed"])
def test_a_word_counts_under_the_old_name_and_under_the_new_one(waiting: World, name: str) -> None:
    write_word(waiting, "a", waiting.model().jobs["job-1"], candidate_sha256=candidate(waiting), model=name)
    text = manifest(MANUAL).replace("  m: ", "  renamed: ")
    waiting.keys["renamed"] = "key-m"
    waiting.write_manifest(f"{text}moved: [{{from: m, to: renamed}}]\n")
    plan = plan_of(waiting)
    assert (plan.action, plan.stages) == (Action.SWITCH, (PlanStage.REVIEW, PlanStage.SWITCH))
    assert waiting.run()["renamed"].outcome == "switched"
    assert waiting.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}
    assert waiting.run()["renamed"].outcome == "unchanged"


def test_a_word_follows_its_job_when_names_are_swapped(tmp_path: Path) -> None:
    two = manifest(MANUAL) + "  n: {api_key: {env: OTHER}, dataset: d, policy: p}\n"
    world = World(tmp_path, two)
    assert {end.outcome for end in world.run().values()} == {"awaiting_approval"}
    write_word(world, "a", world.model().jobs["job-1"])
    world.keys = {"m": "key-n", "n": "key-m"}
    two = two.replace("KEY", "MINE").replace("OTHER", "KEY").replace("MINE", "OTHER")
    world.write_manifest(f"{two}moved: [{{from: m, to: n}}, {{from: n, to: m}}]\n")
    ends = world.run()
    assert {name: end.outcome for name, end in ends.items()} == {"m": "awaiting_approval", "n": "switched"}
    assert "has no effect" not in ends["m"].reason
    assert world.service.serving == {"key-m": "job-1"}


def test_of_many_words_that_do_nothing_few_are_told(waiting: World) -> None:
    job = waiting.model().jobs["job-1"]
    for number in range(9):
        write_word(waiting, f"w{number}", job, candidate_sha256="0" * 64)
    reason = plan_of(waiting).reason
    assert reason.count("has no effect: ") == 5
    assert "The same applies to 4 more of that folder's files." in reason
