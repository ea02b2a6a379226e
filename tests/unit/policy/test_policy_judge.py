from collections.abc import Callable
from typing import get_args

import pytest

from runner.errors import ModelError
from runner.manifest.model import AutoPolicy, ManualPolicy, MetricDefinition, Place, Rule, RuleKind, ThresholdPolicy
from runner.policy.evaluation import Baseline, RuleResult
from runner.policy.judge import Judgement, judge
from runner.results.metrics import ResultMetrics, unusable_metric

Rules = Callable[..., Rule]
Policies = Callable[..., ThresholdPolicy]
Metrics = Callable[..., ResultMetrics]
Baselines = Callable[..., Baseline]

CHANGES: tuple[RuleKind, ...] = ("max_drop", "min_gain", "max_drop_pct", "min_gain_pct")


class Judge:
    """Judges one rule on one metric."""

    def __init__(self, rule: Rules, policy: Policies, metrics: Metrics, baseline: Baselines, evaluation: str) -> None:
        self.rule, self.policy, self.metrics, self.baseline = rule, policy, metrics, baseline
        self.evaluation = evaluation

    def __call__(self, rule: Rule, observed: str, baseline: str | None = None) -> RuleResult:
        recorded = None if baseline is None else self.baseline(**{rule.metric: baseline})
        return self.on(rule, self.metrics({rule.metric: observed}), recorded)

    def on(self, rule: Rule, metrics: ResultMetrics, baseline: Baseline | None, **changes: str) -> RuleResult:
        judgement = judge(
            self.policy(rule, **changes),
            metrics,
            definitions={},
            baseline=baseline,
            eval_sha256=self.evaluation,
        )
        assert judgement.verdict == judgement.rules[0].verdict
        return judgement.rules[0]


@pytest.fixture
def judged(rule: Rules, policy: Policies, metrics: Metrics, baseline: Baselines, evaluation: str) -> Judge:
    return Judge(rule, policy, metrics, baseline, evaluation)


UNUSABLE = ["", "NaN", "inf", "-inf", "N/A", "true", "1e999", "1,000"]


@pytest.mark.parametrize("observed", UNUSABLE)
@pytest.mark.parametrize("first_run", ["pass", "hold", "ask"])
@pytest.mark.parametrize("recorded", [None, "0.5"])
@pytest.mark.parametrize("kind", get_args(RuleKind))
def test_a_metric_without_a_number_never_passes(
    judged: Judge, kind: str, recorded: str | None, first_run: str, observed: str
) -> None:
    rule = judged.rule("auc", kind, "0", any_eval=True)
    baseline = None if recorded is None else judged.baseline(auc=recorded)
    result = judged.on(rule, judged.metrics({"auc": observed}), baseline, first_run=first_run)
    assert (result.verdict, result.cause, result.observed, result.margin) == ("inconclusive", "unusable", None, None)
    assert result.reason.startswith("auc ")


@pytest.mark.parametrize("kind", get_args(RuleKind))
@pytest.mark.parametrize("first_run", ["pass", "hold", "ask"])
def test_a_metric_that_is_missing_never_passes_and_the_others_are_named(
    judged: Judge, kind: str, first_run: str
) -> None:
    result = judged.on(judged.rule("auc", kind, "0"), judged.metrics({"Recall": "1"}), None, first_run=first_run)
    assert result.verdict == "inconclusive"
    assert result.reason == "auc is missing from the result; it has Recall."
    assert "auc ?" in result.formula or "?" in result.formula


@pytest.mark.parametrize("problem", ["is true or false, not a number", "is text, not a number"])
def test_a_metric_of_another_json_type_never_passes(judged: Judge, problem: str) -> None:
    metrics = ResultMetrics(metrics={"auc": unusable_metric("auc", problem)}, previous={}, found=("AUC",))
    result = judged.on(judged.rule("auc", "min", "0"), metrics, None)
    assert (result.verdict, result.reason) == ("inconclusive", f"auc {problem}.")


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("text", UNUSABLE)
def test_a_baseline_without_a_number_is_inconclusive(judged: Judge, kind: str, text: str) -> None:
    result = judged(judged.rule("auc", kind, "0"), "0.9", text)
    assert (result.verdict, result.cause, result.baseline) == ("inconclusive", "no_baseline", None)


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("first_run", ["pass", "hold", "ask"])
def test_an_incumbent_without_the_metric_is_inconclusive(judged: Judge, kind: str, first_run: str) -> None:
    metrics = judged.metrics({"auc": "0.9"}, {"auc": "0.1"})
    result = judged.on(judged.rule("auc", kind, "0"), metrics, judged.baseline(recall="0.5"), first_run=first_run)
    assert (result.verdict, result.reason) == ("inconclusive", "No auc is recorded for the incumbent.")


