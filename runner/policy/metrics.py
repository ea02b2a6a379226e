"""The metrics of a result: their names, the service's spellings of them, and which way is better."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.manifest.model import Direction, MetricDefinition
from runner.policy.number import NotANumber, number_from_text, shown

MISSING = "is missing from the result"

_DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {
        "auc": "higher",
        "accuracy": "higher",
        "precision": "higher",
        "recall": "higher",
        "f_score": "higher",
        "r2": "higher",
        "rmse": "lower",
        "mae": "lower",
        "median_absolute_error": "lower",
        "median_absolute_error_ratio": "lower",
        "coverage_rate": "nearest",
    }
)
BUILT_IN_NAMES: tuple[str, ...] = tuple(_DIRECTIONS)
_COVERAGE_TARGET = Decimal("0.9")  # the service's forecast intervals are meant to hold 90 % of the values

# The service's English and Japanese names, then what people and other tools write.
_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "auc": ("AUC", "分類精度", "ROC AUC", "AUC ROC", "AUROC"),
        "accuracy": ("Accuracy", "正解率"),
        "precision": ("Precision", "精度", "適合率", "Average Precision", "平均Precision", "平均精度", "平均適合率"),
        "recall": ("Recall", "再現率", "Average Recall", "平均Recall", "平均再現率"),
        "f_score": ("F-score", "F値", "F1", "F1-score", "F1値", "F-measure", "Average F-score", "平均F値"),
        "r2": ("Coefficient of Determination", "決定係数", "R2", "R^2", "R-squared", "R2 score"),
        "rmse": ("RMSE", "Root Mean Squared Error", "Root Mean Square Error", "二乗平均平方根誤差"),
        "mae": ("MAE", "Mean Absolute Error", "誤差平均値", "平均絶対誤差"),
        "median_absolute_error": ("Median Absolute Error", "誤差中央値"),
        "median_absolute_error_ratio": ("Median Absolute Error Ratio", "誤差率中央値"),
        "coverage_rate": ("Coverage Rate", "Coverage", "カバー率"),
    }
)
_JOINERS = re.compile(r"[\s_\-\u2010-\u2015\u2212]+")
_LONGEST_NAME = 200  # no metric is called by more; folding a text of megabytes would only cost time
_BOTH_NAMES = re.compile(r"(?P<outer>[^()]+)\((?P<inner>[^()]+)\)")


class Metric(Struct, frozen=True, kw_only=True):
    """One metric of a result.

    `text` is the source text, such as `92.5%`; `value` the exact number, or None when `problem` says why there is
    none, as the end of a sentence that begins with the metric's name.
    """

    name: str
    text: str
    value: Decimal | None
    problem: str | None


class ResultMetrics(Struct, frozen=True, kw_only=True):
    """What a result file says.

    `metrics` holds the built-in metrics found and every custom metric defined, by name; `previous` the same for the
    model before, where the file compares the two. `found` are all names in the file, as written. `unread` is None, or
    one sentence on why nothing in the file can be read.
    """

    metrics: Mapping[str, Metric]
    previous: Mapping[str, Metric]
    found: tuple[str, ...]
    unread: str | None = None


def folded(name: str) -> str:
    """Return the name's form for comparing: width, letter case, spaces, hyphens and underscores do not matter."""
    if len(name) > _LONGEST_NAME:
        return name
    return _JOINERS.sub("", unicodedata.normalize("NFKC", name).casefold())


def _built_in_by_spelling() -> dict[str, str]:
    pairs = [(name, spelling) for name, spellings in _SPELLINGS.items() for spelling in (name, *spellings)]
    return {folded(spelling): name for name, spelling in pairs}


_BUILT_IN = MappingProxyType(_built_in_by_spelling())


def built_in_name(written: str) -> str | None:
    """Return the built-in metric of a spelling, or None.

    A second name in brackets must mean the same metric: `分類精度 (AUC)` is auc, `AUC (train)` is unknown.
    """
    form = folded(written)
    both = _BOTH_NAMES.fullmatch(form)
    if both is None:
        return _BUILT_IN.get(form)
    outer, inner = _BUILT_IN.get(both["outer"]), _BUILT_IN.get(both["inner"])
    return outer if outer == inner else None


def direction_of(name: str, definitions: Mapping[str, MetricDefinition]) -> Direction:
    """Return which way the metric gets better.

    Raises:
        ModelError: of kind config, when the name is neither built in nor defined.
    """
    if name in _DIRECTIONS:
        return _DIRECTIONS[name]
    return _definition(name, definitions).direction


def target_of(name: str, definitions: Mapping[str, MetricDefinition]) -> Decimal:
    """Return the value that a `nearest` metric should come close to.

    Raises:
        ModelError: of kind config, when the metric is unknown or has no target.
    """
    target = _COVERAGE_TARGET if name in _DIRECTIONS else _definition(name, definitions).target
    if target is None:
        raise ModelError(
            Kind.CONFIG,
            f"The metric '{shown(name)}' has no target to be near to.",
            hint="Give it a `target` under `metrics:`.",
        )
    return target


def _definition(name: str, definitions: Mapping[str, MetricDefinition]) -> MetricDefinition:
    if name in definitions:
        return definitions[name]
    raise ModelError(
        Kind.CONFIG,
        f"The metric '{shown(name)}' is neither built in nor defined.",
        hint=f"Define it under `metrics:`, or use one of {', '.join(BUILT_IN_NAMES)}.",
    )


def metric_from_text(name: str, text: str) -> Metric:
    """Return the metric whose number stands in the text."""
    number = number_from_text(text)
    if isinstance(number, NotANumber):
        return unusable_metric(name, number.why, text=text)
    return Metric(name=name, text=text.strip(), value=number, problem=None)


def unusable_metric(name: str, problem: str, *, text: str = "") -> Metric:
    """Return a metric without a value; the problem ends a sentence that begins with the metric's name."""
    return Metric(name=name, text=shown(text.strip()), value=None, problem=problem)
