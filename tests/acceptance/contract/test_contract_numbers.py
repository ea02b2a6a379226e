"""Numbers that cannot be never switch a model; a mended manifest judges the held candidate again without a training."""

import pytest

from tests.acceptance.contract.contract_project import Project, threshold
from tests.fakes.result_files import archive, as_json, table
from tests.fakes.two_port_service import TwoPortService

AUC = threshold({"metric": "auc", "min": 0.8})
FALL = threshold({"metric": "auc", "against": "incumbent", "max_drop": 0.01}, first_run="hold")
UNCLEAR = {
    "percent": (AUC, table({"AUC": "62.5"}, header="")),
    "percent_head": (AUC, table({"AUC": "62.5"}, header="指標,値(%)")),
    "percent_json": (AUC, as_json({"auc": 61})),
    "beyond": (AUC, b'{"auc": 1E+400}'),
    "negative": (threshold({"metric": "rmse", "max": 10}), table({"RMSE": "-12.31"})),
    "train": (AUC, table({"AUC": "0.99"}, header="Metric,Train")),
    "incumbent": (AUC, table({"AUC": "0.91,0.55"}, header="Metric,Current,Candidate")),
    "difference": (FALL, table({"AUC": "0.61,-0.30"}, header="指標,値,前回比")),
    "footnote": (threshold({"metric": "auc", "min": 0.6105}), table({"AUC": "0.61\u00b9"}, header="")),
}


def test_a_number_that_cannot_be_or_is_not_the_candidates_never_switches(
    project: Project, service: TwoPortService
) -> None:
    for name, (policy, metrics) in UNCLEAR.items():
        member = "metrics.json" if metrics.startswith(b"{") else "metrics.csv"
        project.add(name, policy=policy, results=[archive({f"result/{member}": metrics})])
    ended = project.run()
    assert ended.code == 4, ended.err
    assert set(project.outcomes().values()) == {"held"}
    assert [service.switches(name) for name in UNCLEAR] == [[]] * len(UNCLEAR)
    assert "62.5 cannot be an auc (0 to 1); is it in percent?" in project.entry("percent")["reason"]
    assert project.entry("percent")["metrics"] == {"auc": None}
    assert project.entry("percent_head")["metrics"] == {"auc": 0.625}


@pytest.mark.parametrize(("value", "outcome"), [("90.12", "switched"), ("61", "held")])
def test_a_manifest_that_says_percent_judges_the_held_candidate_again(
    project: Project, service: TwoPortService, value: str, outcome: str
) -> None:
    project.add("churn", policy=AUC, results=[archive({"metrics.csv": table({"AUC": value}, header="")})])
    assert project.run().code == 4
    project.manifest["metrics"] = {"auc": {"unit": "percent"}}
    project.save()
    assert project.run().code == (0 if outcome == "switched" else 4)
    assert project.outcomes() == {"churn": outcome}
    assert len(service.accepted("churn")) == 1
    assert project.entry("churn")["metrics"] == {"auc": float(value) / 100}
    assert project.retrain("verify").code == 0
