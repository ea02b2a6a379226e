"""The arithmetic of single rules: every kind, every direction, at the border and on both sides of it."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from runner.manifest.model import Rule, RuleKind, ThresholdPolicy
from runner.policy.evaluation import Baseline, RuleResult
from runner.policy.judge import judge
from runner.results.metrics import ResultMetrics

CHANGES: tuple[RuleKind, ...] = ("max_drop", "min_gain", "max_drop_pct", "min_gain_pct")

JudgeOne = Callable[..., RuleResult]


@pytest.fixture
def judged(
    rule: Callable[..., Rule],
    policy: Callable[..., ThresholdPolicy],
    metrics: Callable[..., ResultMetrics],
    baseline: Callable[..., Baseline],
    evaluation: str,
) -> JudgeOne:
    def judge_one(metric: str, kind: RuleKind, limit: str, observed: str, before: str | None = None) -> RuleResult:
        judgement = judge(
            policy(rule(metric, kind, limit)),
            metrics({metric: observed}),
            definitions={},
            baseline=None if before is None else baseline(**{metric: before}),
            eval_sha256=evaluation,
        )
        assert judgement.verdict == judgement.rules[0].verdict
        return judgement.rules[0]

    return judge_one


BOUNDS = [
    ("min", "0.80", "0.912", "passed", "0.112", "auc 0.912 >= 0.80"),
    ("min", "0.80", "0.80", "passed", "0.00", "auc 0.80 >= 0.80"),
    ("min", "0.80", "0.7999999999999999999999999", "failed", "-1E-25", "auc 0.7999999999999999999999999 >= 0.80"),
    ("max", "0.80", "0.7", "passed", "0.10", "auc 0.7 <= 0.80"),
    ("max", "0.80", "0.8", "passed", "0.00", "auc 0.8 <= 0.80"),
    ("max", "0.80", "0.81", "failed", "-0.01", "auc 0.81 <= 0.80"),
    ("max", "-1", "-2", "passed", "1", "auc -2 <= -1"),
]


@pytest.mark.parametrize("case", BOUNDS)
def test_a_bound_is_inclusive_and_exact(judged: JudgeOne, case: tuple[str, ...]) -> None:
    kind, limit, observed, verdict, margin, formula = case
    result = judged("auc", kind, limit, observed)
    assert result.margin is not None
    assert (result.verdict, Decimal(result.margin), result.formula) == (verdict, Decimal(margin), formula)
    assert (result.limit, result.observed, result.baseline) == (limit, observed, None)


# metric, kind, limit, observed, baseline, verdict, margin; auc is better higher, rmse lower, coverage_rate near 0.9
CHANGED = [
    ("auc", "max_drop", "0.01", "0.912", "0.920", "passed", "0.002"),
    ("auc", "max_drop", "0.01", "0.910", "0.920", "passed", "0"),
    ("auc", "max_drop", "0.01", "0.909", "0.920", "failed", "-0.001"),
    ("auc", "max_drop", "0.01", "0.99", "0.920", "passed", "0.08"),
    ("auc", "max_drop", "0", "0.9", "0.9", "passed", "0"),
    ("auc", "min_gain", "0.02", "0.92", "0.90", "passed", "0"),
    ("auc", "min_gain", "0.02", "0.93", "0.90", "passed", "0.01"),
    ("auc", "min_gain", "0.02", "0.9199", "0.90", "failed", "-0.0001"),
    ("auc", "max_drop_pct", "10", "0.81", "0.9", "passed", "0"),
    ("auc", "max_drop_pct", "10", "0.80", "0.9", "failed", "-1.11111111111"),
    ("auc", "min_gain_pct", "10", "0.99", "0.9", "passed", "0"),
    ("auc", "min_gain_pct", "10", "0.98", "0.9", "failed", "-1.11111111111"),
    ("r2", "max_drop_pct", "50", "-0.3", "-0.2", "passed", "0"),
    ("r2", "max_drop_pct", "50", "-0.31", "-0.2", "failed", "-5"),
    ("r2", "min_gain_pct", "50", "-0.1", "-0.2", "passed", "0"),
    ("rmse", "max_drop", "0.2", "4.1", "3.9", "passed", "0"),
    ("rmse", "max_drop", "0.2", "4.11", "3.9", "failed", "-0.01"),
    ("rmse", "max_drop", "0.2", "1", "3.9", "passed", "3.1"),
    ("rmse", "min_gain", "0.2", "3.7", "3.9", "passed", "0"),
    ("rmse", "min_gain", "0.2", "3.71", "3.9", "failed", "-0.01"),
    ("rmse", "max_drop_pct", "5", "4.2", "4", "passed", "0"),
    ("rmse", "max_drop_pct", "5", "4.21", "4", "failed", "-0.25"),
    ("rmse", "min_gain_pct", "5", "3.8", "4", "passed", "0"),
    ("rmse", "min_gain_pct", "5", "3.81", "4", "failed", "-0.25"),
    ("coverage_rate", "max_drop", "0.02", "0.95", "0.93", "passed", "0"),
    ("coverage_rate", "max_drop", "0.02", "0.96", "0.93", "failed", "-0.01"),
    ("coverage_rate", "max_drop", "0.02", "0.84", "0.94", "passed", "0"),
    ("coverage_rate", "min_gain", "0.02", "0.91", "0.93", "passed", "0"),
    ("coverage_rate", "min_gain", "0.02", "0.88", "0.94", "passed", "0"),
    ("coverage_rate", "min_gain", "0.02", "0.97", "0.93", "failed", "-0.06"),
    ("coverage_rate", "max_drop_pct", "10", "0.75", "0.96", "passed", "0.625"),
    ("coverage_rate", "max_drop_pct", "10", "0.72", "0.96", "failed", "-2.5"),
    ("coverage_rate", "min_gain_pct", "5", "0.91", "0.96", "passed", "0.208333333333"),
    ("coverage_rate", "min_gain_pct", "6", "0.91", "0.96", "failed", "-0.791666666667"),
]


@pytest.mark.parametrize("case", CHANGED)
def test_a_change_is_in_the_good_or_bad_direction_of_its_metric(judged: JudgeOne, case: tuple[str, ...]) -> None:
    metric, kind, limit, observed, before, verdict, margin = case
    result = judged(metric, kind, limit, observed, before)
    assert result.margin is not None
    assert (result.verdict, Decimal(result.margin)) == (verdict, Decimal(margin))
    assert (result.observed, result.baseline, result.cause) == (observed, before, "measured")


def test_the_changes_under_test_cover_every_kind_direction_and_verdict() -> None:
    covered = {(metric, kind, verdict) for metric, kind, _, _, _, verdict, _ in CHANGED}
    for metric in ("auc", "rmse", "coverage_rate"):
        for kind in CHANGES:
            assert {(metric, kind, "passed"), (metric, kind, "failed")} <= covered


@pytest.mark.parametrize(
    "case",
    [
        ("auc", "max_drop", "0.01", "0.912", "0.920", "auc 0.912 - 0.920 = -0.008 >= -0.01 (incumbent, max_drop 0.01)"),
        ("auc", "min_gain", "0.02", "0.92", "0.90", "auc 0.92 - 0.90 = 0.02 >= 0.02 (incumbent, min_gain 0.02)"),
        (
            "rmse",
            "max_drop_pct",
            "5",
            "4.2",
            "4",
            "rmse (4 - 4.2) / |4| = -5.0% >= -5% (incumbent, max_drop_pct 5, lower is better)",
        ),
        (
            "coverage_rate",
            "min_gain",
            "0",
            "0.88",
            "0.93",
            "coverage_rate |0.93 - 0.9| - |0.88 - 0.9| = 0.01 >= 0 (incumbent, min_gain 0, nearest to 0.9 is better)",
        ),
    ],
)
def test_the_formula_shows_its_numbers(judged: JudgeOne, case: tuple[str, ...]) -> None:
    metric, kind, limit, observed, before, formula = case
    assert judged(metric, kind, limit, observed, before).formula == formula


SENTENCES = (
    ("auc", "min", "0.8", "0.9", None, "auc is 0.9, above the minimum 0.8."),
    ("auc", "min", "0.8", "0.80", None, "auc is 0.80, exactly the minimum."),
    ("auc", "min", "0.8", "0.7999999", None, "auc is 0.7999999, below the minimum 0.8."),
    ("rmse", "max", "10", "12.345678", None, "rmse is 12.35, above the maximum 10."),
    (
        *("auc", "max_drop", "0.010", "0.939", "0.954"),
        "auc fell from 0.954 to 0.939 (-0.015); at most -0.010 is allowed.",
    ),
    ("auc", "max_drop", "0.01", "0.96", "0.954", "auc rose from 0.954 to 0.96 (+0.006); at most -0.01 is allowed."),
    ("auc", "max_drop", "0", "0.9", "0.9", "auc is 0.9 as before; no drop is allowed."),
    ("rmse", "max_drop", "1", "12", "10", "rmse rose from 10 to 12 (+2); at most +1 is allowed."),
    ("rmse", "max_drop", "0", "12", "10", "rmse rose from 10 to 12 (+2); no rise is allowed."),
    ("rmse", "min_gain", "1", "9.5", "10", "rmse fell from 10 to 9.5 (-0.5); at least -1 is required."),
    ("auc", "min_gain", "0.02", "0.91", "0.9", "auc rose from 0.9 to 0.91 (+0.01); at least +0.02 is required."),
    ("rmse", "max_drop_pct", "5", "11", "10", "rmse rose from 10 to 11 (+10 %); at most +5 % is allowed."),
    (
        *("coverage_rate", "max_drop", "0.02", "0.8", "0.95"),
        "coverage_rate went from 0.95 to 0.8, 0.05 further from 0.9; at most 0.02 further is allowed.",
    ),
    (
        *("coverage_rate", "min_gain", "0.02", "0.91", "0.95"),
        "coverage_rate went from 0.95 to 0.91, 0.04 nearer to 0.9; at least 0.02 nearer is required.",
    ),
    (
        *("coverage_rate", "max_drop", "0", "0.85", "0.95"),
        "coverage_rate went from 0.95 to 0.85, as near to 0.9; it may not get further.",
    ),
)


@pytest.mark.parametrize("case", SENTENCES)
def test_the_reason_is_a_sentence_with_its_numbers(judged: JudgeOne, case: tuple[str, ...]) -> None:
    metric, kind, limit, observed, before, sentence = case
    assert judged(metric, kind, limit, observed, before).reason == sentence


def test_the_smallest_difference_of_the_longest_numbers_decides(judged: JudgeOne) -> None:
    just = judged("rmse", "min_gain", "1E+307", "1E-99", "1E+307")
    assert (just.verdict, just.margin) == ("failed", "-1E-99")
