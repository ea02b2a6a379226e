from collections.abc import Callable
from decimal import Decimal

import pytest

from runner.errors import Kind, ModelError
from runner.manifest.model import MetricDefinition
from runner.results.metrics import BUILT_IN_NAMES, built_in_name, direction_of, folded, target_of

SPELLINGS = {
    "auc": ["AUC", "auc", "ROC AUC", "AUROC", "分類精度", "分類精度 (AUC)", "分類精度\uff08ＡＵＣ\uff09"],  # noqa: RUF001 - full width is the case under test
    "accuracy": ["Accuracy", "ACCURACY", " accuracy ", "正解率", "正解率 (Accuracy)"],
    "precision": ["Precision", "精度", "適合率", "Average Precision", "平均Precision", "精度（Precision）"],  # noqa: RUF001 - as above
    "recall": ["Recall", "再現率", "Average Recall", "平均Recall", "平均再現率"],
    "f_score": ["F-score", "f_score", "F score", "F値", "Ｆ値", "F1", "F-measure", "Average F-score", "平均F値"],
    "r2": ["Coefficient of Determination", "R2", "R²", "r^2", "R-squared", "決定係数", "決定係数 (R2)"],
    "rmse": ["RMSE", "rmse", "Root Mean Squared Error"],
    "mae": ["Mean Absolute Error", "MAE", "誤差平均値"],
    "median_absolute_error": ["Median Absolute Error", "誤差中央値"],
    "median_absolute_error_ratio": ["Median Absolute Error Ratio", "誤差率中央値"],
    "coverage_rate": ["Coverage Rate", "coverage_rate", "カバー率", "ｶﾊﾞｰ率"],
}
CASES = [(written, name) for name, spellings in SPELLINGS.items() for written in spellings]


@pytest.mark.parametrize(("written", "name"), CASES)
def test_each_spelling_of_the_service_is_known(written: str, name: str) -> None:
    assert built_in_name(written) == name


def test_every_built_in_metric_has_spellings_under_test() -> None:
    assert set(SPELLINGS) == set(BUILT_IN_NAMES)


@pytest.mark.parametrize("name", BUILT_IN_NAMES)
def test_a_built_in_name_is_its_own_spelling(name: str) -> None:
    assert built_in_name(name) == name


@pytest.mark.parametrize(
    "written",
    ["AUC (train)", "AUC (前回)", "精度 (AUC)", "Accuracy (95th percentile)", "Log loss", "", "()", "AUC" * 1000],
)
def test_a_name_that_may_mean_something_else_stays_unknown(written: str) -> None:
    assert built_in_name(written) is None


@pytest.mark.parametrize("name", ["auc", "accuracy", "precision", "recall", "f_score", "r2"])
def test_scores_are_better_higher(name: str) -> None:
    assert direction_of(name, {}) == "higher"


@pytest.mark.parametrize("name", ["rmse", "mae", "median_absolute_error", "median_absolute_error_ratio"])
def test_errors_are_better_lower(name: str) -> None:
    assert direction_of(name, {}) == "lower"


def test_the_coverage_rate_should_be_near_90_percent() -> None:
    assert direction_of("coverage_rate", {}) == "nearest"
    assert target_of("coverage_rate", {}) == Decimal("0.9")


def test_a_custom_metric_brings_its_direction(definition: Callable[..., MetricDefinition]) -> None:
    defined = {"cost": definition("cost", "/cost", direction="nearest", target=Decimal(5))}
    assert direction_of("cost", defined) == "nearest"
    assert target_of("cost", defined) == Decimal(5)


def test_a_metric_nobody_knows_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ModelError, match="neither built in nor defined") as caught:
        direction_of("profit", {})
    assert caught.value.kind is Kind.CONFIG


def test_a_metric_without_target_cannot_be_nearest(definition: Callable[..., MetricDefinition]) -> None:
    with pytest.raises(ModelError, match="no target"):
        target_of("cost", {"cost": definition("cost", "/cost", direction="nearest")})


def test_a_text_far_too_long_for_a_name_is_not_worked_on() -> None:
    assert folded("A b" * 66) == "ab" * 66
    assert folded("A b" * 67) == "A b" * 67
