"""The picture of a rule says the same as its verdict."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from runner.journal.retrain_job import Decided
from runner.manifest.model import AutoPolicy, ThresholdPolicy
from runner.policy.evaluation import Baseline
from runner.reports.charts.rule_chart import WIDTH, Chart, rule_charts, sampling_interval
from tests.unit.reports.report_history import PLACE, judged, rule, sha

BASELINE = {"auc": "0.92", "rmse": "2", "coverage_rate": "0.85"}


def decided(kind: str, metric: str, limit: str, value: str) -> Decided:
    policy = ThresholdPolicy(
        name="p",
        rules=(rule(metric, kind, limit),),
        on_pass="switch",
        on_fail="hold",
        on_inconclusive="hold",
        first_run="pass",
        expires=None,
        place=PLACE,
    )
    baseline = Baseline(retrain_job_id="j0", source="measured", metrics=BASELINE, eval_sha256=sha("eval of model"))
    names = {"auc": "AUC", "rmse": "RMSE", "coverage_rate": "Coverage Rate", "r2": "R2", "accuracy": "Accuracy"}
    fact = judged("j1", policy, content=f"{names[metric]},{value}\n".encode(), baseline=baseline)
    return Decided(fact=fact, at=datetime(2026, 3, 1, tzinfo=UTC), event_sha256="0" * 64, run_id="r")


def only(one: Decided) -> Chart:
    [chart] = rule_charts(one)
    assert chart is not None
    return chart


CASES = [
    ("min", "auc", "0.80", ["0.79", "0.80", "0.81"]),
    ("max", "rmse", "3", ["2.9", "3", "3.1"]),
    ("max_drop", "auc", "0.01", ["0.909", "0.91", "0.95"]),
    ("min_gain", "auc", "0.01", ["0.929", "0.93", "0.91"]),
    ("max_drop", "rmse", "0.5", ["2.4", "2.5", "2.6", "1"]),
    ("min_gain_pct", "rmse", "10", ["1.7", "1.8", "1.9", "2.5"]),
    ("max_drop_pct", "auc", "5", ["0.87", "0.874", "0.99"]),
    ("max_drop", "coverage_rate", "0.02", ["0.82", "0.83", "0.97", "0.98", "0.9"]),
    ("min_gain", "coverage_rate", "0.02", ["0.86", "0.87", "0.93", "0.94", "0.9"]),
]


@pytest.mark.parametrize(
    ("kind", "metric", "limit", "value"),
    [(kind, metric, limit, value) for kind, metric, limit, values in CASES for value in values],
)
def test_the_candidate_stands_in_the_passing_range_exactly_when_it_passed(
    kind: str, metric: str, limit: str, value: str
) -> None:
    one = decided(kind, metric, limit, value)
    chart = only(one)
    assert chart.passing is not None
    begin, length = map(Decimal, chart.passing)
    inside = begin <= Decimal(chart.observed) <= begin + length
    assert inside == (one.fact.evaluation.rules[0].verdict == "passed")
    assert len(chart.limits) == (2 if metric == "coverage_rate" else 1)
    places = [chart.observed, *(place for place, _ in chart.limits), *([chart.baseline] if chart.baseline else [])]
    assert all(0 < Decimal(place) < WIDTH for place in places)


def test_a_gain_that_no_value_can_reach_has_no_passing_range() -> None:
    chart = only(decided("min_gain", "coverage_rate", "0.2", "0.9"))
    assert chart.passing is None
    assert "no value passes" in chart.label


def test_the_picture_is_told_in_words() -> None:
    chart = only(decided("max_drop", "auc", "0.01", "0.912"))
    assert chart.label == "auc is 0.912; what passes goes from 0.91; the baseline is 0.92"


@pytest.mark.parametrize(
    ("metric", "value"), [("rmse", "1e307"), ("auc", "0." + "9" * 100), ("auc", "0"), ("r2", "-5"), ("r2", "-1e307")]
)
def test_extreme_values_stay_on_the_axis(metric: str, value: str) -> None:
    chart = only(decided("min", metric, "0.8", value))
    assert 0 < Decimal(chart.observed) < WIDTH


def test_values_that_differ_in_the_hundredth_digit_still_make_an_axis() -> None:
    chart = only(decided("min", "auc", f"0.{'9' * 99}8", f"0.{'9' * 100}"))
    assert Decimal(chart.limits[0][0]) < Decimal(chart.observed)


def test_a_rule_without_a_value_has_no_picture() -> None:
    assert rule_charts(decided("min", "auc", "0.8", "n/a")) == [None]


def test_a_policy_without_rules_has_no_pictures() -> None:
    fact = judged("j", AutoPolicy(name="auto", place=PLACE))
    one = Decided(fact=fact, at=datetime(2026, 3, 1, tzinfo=UTC), event_sha256="0" * 64, run_id="r")
    assert rule_charts(one) == []
    assert rule_charts(None) == []


@pytest.mark.parametrize(
    ("share", "rows", "low", "high"),  # as statsmodels' proportion_confint(method="wilson") has them
    [
        ("0.95", 100, "0.8882", "0.9785"),
        ("0.5", 10, "0.2366", "0.7634"),
        ("1", 20, "0.8389", "1.0000"),
        ("0", 5, "0", "0.4345"),
    ],
)
def test_a_share_of_rows_has_an_interval(share: str, rows: int, low: str, high: str) -> None:
    found = sampling_interval(Decimal(share), rows)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert abs(found.low - Decimal(low)) < Decimal("0.0001")
    assert abs(found.high - Decimal(high)) < Decimal("0.0001")


@pytest.mark.parametrize(("share", "rows"), [("0.5", None), ("0.5", 0), ("1.2", 10), ("-0.1", 10)])
def test_without_rows_or_a_share_there_is_no_interval(share: str, rows: int | None) -> None:
    assert sampling_interval(Decimal(share), rows) is None


def test_only_a_share_of_the_evaluation_rows_is_drawn_with_its_interval() -> None:
    [chart] = rule_charts(decided("min", "accuracy", "0.9", "0.95"), 100)
    assert chart is not None
    assert chart.sampled is not None
    begin, end, words = chart.sampled
    assert words == "0.8882 to 0.9785"
    assert 0 < float(begin) < float(chart.observed) < float(end) < WIDTH
    for charts in (
        rule_charts(decided("min", "accuracy", "0.9", "0.95")),
        rule_charts(decided("min", "auc", "0.8", "0.9"), 100),
    ):
        assert [found and found.sampled for found in charts] == [None]