@pytest.mark.parametrize("kind", ["max_drop_pct", "min_gain_pct"])
@pytest.mark.parametrize("any_eval", [True, False])
def test_a_percentage_of_zero_is_inconclusive(judged: Judge, kind: str, any_eval: bool) -> None:
    result = judged(judged.rule("r2", kind, "0", any_eval=any_eval), "0.9", "0.0")
    assert (result.verdict, result.cause) == ("inconclusive", "no_baseline")
    assert "(0.9 - 0.0) / |0.0| = ?%" in result.formula


@pytest.mark.parametrize("kind", ["max_drop", "min_gain"])
def test_an_absolute_change_from_zero_is_judged(judged: Judge, kind: str) -> None:
    assert judged(judged.rule("r2", kind, "0"), "0.1", "0").verdict == "passed"


class TestFirstRun:
    """No incumbent is recorded, and the result carries no previous model."""

    @pytest.mark.parametrize(
        ("first_run", "verdict"), [("pass", "passed"), ("hold", "inconclusive"), ("ask", "inconclusive")]
    )
    @pytest.mark.parametrize("kind", CHANGES)
    def test_first_run_says_what_a_change_is_worth(
        self, judged: Judge, kind: str, first_run: str, verdict: str
    ) -> None:
        result = judged.on(judged.rule("auc", kind, "1"), judged.metrics({"auc": "0.9"}), None, first_run=first_run)
        assert (result.verdict, result.cause, result.margin) == (verdict, "first_run", None)
        assert result.reason == "Nothing is recorded of the model in service to compare auc with."

    def test_a_bound_is_judged_as_ever(self, judged: Judge) -> None:
        rule = judged.rule("auc", "min", "0.95")
        assert judged.on(rule, judged.metrics({"auc": "0.9"}), None, first_run="pass").verdict == "failed"

    @pytest.mark.parametrize("first_run", ["pass", "hold", "ask"])
    @pytest.mark.parametrize(("before", "verdict"), [("0.89", "passed"), ("0.95", "failed"), ("NaN", "inconclusive")])
    def test_the_previous_model_in_the_result_stands_in_for_the_incumbent(
        self, judged: Judge, before: str, verdict: str, first_run: str
    ) -> None:
        """Both were scored on the same rows, so that no evaluation file is asked for."""
        policy = judged.policy(judged.rule("auc", "max_drop", "0.01"), first_run=first_run)
        metrics = judged.metrics({"auc": "0.9"}, {"auc": before})
        judgement = judge(policy, metrics, definitions={}, baseline=None, eval_sha256=None)
        assert judgement.verdict == verdict
        assert "previous model, max_drop 0.01" in judgement.rules[0].formula

    def test_a_previous_model_without_the_metric_is_not_a_baseline(self, judged: Judge) -> None:
        metrics = judged.metrics({"auc": "0.9"}, {"recall": "0.5"})
        assert judged.on(judged.rule("auc", "max_drop", "0"), metrics, None).cause == "first_run"


