"""The section `policies`, and the rules of threshold policies."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import get_args

from msgspec import Struct

from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.document import YamlList, YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.metrics import check_metric_name
from runner.manifest.model import AutoPolicy, Direction, ManualPolicy, Place, Policy, Rule, RuleKind, ThresholdPolicy
from runner.manifest.problems import Findings
from runner.manifest.rule_range import check_limits, check_side
from runner.manifest.wording import choice

_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)
_BOUNDS: tuple[RuleKind, ...] = ("min", "max")

Directions = Mapping[str, Direction | None]


def read_policy(section: YamlMap, name: str, metrics: Directions | None, findings: Findings) -> Policy:
    """Return one policy; `metrics` are the names under `metrics` with their directions, None when not all are known."""
    written: YamlMap = section[name]
    found = WrittenPolicy(name=name, section=written, place=section.key_place(name), metrics=metrics, findings=findings)
    return READERS[written["type"]](found)


class WrittenPolicy(Struct, frozen=True, kw_only=True):
    """A policy as it is written; `metrics` as for `read_policy`, and problems go to `findings`."""

    name: str
    section: YamlMap
    place: Place
    metrics: Directions | None
    findings: Findings

    def expires(self) -> timedelta | None:
        """Return the key `expires`."""
        return read_duration(self.section, "expires", self.findings)


def _auto(written: WrittenPolicy) -> AutoPolicy:
    written.expires()
    return AutoPolicy(name=written.name, place=written.place)


def _manual(written: WrittenPolicy) -> ManualPolicy:
    return ManualPolicy(name=written.name, expires=written.expires(), place=written.place)


def _threshold(written: WrittenPolicy) -> ThresholdPolicy:
    policy = written.section
    return ThresholdPolicy(
        name=written.name,
        expires=written.expires(),
        rules=_read_rules(policy, written.metrics, written.findings),
        on_pass=policy.get("on_pass", "switch"),
        on_fail=policy.get("on_fail", "hold"),
        on_inconclusive=policy.get("on_inconclusive", "hold"),
        first_run=policy.get("first_run", "ask"),
        place=written.place,
    )


READERS: dict[str, Callable[[WrittenPolicy], Policy]] = {"auto": _auto, "manual": _manual, "threshold": _threshold}


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
