"""Numbers that cannot be, or that nobody knows to be the candidate's, decide nothing: from bytes to the decision."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from runner.lib.canonical_json import canonical_bytes
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import MetricDefinition, Rule, RuleKind, ThresholdPolicy
from runner.policy.decide import Inputs, evaluate, inputs_from_json, inputs_to_json, policy_digest
from runner.policy.evaluation import Baseline, Evaluation

Decide = Callable[..., Evaluation]


@pytest.fixture
def decide(rule: Callable[..., Rule], policy: Callable[..., ThresholdPolicy], evaluation: str) -> Decide:
    """Evaluate a result with one rule."""

    def decide(
        content: str | bytes | io.BytesIO,
        metric: str,
        kind: RuleKind,
        limit: str,
        *,
        definitions: Mapping[str, MetricDefinition] | None = None,
        baseline: Baseline | None = None,
        first_run: str = "hold",
    ) -> Evaluation:
        inputs = Inputs(
            policy=policy(rule(metric, kind, limit), first_run=first_run),
            definitions=definitions or {},
            baseline=baseline,
            eval_sha256=evaluation,
        )
        packed = content.encode() if isinstance(content, str) else content
        return evaluate(inputs, io.BytesIO(packed) if isinstance(packed, bytes) else packed)

    return decide


def unit_of(name: str, unit: Any) -> dict[str, MetricDefinition]:
    built_in = BUILT_IN_METRICS[name]
    return {
        name: MetricDefinition(
            name=name, file=None, select=None, direction=built_in.direction, target=built_in.target, unit=unit
        )
    }


def outside(name: str) -> list[str]:
    """Return values that the metric cannot have."""
    metric = BUILT_IN_METRICS[name]
    low = [] if metric.lowest is None else ["-1", "-0.000001", "-12.31", "-1E+300"]
    high = [] if metric.highest is None else ["1.000001", "62.5", "95", "1E+300", "9" * 90]
    return [*low, *high, "1E+400", "1e999"]


IMPOSSIBLE = [(name, text) for name in BUILT_IN_METRICS for text in outside(name)]


def spellings(name: str, text: str) -> list[str | bytes]:
    """Return results in many forms that say the metric has this value."""
    metric = BUILT_IN_METRICS[name]
    tables = [f"{spelling},{text}\n" for spelling in (name, *metric.spellings)]
    return [
        *tables,
        f"Metric,Value\n{name},{text}\n",
        f"指標,評価値\n{metric.spellings[-1]},{text}\n".encode("cp932"),
        f"{name}\n{text}\n",
        f'{{"{name}": {text}}}',
        f'{{"metrics": {{"{name}": {text}}}}}',
        f'{{"metrics": [{{"name": "{metric.spellings[0]}", "value": {text}}}]}}',
    ]


@pytest.mark.parametrize(("name", "text"), IMPOSSIBLE)
def test_a_value_outside_the_range_decides_nothing_in_any_form(decide: Decide, name: str, text: str) -> None:
    for content in spellings(name, text):
        for kind in ("min", "max"):
            evaluated = decide(content, name, kind, "0.5")
            assert evaluated.metrics[name] is None
            assert evaluated.verdict == "inconclusive"
            assert evaluated.decision.action == "hold"


@pytest.mark.parametrize(("name", "text"), IMPOSSIBLE)
def test_a_baseline_outside_the_range_decides_nothing(
    decide: Decide, baseline: Callable[..., Baseline], name: str, text: str
) -> None:
    value = "0.5"
    evaluated = decide(f"{name},{value}\n", name, "max_drop", "5000", baseline=baseline(**{name: text}))
    assert (evaluated.verdict, evaluated.rules[0].cause) == ("inconclusive", "no_baseline")
    assert evaluated.rules[0].baseline is None


@pytest.mark.parametrize(("name", "text"), IMPOSSIBLE)
def test_a_previous_value_outside_the_range_decides_nothing(decide: Decide, name: str, text: str) -> None:
    evaluated = decide(f"Metric,New,Previous\n{name},0.5,{text}\n", name, "max_drop", "5000", first_run="pass")
    assert (evaluated.verdict, evaluated.rules[0].cause) == ("inconclusive", "no_baseline")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in BUILT_IN_METRICS for text in ("0", "1", "0.5", "100%")),
        *(("r2", "-0.3"), ("r2", "-1E+300"), ("median_absolute_error_ratio", "1.25"), ("rmse", "12.31")),
    ],
)
def test_the_ends_of_a_range_are_values(decide: Decide, name: str, text: str) -> None:
    unit = unit_of(name, "percent") if text.endswith("%") else {}
    assert decide(f"{name},{text}\n", name, "min", "-1E+300", definitions=unit).verdict == "passed"


def test_the_reason_names_value_range_and_way_out(decide: Decide) -> None:
    reasons = {
        "auc": "auc 62.5 cannot be an auc (0 to 1); is it in percent? `metrics: {auc: {unit: percent}}` reads it so.",
        "rmse": "rmse -12.31 cannot be an rmse (0 or more).",
        "r2": "r2 250 cannot be an r2 (at most 1).",
        "recall": "recall 150% cannot be a recall (0 to 1).",
    }
    reads = {"auc": "62.5", "rmse": "-12.31", "r2": "250", "recall": "150%"}
    for name, reason in reasons.items():
        evaluated = decide(f"{name},{reads[name]}\n", name, "min", "0.5")
        assert evaluated.rules[0].reason == reason
        assert evaluated.texts == {name: reads[name]}


class TestPercent:
    """A number in percent is divided by 100 once, and only where something says that it is."""

    @pytest.mark.parametrize(
        "content",
        [
            "指標,値(%)\nAUC,62.5\n",
            "指標,値(%)\nAUC,62.5%\n",
            "指標,値\uff08\uff05\uff09\nAUC,\uff16\uff12\uff0e\uff15\uff05\n",
            "指標,評価値[%]\n分類精度 (AUC),62.5\n",
            "Metric,Value in percent\nAUC,62.5\n",
            "Metric,%\nAUC,62.5\n",
            "Metric,Score (pct)\nAUC,62.5\n",
            "AUC (%),62.5\n",
            "AUC (%)\n62.5\n",
            "AUC\uff08パーセント\uff09,62.5\n",
            "Metric,Value\nAUC percent,62.5\n",
            "Metric,Value,Unit\nAUC,62.5,%\n",
            "指標,値,単位\nAUC,62.5,パーセント\n",
            '{"auc (%)": 62.5}',
            '{"auc_pct": 62.5}',
            '{"metrics": {"auc_percent": 62.5}}',
            '{"metrics": [{"name": "AUC", "value": 62.5, "unit": "percent"}]}',
        ],
    )
    def test_what_says_percent_divides(self, decide: Decide, content: str) -> None:
        assert decide(content, "auc", "min", "0.8").metrics == {"auc": "0.625"}
        assert decide(content, "auc", "min", "0.8").verdict == "failed"

    @pytest.mark.parametrize(
        ("content", "value"),
        [
            ("AUC,90.12\n", "0.9012"),
            ("AUC,90.12%\n", "0.9012"),
            ("指標,値(%)\nAUC,90.12\n", "0.9012"),
            ('{"auc": 90.12}', "0.9012"),
            ('{"metrics": [{"name": "AUC", "value": 90.12}]}', "0.9012"),
            ("AUC,90.12345678901234567890123456789012345678\n", "0.9012345678901234567890123456789012345678"),
            ("AUC,9012\n", None),
        ],
    )
    def test_the_manifest_can_say_percent(self, decide: Decide, content: str, value: str | None) -> None:
        evaluated = decide(content, "auc", "min", "0.8", definitions=unit_of("auc", "percent"))
        assert evaluated.metrics == {"auc": value}
        assert evaluated.verdict == ("inconclusive" if value is None else "passed")
        assert "is it in percent" not in evaluated.rules[0].reason

    def test_the_manifest_goes_before_a_head_and_never_before_a_sign(self, decide: Decide) -> None:
        fraction = unit_of("auc", "fraction")
        content = "指標,値(%)\nAUC,0.9\n再現率,80\n"
        assert decide(content, "auc", "min", "0.8", definitions=fraction).metrics == {"auc": "0.9", "recall": "0.80"}
        assert decide("AUC,90%\n", "auc", "min", "0.8", definitions=fraction).metrics == {"auc": "0.90"}

    @pytest.mark.parametrize("name", ["rmse", "mae", "median_absolute_error"])
    @pytest.mark.parametrize("content", ["指標,値(%)\n{},12.31\n", "{},12.31%\n", "{} (%),12.31\n"])
    def test_an_error_in_percent_is_unclear_until_the_manifest_says_how_to_read_it(
        self, decide: Decide, name: str, content: str
    ) -> None:
        evaluated = decide(content.format(name), name, "max", "10")
        assert (evaluated.metrics, evaluated.verdict) == ({name: None}, "inconclusive")
        assert "is in percent" in evaluated.problems[name]
        told = decide(content.format(name), name, "max", "10", definitions=unit_of(name, "percent"))
        assert told.metrics == {name: "0.1231"}

    def test_a_custom_metric_has_a_unit_too(
        self, decide: Decide, definition: Callable[..., MetricDefinition], zipped: Callable[..., io.BytesIO]
    ) -> None:
        def read(select: str, unit: Any, file: str, content: str) -> str | None:
            stream = zipped({"metrics.csv": "AUC,0.9\n", file: content})
            wanted = {"share": definition("share", select, file=file, unit=unit)}
            value: str | None = decide(stream, "share", "min", "0", definitions=wanted).metrics["share"]
            return value

        assert read("/a", "percent", "r.json", '{"a": 7.5}') == "0.075"
        assert read("/a", None, "r.json", '{"a": 7.5}') == "7.5"
        assert read("/a_pct", None, "r.json", '{"a_pct": 7.5}') == "0.075"
        assert read("/a_pct", "fraction", "r.json", '{"a_pct": 7.5}') == "7.5"
        assert read("Share", "percent", "r.csv", "Share,7.5%\n") == "0.075"
        assert read("Share", None, "r.csv", "item,value (%)\nShare,7.5\n") == "0.075"

    def test_a_custom_metric_has_no_range(self, decide: Decide, definition: Callable[..., MetricDefinition]) -> None:
        wanted = {"profit": definition("profit", "Profit")}
        assert decide("Profit,-62.5\n", "profit", "max", "0", definitions=wanted).verdict == "passed"

    def test_a_unit_is_a_part_of_the_policys_digest_where_a_rule_uses_the_metric(
        self, rule: Callable[..., Rule], policy: Callable[..., ThresholdPolicy]
    ) -> None:
        asked = policy(rule("auc", "min", "0.8"))
        digests = {policy_digest(asked, unit_of("auc", unit)) for unit in ("percent", "fraction")}
        assert len({*digests, policy_digest(asked, {})}) == 3
        assert policy_digest(asked, unit_of("recall", "percent")) == policy_digest(asked, {})


class TestColumns:
    """Only a column that is known to hold the candidate's evaluation is its value; the reason names the heads."""

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            ("Metric,Train\nAUC,0.99\n", "'Train'"),
            ("Metric,Rank\nAUC,1\n", "'Rank'"),
            ("Metric,Std\nAUC,0.9\n", "'Std'"),
            ("指標,学習データ\nAUC,0.99\n", "'学習データ'"),
            ("Metric,Current\nAUC,0.91\n", "'Current'"),
            ("指標,現行モデル\nAUC,0.91\n", "'現行モデル'"),
            ("Metric,Previous\nAUC,0.91\n", "'Previous'"),
            ("Metric,Current,Previous\nAUC,0.91,0.90\n", "'Current'"),
            ("指標,現在,前回\nAUC,0.91,0.90\n", "'現在'"),
            ("Metric,Value,Current\nAUC,0.91,0.5\n", "'Value', 'Current'"),
            ("Metric,Value,Champion,Note\nAUC,0.91,0.5,x\n", "'Value', 'Champion'"),
            ("Metric,Test,Validation\nAUC,0.9,0.91\n", "'Test', 'Validation'"),
            ("Metric,Value,New\nAUC,0.9,0.5\n", "'New', 'Value'"),
            ("Metric,Value,Model B\nAUC,0.9,0.5\n", "'Model B'"),
            ("Metric,Model A,Model B\nAUC,0.9,0.5\n", "'Model A', 'Model B'"),
            ("Metric,Diff\nAUC,0.9\n", "'Diff'"),
            ("指標,差\nAUC,0.9\n", "'差'"),
            ("Metric,7\nAUC,0.9\n", "'7'"),
            ("Metric,\nAUC,0.9\n", "the table has nothing"),
            ("Train,Value\nAUC,0.99\n", "'Train'"),
            ("学習,値\nAUC,0.99\n", "'学習'"),
            ("Summary,2026\nMetric,Train\nAUC,0.99\n", "the header"),
            ("split,AUC,Recall\ntrain,0.99,0.9\n", "'train'"),
            ("model,AUC,Recall\nCurrent model,0.99,0.9\n", "'Current model'"),
            (",AUC,Recall\n学習データ,0.99,0.9\n", "'学習データ'"),
            ("AUC,0.99\nsplit,train\n", "'train'"),
            ("split,metric,value\ntrain,AUC,0.99\n", "'train'"),
            ("metric,value,model\nAUC,0.99,previous\n", "'previous'"),
            ("AUC,AUC (candidate)\n0.91,0.55\n", "another name of it"),
            ("AUC,0.91\nAUC (新),0.55\n", "another name of it"),
            ('{"auc": 0.91, "auc_candidate": 0.55}', "another name of it"),
            ('{"auc": 0.99, "test_auc": 0.55}', "another name of it"),
            ('{"auc": 0.6, "current_auc": 0.9}', "another name of it"),
            ('{"auc": 0.99, "split": "train"}', "'train'"),
            ('{"model": "current", "metrics": {"auc": 0.99}}', "'current'"),
            ('{"metrics": [{"name": "AUC", "value": 0.99, "dataset": "学習"}]}', "'学習'"),
        ],
    )
    def test_an_unclear_table_decides_nothing_and_names_why(self, decide: Decide, content: str, named: str) -> None:
        evaluated = decide(content, "auc", "min", "0.5", first_run="pass")
        assert (evaluated.metrics["auc"], evaluated.verdict) == (None, "inconclusive")
        assert evaluated.decision.action == "hold"
        assert named in evaluated.rules[0].reason

    @pytest.mark.parametrize(
        ("content", "previous"),
        [
            ("Metric,Current,Candidate\nAUC,0.91,0.55\n", "0.91"),
            ("Metric,Candidate,Production\nAUC,0.55,0.91\n", "0.91"),
            ("Metric,Champion,Challenger\nAUC,0.91,0.55\n", "0.91"),
            ("指標,現行モデル,新モデル\nAUC,91%,55%\n", "0.91"),
            ("指標,運用中(%),候補(%)\nAUC,91,55\n", "0.91"),
            ("Metric,Old,New\nAUC,0.91,0.55\n", "0.91"),
            ("指標,更新前,更新後\nAUC,0.91,0.55\n", "0.91"),
            ("指標,値,前回\nAUC,0.55,0.91\n", "0.91"),
            ("Metric,Current,Candidate,Difference\nAUC,0.91,0.55,-0.36\n", "0.91"),
            ("指標,値,前回比\nAUC,0.55,-0.36\n", None),
            ("指標,値,差分\nAUC,0.55,-0.36\n", None),
            ("指標,値,増減(%)\nAUC,0.55,-36\n", None),
            ("Metric,Value,vs previous\nAUC,0.55,0.1\n", None),
            ("Metric,Value,Change\nAUC,0.55,0.1\n", None),
            ("Metric,Value,Δ\nAUC,0.55,0.1\n", None),
            ("Metric,Value,Previous (difference)\nAUC,0.55,0.1\n", None),
            ("Metric,Train,Eval\nAUC,0.99,0.55\n", None),
            ("Metric,Rank,Std,Score\nAUC,1,0.9,0.55\n", None),
            ("No.,Metric,Value,95% CI,Baseline\n1,AUC,0.55,0.99,0.1\n", None),
            ("Metric,Value,Owner\nAUC,0.55,Ann\n", None),
            ("model,AUC,Recall\nchurn_prod,0.55,0.9\n", None),
            ('{"auc": 0.55, "auc_train": 0.99, "previous_auc": 0.91, "model": "new"}', None),
        ],
    )
    def test_a_clear_table_gives_the_candidate_and_the_model_before(
        self, decide: Decide, content: str, previous: str | None
    ) -> None:
        assert decide(content, "auc", "min", "0.8").verdict == "failed"
        rule = decide(content, "auc", "max_drop", "0.01").rules[0]
        assert (rule.observed, rule.baseline) == ("0.55", previous)
        assert rule.verdict == ("inconclusive" if previous is None else "failed")
        assert rule.cause == ("first_run" if previous is None else "measured")