class TestEvaluationData:
    """A comparison is fair only when both models were scored on the same evaluation file."""

    @pytest.mark.parametrize("kind", CHANGES)
    @pytest.mark.parametrize(
        ("theirs", "ours"), [("a" * 64, "b" * 64), (None, "b" * 64), ("a" * 64, None), (None, None)]
    )
    def test_other_or_unknown_evaluation_data_is_inconclusive(
        self, judged: Judge, kind: str, theirs: str | None, ours: str | None
    ) -> None:
        for any_eval, cause in ((False, "other_evaluation"), (True, "measured")):
            judgement = judge(
                judged.policy(judged.rule("auc", kind, "0", any_eval=any_eval)),
                judged.metrics({"auc": "0.9"}, {"auc": "0.1"}),
                definitions={},
                baseline=judged.baseline(theirs, auc="0.9"),
                eval_sha256=ours,
            )
            assert judgement.verdict == ("passed" if any_eval else "inconclusive")
            assert judgement.rules[0].cause == cause

    def test_the_result_files_own_baseline_is_fair(self, judged: Judge) -> None:
        baseline = Baseline(retrain_job_id=None, source="result_file", metrics={"auc": "0.9"}, eval_sha256=None)
        result = judged.on(judged.rule("auc", "min_gain", "0"), judged.metrics({"auc": "0.9"}), baseline)
        assert result.verdict == "passed"

    def test_bounds_do_not_ask_for_evaluation_data(self, judged: Judge) -> None:
        policy = judged.policy(judged.rule("auc", "min", "0.5"))
        metrics = judged.metrics({"auc": "0.9"})
        assert judge(policy, metrics, definitions={}, baseline=None, eval_sha256=None).verdict == "passed"


class TestPolicyVerdict:
    """Failed before inconclusive before passed, over the rules that decide."""

    @pytest.mark.parametrize(
        ("limits", "verdict"),
        [
            (["0.5", "0.6"], "passed"),
            (["0.5", "0.95"], "failed"),
            (["0.5", None], "inconclusive"),
            ([None, "0.95"], "failed"),
        ],
    )
    def test_the_worst_rule_decides(
        self, rule: Rules, policy: Policies, metrics: Metrics, limits: list[str | None], verdict: str
    ) -> None:
        rules = [rule("recall", "min", "0") if limit is None else rule("auc", "min", limit) for limit in limits]
        assert self.verdict(policy(*rules), metrics({"auc": "0.9"})).verdict == verdict

    @pytest.mark.parametrize("metric", ["auc", "recall"])
    def test_a_warning_is_reported_and_never_decides(
        self, rule: Rules, policy: Policies, metrics: Metrics, metric: str
    ) -> None:
        rules = policy(rule("auc", "min", "0.5"), rule(metric, "min", "0.95", level="warn"))
        judgement = self.verdict(rules, metrics({"auc": "0.9"}))
        assert judgement.verdict == "passed"
        assert judgement.rules[1].verdict == ("failed" if metric == "auc" else "inconclusive")

    def test_warnings_alone_decide_nothing(self, rule: Rules, policy: Policies, metrics: Metrics) -> None:
        only = policy(rule("auc", "min", "0.5", level="warn"))
        assert self.verdict(only, metrics({"auc": "0.9"})).verdict == "inconclusive"

    def test_policies_without_rules_pass(self, metrics: Metrics) -> None:
        place = Place(file="retrain.yaml", line=1, column=1)
        for policy in (AutoPolicy(name="a", place=place), ManualPolicy(name="m", expires=None, place=place)):
            judgement = judge(policy, metrics({}), definitions={}, baseline=None, eval_sha256=None)
            assert judgement == Judgement(verdict="passed", rules=())

    def test_a_custom_metric_is_judged_in_its_own_direction(
        self, rule: Rules, policy: Policies, metrics: Metrics, definition: Callable[..., MetricDefinition]
    ) -> None:
        for direction, verdict in (("higher", "failed"), ("lower", "passed")):
            judgement = judge(
                policy(rule("cost", "min_gain", "1")),
                metrics({"cost": "7"}, {"cost": "9"}),
                definitions={"cost": definition("cost", "/cost", direction=direction)},
                baseline=None,
                eval_sha256=None,
            )
            assert judgement.verdict == verdict

    def test_a_rule_on_a_metric_nobody_knows_is_an_error(self, rule: Rules, policy: Policies, metrics: Metrics) -> None:
        with pytest.raises(ModelError, match="'profit' is neither built in nor defined"):
            self.verdict(policy(rule("profit", "min", "0")), metrics({"auc": "0.9"}))

    @staticmethod
    def verdict(policy: ThresholdPolicy, metrics: ResultMetrics) -> Judgement:
        return judge(policy, metrics, definitions={}, baseline=None, eval_sha256=None)
