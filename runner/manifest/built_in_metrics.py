"""The metrics a manifest may name: the built-in ones with their ranges, and those whose place it gives."""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType

from msgspec import Struct

from runner.lib.text import did_you_mean, shown
from runner.manifest.document import Findings, YamlMap
from runner.manifest.model import Direction, MetricDefinition, Place, Task

_ZERO, _ONE = Decimal(0), Decimal(1)
_CLASSES: tuple[Task, ...] = ("binary_classification", "multi_classification")
_NUMBERS: tuple[Task, ...] = ("regression",)


class BuiltInMetric(Struct, frozen=True, kw_only=True):
    """A metric that the service scores models with.

    `lowest` and `highest` are the inclusive ends of its range, None where it has none. `target` is set for `nearest`.
    `is_ratio` is false for an error in the unit of the model's target column, so no percentage of it can be computed.
    `tasks` has regression for time series too. `spellings` are the service's English and Japanese names, then what
    people and other tools write.
    """

    name: str
    article: str
    direction: Direction
    lowest: Decimal | None
    highest: Decimal | None
    tasks: tuple[Task, ...]
    spellings: tuple[str, ...]
    target: Decimal | None = None
    is_ratio: bool = True

    def can_be(self, value: Decimal) -> bool:
        """Return whether the value is within the metric's range."""
        above = self.lowest is None or value >= self.lowest
        return above and (self.highest is None or value <= self.highest)

    @property
    def range_text(self) -> str:
        """The range in words: `0 to 1`, `at most 1` or `0 or more`."""
        if self.lowest is None:
            return f"at most {self.highest}"
        return f"{self.lowest} or more" if self.highest is None else f"{self.lowest} to {self.highest}"

    @property
    def phrase(self) -> str:
        """The name with its article, such as `an auc`."""
        return f"{self.article} {self.name}"


def _score(name: str, article: str, tasks: tuple[Task, ...], *spellings: str) -> BuiltInMetric:
    return BuiltInMetric(
        name=name,
        article=article,
        direction="higher",
        lowest=_ZERO,
        highest=_ONE,
        tasks=tasks,
        spellings=spellings,
    )


def _error(name: str, article: str, *spellings: str, is_ratio: bool = False) -> BuiltInMetric:
    return BuiltInMetric(
        name=name,
        article=article,
        direction="lower",
        lowest=_ZERO,
        highest=None,
        tasks=_NUMBERS,
        spellings=spellings,
        is_ratio=is_ratio,
    )


_ALL = (
    _score("auc", "an", _CLASSES[:1], "AUC", "分類精度", "ROC AUC", "AUC ROC", "AUROC"),
    _score("accuracy", "an", _CLASSES, "Accuracy", "正解率"),
    _score(
        *("precision", "a", _CLASSES, "Precision", "精度", "適合率"),
        *("Average Precision", "平均Precision", "平均精度", "平均適合率"),
    ),
    _score("recall", "a", _CLASSES, "Recall", "再現率", "Average Recall", "平均Recall", "平均再現率"),
    _score(
        *("f_score", "an", _CLASSES, "F-score", "F値", "F1", "F1-score", "F1値", "F-measure"),
        *("Average F-score", "平均F値"),
    ),
    BuiltInMetric(
        name="r2",
        article="an",
        direction="higher",
        lowest=None,  # a model may be worse than the mean
        highest=_ONE,
        tasks=_NUMBERS,
        spellings=("Coefficient of Determination", "決定係数", "R2", "R^2", "R-squared", "R2 score"),
    ),
    _error("rmse", "an", "RMSE", "Root Mean Squared Error", "Root Mean Square Error", "二乗平均平方根誤差"),
    _error("mae", "an", "MAE", "Mean Absolute Error", "誤差平均値", "平均絶対誤差"),
    _error("median_absolute_error", "a", "Median Absolute Error", "誤差中央値"),
    _error("median_absolute_error_ratio", "a", "Median Absolute Error Ratio", "誤差率中央値", is_ratio=True),
    BuiltInMetric(
        name="coverage_rate",
        article="a",
        direction="nearest",
        lowest=_ZERO,
        highest=_ONE,
        tasks=_NUMBERS,
        spellings=("Coverage Rate", "Coverage", "カバー率"),
        target=Decimal("0.9"),  # the service's forecast intervals are meant to hold 90 % of the values
    ),
)
BUILT_IN_METRICS: Mapping[str, BuiltInMetric] = MappingProxyType({metric.name: metric for metric in _ALL})


_WRONG_ESCAPE = re.compile(r"~(?![01])")


def check_metric_name(name: str, place: Place, defined: Collection[str] | None, findings: Findings) -> None:
    """Report a metric that is neither built in nor `defined` under `metrics`, None when that cannot be known."""
    if defined is None or name in BUILT_IN_METRICS or name in defined:
        return
    findings.error(
        place,
        "unknown-metric",
        f"There is no metric {shown(name)}.",
        hint=did_you_mean(
            name, (*BUILT_IN_METRICS, *defined), otherwise="Define it under `metrics`, or use a built-in name."
        ),
    )


def read_metric(section: YamlMap, name: str, findings: Findings) -> MetricDefinition:
    """Return the definition of one metric."""
    definition: YamlMap = section[name]
    built_in = BUILT_IN_METRICS.get(name)
    select, row, column = _read_selection(definition, findings)
    return MetricDefinition(
        name=name,
        file=_read_file(definition, findings) if "file" in definition else None,
        select=select,
        row=row,
        column=column,
        direction=built_in.direction if built_in else definition["direction"],
        target=built_in.target if built_in else Decimal(definition["target"]) if "target" in definition else None,
        unit=definition.get("unit"),
    )


def _read_file(definition: YamlMap, findings: Findings) -> str:
    """Return the member's name or whole path, without a `./` before it."""
    path = PurePosixPath(definition["file"])
    if path.name == "" or ".." in path.parts or path.is_absolute():
        findings.error(
            definition.value_place("file"),
            "wrong-form",
            "`file` is not the name or the path of a file in the result.",
            hint="Write the name of a member of the result, such as `report.json`, or its whole path.",
        )
    return str(path)


def _read_selection(definition: YamlMap, findings: Findings) -> tuple[str | None, tuple[str, ...], str | int | None]:
    """Return the JSON Pointer or the name of the row; else cells of the row, and the column."""
    select: str | YamlMap | None = definition.get("select")
    if isinstance(select, YamlMap):
        written, column = select.get("row"), select.get("column")
        row = () if written is None else (written,) if isinstance(written, str) else tuple(written)
        if column is None and len(row) > 1:
            findings.error(
                definition.value_place("select"),
                "wrong-form",
                "`row` has several cells, and there is no `column`.",
                hint="Add `column`: the head of the column with the value, or its number.",
            )
        return (row[0] if column is None else None), (() if column is None else row), column
    if select is not None and select.startswith("/") and _WRONG_ESCAPE.search(select):
        findings.error(
            definition.value_place("select"),
            "wrong-form",
            "`select` is not a JSON Pointer.",
            hint="In a JSON Pointer write `~0` for a tilde and `~1` for a slash within a name.",
        )
    return select, (), None
