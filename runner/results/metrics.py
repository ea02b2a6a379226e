"""The metrics of a result: their names, the service's spellings of them, their units and ranges."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import Kind, ModelError
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import Direction, MetricDefinition, Unit
from runner.results.number import NotANumber, has_percent_sign, hundredth, number_from_text, number_text, shown

MISSING = "is missing from the result"

BUILT_IN_NAMES: tuple[str, ...] = tuple(BUILT_IN_METRICS)
_JOINERS = re.compile(r"[\s_\-\u2010-\u2015\u2212]+")
_LONGEST_PLACE = 500
_LONGEST_NAME = 200  # no metric is called by more; folding a text of megabytes would only cost time
_BOTH_NAMES = re.compile(r"(?P<outer>[^()]+)\((?P<inner>[^()]+)\)")
_PERCENT_WORD = r"(?:%|(?<![a-z])(?:percentages?|percents?|per[ -]cent|pct)(?![a-z])|パーセンテージ|パーセント|百分率)"
# Every repetition is bounded: a name of nothing but spaces and brackets takes no longer than another.
_PERCENT = re.compile(
    rf"[ ,:;/_\-]{{0,3}}[(\[{{<]? ?(?:単位[ :]{{0,2}}|\bin )?{_PERCENT_WORD} ?(?:表示|単位)? ?[)\]}}>]?", re.IGNORECASE
)


class MetricPlace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where in a result a metric was read: its member, None in a single file, and what there is of the rest.

    `row` is the row's name and the labels beside it, `column` the column's head or number, `pointer` the place in JSON.
    """

    member: str | None = None
    row: str | None = None
    column: str | None = None
    pointer: str | None = None

    def phrase(self) -> str:
        """Return the place for a sentence, such as `out/metrics.csv, row AUC, column Value`."""
        parts = (
            self.member or "the result",
            self.pointer and f"at {self.pointer}",
            self.row and f"row {self.row}",
            self.column and f"column {self.column}",
        )
        return ", ".join(filter(None, parts))

    def bounded(self) -> "MetricPlace":
        """Return the place as it is recorded: short, and of characters that a reader can trust."""
        parts = (self.member, self.row, self.column, self.pointer)
        member, row, column, pointer = (None if part is None else shown(part, _LONGEST_PLACE) for part in parts)
        return MetricPlace(member=member, row=row, column=column, pointer=pointer)


class Metric(Struct, frozen=True, kw_only=True):
    """One metric of a result.

    `text` is the source text, such as `92.5%`; `value` the exact number, or None when `problem` says why there is
    none, as the end of a sentence that begins with the metric's name. `percent` tells that the file itself, by a sign,
    a name or a column's head, says that its number is in percent; `value` is then a hundredth of that number.
    """

    name: str
    text: str
    value: Decimal | None
    problem: str | None
    percent: bool = False
    place: MetricPlace | None = None


class ResultMetrics(Struct, frozen=True, kw_only=True):
    """What a result file says.

    `metrics` holds the built-in metrics found and every custom metric defined, by name; `previous` the same for the
    model before, where the file compares the two. `found` are all names in the file, as written. `unread` is None, or
    one sentence on why nothing in the file can be read. `place` is where the metrics are that the manifest gives no
    place, None for a single file as a whole; `searched` tells that it was found by a search; `trouble` says in a
    sentence why there are none of them.
    """

    metrics: Mapping[str, Metric]
    previous: Mapping[str, Metric]
    found: tuple[str, ...]
    unread: str | None = None
    place: str | None = None
    searched: bool = False
    trouble: str | None = None


def recordable(path: str) -> str:
    """Return a path as it is recorded: at most 500 characters, each of which has a form in UTF-8."""
    return path[:_LONGEST_PLACE].encode(errors="replace").decode()


@lru_cache(maxsize=16384)  # tables repeat their words, and are looked through again for each value
def folded(name: str) -> str:
    """Return the name's form for comparing: width, letter case, spaces, hyphens and underscores do not matter."""
    if len(name) > _LONGEST_NAME:
        return name
    return _JOINERS.sub("", unicodedata.normalize("NFKC", name).casefold())


