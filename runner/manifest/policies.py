"""Policies and their rules, from a document to the typed model; a rule that can never fail or pass is a problem."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import get_args

from runner.lib.text import choice, shown
from runner.manifest.built_in_metrics import BUILT_IN_METRICS, BuiltInMetric, check_metric_name
from runner.manifest.document import Findings, YamlList, YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.model import POLICY_TYPES, Direction, Place, Policy, Rule, RuleKind

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


_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)

Directions = Mapping[str, Direction | None]


def read_policy(section: YamlMap, name: str, metrics: Directions | None, findings: Findings) -> Policy:
    """Return one policy; `metrics` are the names under `metrics` with their directions, None when not all are known."""
    written: YamlMap = section[name]
    kind = POLICY_TYPES[written["type"]]
    given = {**written, "name": name, "place": section.key_place(name)}
    given["expires"] = read_duration(written, "expires", findings)
    if "rules" in kind.__struct_fields__:
        given["rules"] = _read_rules(written, metrics, findings)
    return kind(**{field: given[field] for field in kind.__struct_fields__ if field in given})


def _read_rules(policy: YamlMap, metrics: Directions | None, findings: Findings) -> tuple[Rule, ...]:
    items: YamlList = policy["rules"]
    rules: list[Rule] = []
    for index, item in enumerate(items):
        rules += _read_rule(item, items.item_place(index), metrics, findings)
    if all(item.get("level") == "warn" for item in items):
        findings.error(
            policy.key_place("rules"),
            "never-decides",
            "All rules have the level `warn`, so this policy could never decide.",
            hint="Give at least one rule the level `decide`.",
        )
    return tuple(rules)


def _read_rule(item: YamlMap, place: Place, metrics: Directions | None, findings: Findings) -> list[Rule]:
    check_rule(item, place, metrics, findings)
    return [
        Rule(
            metric=item["metric"],
            kind=kind,
            limit=Decimal(item[kind]),
            against=None if kind in _BOUNDS else "incumbent",
            level=item.get("level", "decide"),
            any_eval=kind not in _BOUNDS and item.get("any_eval", False),
        )
        for kind in _kinds(item)
    ]


def check_rule(item: YamlMap, place: Place, metrics: Directions | None, findings: Findings) -> None:
    """Report what is wrong with a rule that fits the schema."""
    check_metric_name(item["metric"], item.value_place("metric"), metrics, findings)
    _check_kinds(item, place, _kinds(item), findings)
    name = item["metric"]
    built_in = BUILT_IN_METRICS.get(name)
    direction = built_in.direction if built_in else (metrics or {}).get(name)
    if built_in is not None:
        check_limits(item, built_in, findings)
    if direction is not None:
        check_side(item, name, direction, findings)


def _kinds(item: YamlMap) -> list[RuleKind]:
    return [kind for kind in _KINDS if kind in item]


def _check_kinds(item: YamlMap, place: Place, kinds: list[RuleKind], findings: Findings) -> None:
    changes = [kind for kind in kinds if kind not in _BOUNDS]
    if not kinds:
        findings.error(
            place, "no-limit", "This rule has neither a bound nor a change.", hint=f"Add one of {choice(_KINDS)}."
        )
    if changes and "against" not in item:
        findings.error(
            item.key_place(changes[0]),
            "missing-key",
            f"`{changes[0]}` needs a baseline.",
            hint="Add `against: incumbent` to this rule.",
        )
    if kinds and not changes:
        _check_bounds(item, findings)
    if "min" in item and "max" in item and item["min"] > item["max"]:
        findings.error(
            item.value_place("max"), "out-of-range", "`max` is below `min`.", hint="No value can satisfy both."
        )


def _check_bounds(item: YamlMap, findings: Findings) -> None:
    for key in ("against", "any_eval"):
        if key in item:
            findings.error(
                item.key_place(key),
                "misplaced-key",
                f"`{key}` belongs to changes; this rule has only bounds.",
                hint=f"Remove it, or add one of {choice([kind for kind in _KINDS if kind not in _BOUNDS])}.",
            )