def test_what_was_seen_in_the_field_never_switches(decide: Decide) -> None:
    """Per cent without a sign, errors below zero, unclear columns, differences and footnotes."""
    seen: list[tuple[str, str, RuleKind, str]] = [
        ("\ufeff指標,値(%)\nAUC,62.5\n正解率,71.0\n", "auc", "min", "0.8"),
        ("AUC,62.5\nAccuracy,71.0\n", "auc", "min", "0.8"),
        ("カバー率,91.2\n", "coverage_rate", "min", "0.85"),
        ("Metric,Value\nRMSE,-12.31\n", "rmse", "max", "10"),
        ("Metric,Value\nMAE,-1\n", "mae", "max", "10"),
        ("Metric,Train\nAUC,0.99\nAccuracy,0.98\n", "auc", "min", "0.8"),
        ("Metric,Rank\nAUC,1\nAccuracy,3\n", "auc", "min", "0.8"),
        ("Metric,Std\nAUC,0.9\nAccuracy,0.8\n", "auc", "min", "0.8"),
        ("Metric,Current,Candidate\nAUC,0.91,0.55\nAccuracy,0.9,0.5\n", "auc", "min", "0.8"),
        ("\ufeff指標,値,前回比\nAUC,0.61,-0.30\n", "auc", "max_drop", "0.01"),
        ("AUC,0.61¹\n", "auc", "min", "0.6105"),
        (json.dumps({"auc": 61}), "auc", "min", "0.8"),
        (json.dumps({"auc": 1}).replace("1", "1E+400"), "auc", "min", "0.8"),
    ]
    for content, metric, kind, limit in seen:
        assert decide(content, metric, kind, limit).decision.action == "hold", content


@pytest.mark.parametrize("unit", ["percent", "fraction"])
def test_a_unit_comes_back_from_the_record(
    rule: Callable[..., Rule], policy: Callable[..., ThresholdPolicy], unit: str
) -> None:
    asked = policy(rule("auc", "min", "0.8"))
    inputs = Inputs(policy=asked, definitions=unit_of("auc", unit), baseline=None, eval_sha256=None)
    back = inputs_from_json(json.loads(canonical_bytes(inputs_to_json(inputs))))
    assert back == inputs
    assert evaluate(back, io.BytesIO(b"AUC,0.9\n")) == evaluate(inputs, io.BytesIO(b"AUC,0.9\n"))
