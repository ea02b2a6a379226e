"""The evidence as a table and as one line: short numbers, the result file's unit, and what is missing."""

from decimal import Decimal
from typing import Any

from runner.journal.outcomes import Outcome
from runner.plan.evidence import Evidence, MetricEvidence
from runner.reports.evidence_text import evidence_line, evidence_table, undecided
from runner.reports.model import ModelReport


def metric(name: str = "auc", **values: Any) -> MetricEvidence:
    """Return a metric that got worse, or one with other values."""
    made = {
        "candidate": Decimal("0.939"),
        "incumbent": Decimal("0.954"),
        "difference": Decimal("-0.015"),
        "change": "worse",
        "unit": "",
        "problem": None,
    }
    return MetricEvidence(name=name, **{**made, **values})


def of(*metrics: MetricEvidence, **values: Any) -> Evidence:
    made = {"retrain_job_id": "b", "incumbent_job_id": "a", "source": "measured", "note": None}
    return Evidence(metrics=metrics, **{**made, **values})


PERCENT = metric(
    "accuracy",
    candidate=Decimal("0.9025"),
    incumbent=Decimal("0.885"),
    difference=Decimal("0.0175"),
    change="better",
    unit="%",
)
BARE = metric(incumbent=None, difference=None, change=None)
BROKEN = metric("r2", candidate=None, incumbent=None, difference=None, change=None, problem="is empty")
LONG = metric(
    "rmse", candidate=Decimal("10916.353"), incumbent=Decimal(10920), difference=Decimal("-3.647"), change="better"
)


def test_a_table_has_a_row_for_each_metric_with_signed_differences() -> None:
    assert evidence_table(of(metric(), PERCENT, LONG, BROKEN), width=None).splitlines() == [
        "metric    candidate  incumbent  difference",
        "auc           0.939      0.954      -0.015  worse",
        "accuracy    90.25 %     88.5 %    +1.75 pp  better",
        "rmse          10916      10920      -3.647  better",
        "r2             none       none              is empty",
    ]


def test_a_table_names_what_the_job_is_and_ends_with_what_speaks_against_the_comparison() -> None:
    shown = evidence_table(of(metric(), note="Not the same rows."), width=None, candidate="back to").splitlines()
    assert shown[0].split() == ["metric", "back", "to", "incumbent", "difference"]
    assert shown[-1] == "Not the same rows."


def test_a_decision_without_metrics_says_so() -> None:
    assert evidence_table(of(), width=80) == "No metric of either model is recorded."
    assert evidence_line(of()) == "No metric of either model is recorded"


def test_a_line_has_the_first_metrics_and_counts_the_others() -> None:
    same = metric("recall", difference=Decimal("0.0"), change="same", incumbent=Decimal("0.939"))
    assert evidence_line(of(metric(), PERCENT, same, BROKEN, LONG)) == (
        "auc 0.939 against 0.954 (-0.015, worse), accuracy 90.25 % against 88.5 % (+1.75 pp, better), "
        "recall 0.939 against 0.939 (same), r2 is empty, 1 more"
    )
    assert evidence_line(of(metric(), PERCENT), 1) == "auc 0.939 against 0.954 (-0.015, worse), 1 more"


def test_a_line_says_where_nothing_is_recorded_of_the_model_in_service() -> None:
    unrecorded = of(BARE, incumbent_job_id=None, source="unrecorded")
    assert evidence_line(unrecorded) == "auc 0.939; nothing is recorded of the model in service"


def test_a_metric_that_only_the_candidate_has_says_that_the_incumbent_has_none() -> None:
    bare = metric(incumbent=None, difference=None, change=None, problem="is not recorded for the incumbent")
    assert evidence_line(of(bare)) == "auc 0.939 against none"


def test_only_what_waits_or_is_held_is_undecided() -> None:
    shown = of(metric())
    outcomes: tuple[Outcome, ...] = ("awaiting_approval", "held", "switched", "skipped")
    found = [
        outcome
        for outcome in outcomes
        if undecided(ModelReport(name="m", outcome=outcome, reason="Because.", evidence=shown)) is not None
    ]
    assert found == ["awaiting_approval", "held"]