def without_percent(written: str) -> tuple[str, bool]:
    """Return a name or head without the words and signs by which it says percent, and whether there were any."""
    if len(written) > _LONGEST_NAME:
        return written, False
    plain, count = _PERCENT.subn(" ", " ".join(unicodedata.normalize("NFKC", written).split()))
    return (plain.strip(), True) if count else (written, False)


def _built_in_by_spelling() -> dict[str, str]:
    pairs = [(metric.name, spelling) for metric in BUILT_IN_METRICS.values() for spelling in metric.spellings]
    return {folded(spelling): name for name, spelling in [*pairs, *zip(BUILT_IN_NAMES, BUILT_IN_NAMES, strict=True)]}


_BUILT_IN = MappingProxyType(_built_in_by_spelling())


def built_in_name(written: str) -> str | None:
    """Return the built-in metric of a spelling, or None.

    A second name in brackets must mean the same metric: `分類精度 (AUC)` is auc, `AUC (train)` is unknown. A unit of
    percent is not a part of the name.
    """
    form = folded(without_percent(written)[0])
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
    if name in BUILT_IN_METRICS:
        return BUILT_IN_METRICS[name].direction
    return _definition(name, definitions).direction


def target_of(name: str, definitions: Mapping[str, MetricDefinition]) -> Decimal:
    """Return the value that a `nearest` metric should come close to.

    Raises:
        ModelError: of kind config, when the metric is unknown or has no target.
    """
    target = (BUILT_IN_METRICS.get(name) or _definition(name, definitions)).target
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


def metric_from_text(name: str, text: str, *, percent: bool = False) -> Metric:
    """Return the metric whose number is in the text; `percent` or the name may say that it is in percent.

    A number with a percent sign of its own is divided by 100 once, whatever its name and column say.
    """
    number = number_from_text(text)
    if isinstance(number, NotANumber):
        return unusable_metric(name, number.why, text=text)
    signed = has_percent_sign(text)
    percent = signed or percent or without_percent(name)[1]
    value = hundredth(number) if percent and not signed else number
    return Metric(name=name, text=text.strip(), value=value, problem=None, percent=percent)


def unusable_metric(name: str, problem: str, *, text: str = "") -> Metric:
    """Return a metric without a value; the problem ends a sentence that begins with the metric's name."""
    return Metric(name=name, text=shown(text.strip()), value=None, problem=problem)


def in_unit(metric: Metric, unit: Unit | None) -> Metric:
    """Return the metric in the unit that the manifest says, which goes before what names and heads say."""
    if unit is None or metric.value is None:
        return metric
    number = number_from_text(metric.text)
    if isinstance(number, NotANumber):
        return metric
    divided = unit == "percent" and not has_percent_sign(metric.text)
    return replace(metric, value=hundredth(number) if divided else number, percent=False)


def within_range(metric: Metric, unit: Unit | None) -> Metric:
    """Return the metric; without its value where the built-in metric of its name cannot have that value or unit."""
    built_in = BUILT_IN_METRICS.get(metric.name)
    if built_in is None or metric.value is None:
        return metric
    divided = metric.percent or unit == "percent"
    problem = range_problem(metric.name, metric.value, written=shown(metric.text), divided=divided)
    if problem is None and metric.percent and not built_in.is_ratio:
        problem = (
            f"is in percent, but {built_in.phrase} is in the target's own unit;"
            f" `metrics: {{{metric.name}: {{unit: percent}}}}` or `fraction` says how to read it"
        )
    return metric if problem is None else unusable_metric(metric.name, problem, text=metric.text)


def range_problem(name: str, value: Decimal, *, written: str | None = None, divided: bool = True) -> str | None:
    """Return why the built-in metric cannot have the value, as the end of a sentence; None where it can.

    `written` is the value's own text; `divided` tells that it was read as percent, or was recorded as a fraction.
    """
    metric = BUILT_IN_METRICS.get(name)
    if metric is None or metric.can_be(value):
        return None
    problem = f"{written or number_text(value)} cannot be {metric.phrase} ({metric.range_text})"
    if divided or not metric.can_be(hundredth(value)):
        return problem
    return f"{problem}; is it in percent? `metrics: {{{name}: {{unit: percent}}}}` reads it so"
