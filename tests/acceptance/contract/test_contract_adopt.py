"""`retrain adopt` and `incumbent:`: what serves before the first switch is stated, recorded and compared with."""

import json
import time

import pytest

from tests.acceptance.contract.contract_project import Project, rows, threshold
from tests.fakes.result_files import result

DROP = {"metric": "auc", "against": "incumbent", "max_drop": 0.01, "any_eval": True}
WHY = ("--reason", "taken over from the old scripts")


@pytest.fixture
def unknown(project: Project) -> Project:
    """Return a project whose candidate of AUC 0.60 waits, since nothing is known of what serves."""
    project.add("churn", policy=threshold({"metric": "auc", "min": 0.5}, DROP), results=[result(AUC="0.60")])
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "awaiting_approval"}
    assert project.service.switches("churn") == []
    return project


def test_what_is_stated_is_recorded_shown_and_compared_with(unknown: Project) -> None:
    log = len(unknown.service.log)
    adopted = unknown.retrain("adopt", "churn", "--metric", "auc=0.95", *WHY, "--yes")
    assert adopted.code == 0, adopted.err
    assert len(unknown.service.log) == log
    status = json.loads(unknown.retrain("status", "--format", "json").out)["models"][0]
    assert (status["incumbent"], status["incumbent_known"]) == (None, "stated")
    assert status["incumbent_metrics"] == {"auc": "0.95"}
    assert "stated (auc 0.95)" in unknown.retrain("status").out
    assert unknown.run().code == 4
    assert unknown.outcomes() == {"churn": "held"}
    decision = unknown.entry("churn")["decision"]
    assert (decision["incumbent"], decision["drift"]) == ("stated", "cannot_be_told")
    assert len(unknown.service.accepted("churn")) == 1
    assert unknown.service.switches("churn") == []
    assert unknown.retrain("verify").code == 0
    history = unknown.retrain("history", "churn")
    assert history.code == 0
    site = unknown.retrain("site", "site")
    assert site.code == 0, site.err
    pages = [page.read_text("utf-8") for page in (unknown.folder / "site").rglob("*.html")]
    assert any("adopted, as stated" in page for page in pages)
    assert any("stated auc 0.95" in page for page in pages)
    assert not any("none yet" in page for page in pages)


def test_metrics_are_read_from_a_result_file_and_the_evaluation_file_makes_the_comparison_fair(
    project: Project,
) -> None:
    rule = {"metric": "auc", "against": "incumbent", "max_drop": 0.01}
    project.add("churn", policy=threshold(rule), evaluation=rows(40, seed=500), results=[result(AUC="0.90")])
    old = project.folder / "old.zip"
    old.write_bytes(result(AUC="0.905"))
    evaluation = project.data_file("churn_eval")
    adopted = project.retrain(
        "adopt", "churn", "--manifest", "models.yaml", "--result", str(old), "--eval", str(evaluation), *WHY, "--yes"
    )
    assert adopted.code == 0, adopted.err
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metric", "auk=0.9", *WHY), "There is no metric `auk`."),
        (("--metric", "auc=high", *WHY), "is not a number"),
        (("--metric", "auc=0.9", "--metric", "auc=0.8", *WHY), "is given twice"),
        (("--metric", "auc=62.5", *WHY), "cannot be an auc"),
        (("--metric", "auc", *WHY), "such as auc=0.91"),
        (("--metric", "auc=0.9", "--reason", " "), "An adoption needs a reason."),
        (("--metric", "auc=0.9"), "--reason"),
        (("--result", "nowhere.zip", *WHY), "cannot be read"),
        (("--eval", "nowhere.csv", *WHY), "does not exist"),
    ],
)
def test_what_cannot_be_adopted_is_refused_and_nothing_is_recorded(
    unknown: Project, arguments: tuple[str, ...], said: str
) -> None:
    refused = unknown.retrain("adopt", "churn", *arguments, "--yes")
    assert (refused.code, said in refused.err) == (2, True), refused.err
    assert json.loads(unknown.retrain("status", "--format", "json").out)["models"][0]["incumbent_known"] == "unrecorded"


def test_the_manifests_statement_is_a_stage_of_the_plan_and_recorded_once(unknown: Project) -> None:
    unknown.manifest["models"]["churn"]["incumbent"] = {"metrics": {"auc": 0.605}}
    unknown.save()
    plan = json.loads(unknown.retrain("plan", "models.yaml", "--format", "json").out)["models"][0]
    assert plan["stages"][0] == "adopt"
    assert unknown.run().code == 0
    assert unknown.outcomes() == {"churn": "switched"}
    log = len(unknown.service.log)
    assert unknown.run().code == 0
    assert len(unknown.service.log) == log
    assert unknown.retrain("verify").code == 0


def test_a_switch_by_hand_is_seen_by_status_plan_and_run(unknown: Project) -> None:
    unknown.manifest["policies"]["churn"] = {"type": "auto"}
    unknown.manifest["service"]["quarantine"] = "2s"
    unknown.service.lists_classifiers = True
    unknown.save()
    assert unknown.run().code == 0
    assert unknown.outcomes() == {"churn": "switched"}
    time.sleep(2)  # until then a list may be older than our switch
    seen = json.loads(unknown.retrain("status", "--refresh", "--format", "json").out)["models"][0]
    assert seen["drift"] == "in_sync"
    unknown.service.publish_by_hand("churn")
    seen = json.loads(unknown.retrain("status", "--refresh", "--format", "json").out)["models"][0]
    assert seen["drift"] == "changed_outside"
    assert "1 changed outside" in unknown.retrain("plan", "models.yaml", "--refresh").out
    unknown.write_data("churn", rows(seed=1))
    assert unknown.run().code == 0
    assert unknown.outcomes() == {"churn": "awaiting_approval"}
    assert unknown.entry("churn")["decision"]["drift"] == "changed_outside"
    assert len(unknown.service.switches("churn")) == 1


def test_a_kept_plan_and_a_refreshed_one_exclude_each_other(unknown: Project) -> None:
    refused = unknown.retrain("plan", "models.yaml", "--refresh", "--out", "plan.json")
    assert (refused.code, "Give --out or --refresh" in refused.err) == (2, True)
