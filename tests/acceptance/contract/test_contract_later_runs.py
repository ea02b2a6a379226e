"""What a second and third run do with what the ones before left."""

import time

import pytest

from tests.acceptance.contract.contract_project import AUTO, Project, rows, threshold
from tests.fakes.result_files import result

AUC = {"metric": "auc", "min": 0.80}
DROP = {"metric": "auc", "against": "incumbent", "max_drop": 0.01}


def test_a_second_run_on_the_same_data_asks_the_service_nothing_at_all(project: Project) -> None:
    project.add("served")
    project.add("held", policy=threshold(AUC), results=[result(AUC="0.1")])
    project.add("waiting", policy={"type": "manual"})
    assert project.run().code == 4
    before = len(project.service.log)
    assert project.run().code == 0
    assert project.outcomes() == {"served": "unchanged", "held": "held", "waiting": "awaiting_approval"}
    assert len(project.service.log) == before


def test_a_held_candidate_is_reported_each_night_and_is_news_only_once(project: Project) -> None:
    project.add("churn", policy=threshold(AUC), results=[result(AUC="0.1")])
    first = project.run()
    assert (first.code, "still held" in first.out) == (4, False)
    for _ in range(2):
        later = project.run()
        assert (later.code, "1 candidate is still held: churn" in later.out.splitlines()) == (0, True)
        assert (project.outcomes(), project.entry("churn")["still_held"]) == ({"churn": "held"}, True)
    assert "candidate" in project.retrain("status").out
    assert project.retrain("reject", "churn", "--reason", "too low").code == 0
    rejected = project.run()
    assert (rejected.code, project.outcomes()) == (0, {"churn": "unchanged"})
    assert "too low" in rejected.out
    assert " held" not in rejected.out + project.retrain("status").out


def test_the_same_rows_under_another_time_stamp_are_the_same_data(project: Project) -> None:
    project.add("churn")
    project.run()
    project.data_file("churn").unlink()
    project.write_data("churn", rows())
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "unchanged"}
    assert len(project.service.accepted("churn")) == 1


def test_changed_data_is_trained_and_only_that(project: Project) -> None:
    project.add("changed")
    project.add("same")
    project.add("eval_changed", evaluation=rows(40, seed=500))
    project.run()
    project.write_data("changed", rows(seed=1))
    project.write_data("eval_changed_eval", rows(40, seed=600))
    assert project.run().code == 0
    assert project.outcomes() == {"changed": "switched", "same": "unchanged", "eval_changed": "switched"}
    assert project.service.accepted("changed") == [rows(), rows(seed=1)]
    assert [len(project.service.accepted(name)) for name in ("same", "eval_changed")] == [1, 2]
    assert len(project.service.switches("changed")) == 2


def test_a_held_candidate_is_judged_again_by_a_changed_policy_without_a_training(project: Project) -> None:
    project.add("churn", policy=threshold({"metric": "auc", "min": 0.95}))
    assert project.run().code == 4
    before = len(project.service.log)
    project.manifest["policies"]["churn"] = threshold(AUC)
    project.save()
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert [call.name for call in project.service.log[before:]] == ["classifiers", "switch"]
    assert len(project.service.switches("churn")) == 1


def test_always_and_force_train_the_same_data_again(project: Project) -> None:
    project.add("always", retrain={"when": "always"})
    project.add("forced")
    project.run()
    project.run()
    assert project.outcomes() == {"always": "switched", "forced": "unchanged"}
    assert project.run("--force", "--select", "forced").code == 0
    assert project.outcomes() == {"forced": "switched"}
    assert [len(project.service.accepted(name)) for name in ("always", "forced")] == [2, 2]


def test_min_interval_skips_and_max_age_trains(project: Project) -> None:
    project.add("often", retrain={"min_interval": "1h"})
    project.add("old", retrain={"max_age": "1s"})
    project.run()
    project.write_data("often", rows(seed=1))
    time.sleep(1.1)
    assert project.run().code == 0
    assert project.outcomes() == {"often": "skipped", "old": "switched"}
    assert [len(project.service.accepted(name)) for name in ("often", "old")] == [1, 2]
    assert "min_interval" in project.entry("often")["reason"]


def test_a_change_rule_compares_with_the_last_candidate_that_was_switched_to(project: Project) -> None:
    evaluation = rows(40, seed=500)
    drifting = [result(AUC=value) for value in ("0.90", "0.89", "0.875", "0.88")]
    project.add("churn", policy=threshold(DROP, first_run="pass"), evaluation=evaluation, results=drifting)
    outcomes, baselines = [], []
    for seed in range(4):
        project.write_data("churn", rows(seed=seed))
        project.run()
        outcomes.append(project.outcomes()["churn"])
        baselines.append(project.entry("churn")["rules"][0]["baseline"])
    assert outcomes == ["switched", "switched", "held", "switched"]
    assert baselines == [None, 0.90, 0.89, 0.89]
    assert len(project.service.switches("churn")) == 3


def test_scores_on_different_evaluation_data_are_not_compared_unless_a_rule_says_so(project: Project) -> None:
    evaluation, better = rows(40, seed=500), [result(AUC="0.90"), result(AUC="0.95")]
    project.add("other_eval", policy=threshold(DROP, first_run="pass"), evaluation=evaluation, results=better)
    project.add("no_eval", policy=threshold(DROP, first_run="pass"), results=better)
    project.add(
        "any_eval",
        policy=threshold({**DROP, "any_eval": True}, first_run="pass"),
        evaluation=evaluation,
        results=better,
    )
    assert project.run().code == 0
    for name in ("other_eval", "no_eval", "any_eval"):
        project.write_data(name, rows(seed=1))
        project.write_data(f"{name}_eval", rows(40, seed=600))
    assert project.run().code == 4
    assert project.outcomes() == {"other_eval": "held", "no_eval": "held", "any_eval": "switched"}
    assert {project.entry(name)["verdict"] for name in ("other_eval", "no_eval")} == {"inconclusive"}


@pytest.mark.parametrize(
    ("first_run", "outcome"), [("pass", "switched"), ("hold", "held"), ("ask", "awaiting_approval")]
)
def test_without_an_incumbent_first_run_says_what_a_change_rule_comes_to(
    project: Project, first_run: str, outcome: str
) -> None:
    project.add("churn", policy=threshold(DROP, first_run=first_run))
    project.run()
    assert project.outcomes() == {"churn": outcome}


def test_a_decided_switch_that_a_run_left_out_is_done_by_the_next_one(project: Project) -> None:
    project.add("churn")
    assert project.run("--no-switch").code == 0
    assert project.outcomes() == {"churn": "skipped"}
    assert project.service.calls(name="switch") == []
    before = len(project.service.log)
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert [call.name for call in project.service.log[before:]] == ["classifiers", "switch"]


def test_a_switch_decided_by_an_old_policy_is_judged_again_by_the_new_one(project: Project) -> None:
    project.add("churn", policy=threshold(AUC))
    project.run("--no-switch")
    project.manifest["policies"]["churn"] = threshold({"metric": "auc", "min": 0.95})
    project.save()
    assert project.run().code == 4
    assert project.outcomes() == {"churn": "held"}
    assert project.service.calls(name="switch") == []


def test_a_model_renamed_to_another_policy_type_is_judged_by_that(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.run()
    project.manifest["policies"]["churn"] = dict(AUTO)
    project.save()
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.accepted("churn")) == 1
