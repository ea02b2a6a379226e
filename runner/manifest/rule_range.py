"""Rules against what their metrics can be: limits outside the range, rules that never fail or pass, wrong sides."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from runner.manifest.built_in_metrics import BuiltInMetric
from runner.manifest.document import YamlMap
from runner.manifest.model import Direction, RuleKind
from runner.manifest.problems import Findings
from runner.manifest.wording import shown

_HUNDRED, _CENT, _ENDLESS = Decimal(100), Decimal("0.01"), Decimal("Infinity")
_BOUNDS: tuple[RuleKind, ...] = ("min", "max")
_DROPS: tuple[RuleKind, ...] = ("max_drop", "max_drop_pct")
_CHANGES: tuple[RuleKind, ...] = (*_DROPS, "min_gain", "min_gain_pct")
_OTHER_SIDE: Mapping[tuple[Direction, RuleKind], RuleKind] = MappingProxyType(
    {("higher", "max"): "min", ("lower", "min"): "max"}
)


def check_limits(item: YamlMap, metric: BuiltInMetric, findings: Findings) -> None:
    """Report the limits of a rule that no value of the built-in metric can miss or meet."""
    bounds = [kind for kind in _BOUNDS if kind in item]
    outside = [kind for kind in bounds if not metric.can_be(Decimal(item[kind]))]
    for kind in outside:
        _report_outside(item, kind, metric, findings)
    if not outside and bounds and all(_holds_always(item, kind, metric) for kind in bounds):
        _report_unfailing(item, bounds[0], f"{_capital(metric.phrase)} is {metric.range_text}", None, findings)
    for kind in _CHANGES:
        if kind in item:
            _check_change(item, kind, metric, findings)


def _holds_always(item: YamlMap, kind: RuleKind, metric: BuiltInMetric) -> bool:
    return bool(item[kind] == (metric.lowest if kind == "min" else metric.highest))


def _report_outside(item: YamlMap, kind: RuleKind, metric: BuiltInMetric, findings: Findings) -> None:
    findings.error(
        item.value_place(kind),
        "out-of-range",
        f"{_capital(metric.phrase)} is {metric.range_text}, so `{kind}: {item[kind]}` is not a limit for it.",
        hint=_as_fraction(item, kind, metric) or f"Write a number that {metric.phrase} can be.",
    )


def _check_change(item: YamlMap, kind: RuleKind, metric: BuiltInMetric, findings: Findings) -> None:
    most, limit = _most(metric, kind), Decimal(item[kind])
    unit = " %" if kind.endswith("_pct") else ""
    if kind in _DROPS and limit >= most:
        because = f"{_capital(metric.phrase)} cannot drop by more than {most}{unit}"
        _report_unfailing(item, kind, because, None if unit else _as_fraction(item, kind, metric), findings)
    elif kind not in _DROPS and limit > most:
        findings.error(
            item.value_place(kind),
            "never-passes",
            f"{_capital(metric.phrase)} cannot gain more than {most}{unit}, so this rule can never pass.",
            hint=(None if unit else _as_fraction(item, kind, metric)) or "Write a smaller gain.",
        )


def _report_unfailing(item: YamlMap, kind: RuleKind, because: str, hint: str | None, findings: Findings) -> None:
    findings.error(
        item.value_place(kind),
        "never-fails",
        f"{because}, so this rule can never fail.",
        hint=hint or "Write a limit that a bad model misses, or remove the rule.",
    )


def _most(metric: BuiltInMetric, kind: RuleKind) -> Decimal:
    """Return the largest change that two values of the metric can have, infinite where there is none.

    In percent of the incumbent's value an error can lose all of itself, and so can a score; both can grow any times.
    """
    if kind.endswith("_pct"):
        shrinking = "min_gain_pct" if metric.direction == "lower" else "max_drop_pct"
        return _HUNDRED if kind == shrinking and metric.lowest == 0 else _ENDLESS
    if metric.lowest is None or metric.highest is None:
        return _ENDLESS
    ends = (metric.lowest, metric.highest)
    return ends[1] - ends[0] if metric.target is None else max(abs(end - metric.target) for end in ends)


def _as_fraction(item: YamlMap, kind: RuleKind, metric: BuiltInMetric) -> str | None:
    """Return the hint for a limit in percent; None where that explains nothing."""
    limit = Decimal(item[kind]) / _HUNDRED
    if limit < _CENT or not (metric.can_be(limit) if kind in _BOUNDS else 0 < limit < _most(metric, kind)):
        return None
    text = f"{limit:f}"
    return f"Write {text if len(text.partition('.')[2]) > 1 else f'{limit:.2f}'} for {item[kind]} %."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def check_side(item: YamlMap, name: str, direction: Direction, findings: Findings) -> None:
    """Warn of a rule whose only bound keeps the good values out."""
    bounds = [kind for kind in _BOUNDS if kind in item]
    for kind in bounds if len(bounds) == 1 else ():
        other = _OTHER_SIDE.get((direction, kind))
        if other is not None:
            findings.warning(
                item.key_place(kind),
                "wrong-side",
                f"{direction.capitalize()} is better for {shown(name)}, and `{kind}` keeps the better values out.",
                hint=f"Write `{other}` to keep the worse values out.",
            )
