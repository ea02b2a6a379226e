"""Every way in which a plan can be outrun is named."""

from typing import Any

import pytest

from runner.plan.document import PlannedFile, PlannedManifest, StalePlanError, Tool, differences
from runner.plan.model_plan import Action
from tests.unit.plan.plan_documents import dataset, document, file, model, sha

PLAN = document()


def manifest(**digests: str) -> PlannedManifest:
    files = tuple(PlannedFile(path=f"{name}.yaml", sha256=sha(letter)) for name, letter in digests.items())
    return PlannedManifest(paths=("models.yaml",), files=files, sha256=sha("9"))


def test_the_same_plan_has_no_difference_whatever_its_time_and_its_words() -> None:
    later = document(created_at="2027-01-01T00:00:00.000000Z", models=(model(reason="Said otherwise."),))
    assert differences(PLAN, later, []) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"tool": Tool(name="retrain-runner", version="0.2.0")},
            "made by retrain-runner 0.1.0, this is retrain-runner 0.2",
        ),
        ({"manifest": manifest(models="f")}, "the manifest file models.yaml changed"),
        ({"manifest": manifest(models="a", more="a")}, "the manifest file more.yaml is new"),
        ({"manifest": manifest()}, "the manifest file models.yaml is gone"),
        (
            {"datasets": (dataset(letter="f", train=file(letter="2", size=9)),)},
            "the data of churn changed: data/churn.csv has other content (1,234 bytes then, 9 now)",
        ),
        ({"datasets": (dataset(letter="f", eval=file("data/e.csv")),)}, "data/e.csv is new"),
        (
            {"datasets": (dataset(sha256=None, train=None, problem="data/churn.csv does not exist."),)},
            "the data of churn is no longer available: data/churn.csv does not exist.",
        ),
        (
            {"models": (model(policy="lax", policy_sha256=sha("f")),)},
            "the policy of churn changed (guarded then, lax now)",
        ),
        (
            {"models": (model(action=Action.NONE, reason="It rests."),)},
            "churn: the plan says retrain, now a run would do nothing (unchanged): It rests.",
        ),
        ({"models": (model(action=Action.SWITCH),)}, "now a run would do switch (job 5b21)"),
        ({"models": ()}, "the model churn is gone"),
        ({"models": (model(), model("wine"))}, "the model wine is not in the plan"),
    ],
)
def test_each_thing_that_moved_is_named(change: dict[str, Any], said: str) -> None:
    [found] = differences(PLAN, document(**change), [])
    assert said in found


def test_a_plan_that_names_a_model_twice_is_not_what_a_run_would_do() -> None:
    [found] = differences(document(models=(model(), model())), PLAN, [])
    assert "lists the models in another order" in found


def test_data_that_could_not_be_had_and_now_can_is_a_difference() -> None:
    plan = document(datasets=(dataset(sha256=None, train=None, problem="It was away."),))
    assert differences(plan, PLAN, []) == ["the data of churn is available now; when the plan was made: It was away."]


def test_everything_that_moved_is_named_at_once_and_its_consequences_are_not() -> None:
    now = document(
        manifest=manifest(models="f"),
        datasets=(dataset(letter="f", train=file(letter="2")),),
        models=(model(action=Action.NONE, policy_sha256=sha("f")),),
    )
    found = differences(PLAN, now, ["the state changed by 3 events"])
    assert len(found) == 4
    assert not any("the plan says" in one for one in found)


def test_many_models_on_one_dataset_are_counted() -> None:
    models = tuple(model(name) for name in "abcde")
    now = document(models=models, datasets=(dataset(letter="f", train=file(letter="2")),))
    [found] = differences(document(models=models), now, [])
    assert found.startswith("the data of a, b, c and 2 more changed")


def test_a_stale_plan_says_how_much_moved_and_shows_a_bounded_list() -> None:
    error = StalePlanError("plan.json", [f"thing {number}" for number in range(500)])
    assert error.exit_code == 7
    assert "500 inputs changed" in error.message
    assert len(error.details) == 101
    assert error.details[-1] == "since then: 400 more, not shown"
    assert StalePlanError("plan.json", ["thing"] * 100).details == ("since then: thing",) * 100
