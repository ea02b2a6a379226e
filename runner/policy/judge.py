"""Rules -> verdicts. Every number is exact, and every rule that cannot be judged says why."""

from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from typing import Literal

from msgspec import Struct

from runner.manifest.model import Direction, MetricDefinition, Policy, Rule
from runner.policy.evaluation import (
    Baseline,
    Drift,
    Gap,
    RuleResult,
    Verdict,
    baseline_for,
    baseline_value,
    outdated,
    unfairness,
    usable_value,
)
from runner.results.metrics import MISSING, ResultMetrics, direction_of, target_of
from runner.results.number import listed, number_text, quotient_text, rounded, rounded_apart, short_text

# A number has at most 100 digits and an exponent of at most 307 (runner.results.number), so that sums and products of
# three of them have far fewer digits than this: nothing is ever rounded, and the verdict does not hang on a last digit.
_EXACT = Context(prec=5000)
_ROUNDED = Context(prec=40)
_UNKNOWN = "?"


class Aim(Struct, frozen=True, kw_only=True):
    """Which way a metric gets better; `target` is set for `nearest`."""

    direction: Direction
    target: Decimal | None


class Comparison(Struct, frozen=True, kw_only=True):
    """The value of a rule and its limit, written so that the rule asks for `value >= limit`.

    Both are multiplied by `scale`, a positive number: relative rules are compared without a division.
    """

    value: Decimal
    limit: Decimal
    scale: Decimal

    def holds(self) -> bool:
        """Return whether the value reaches the limit."""
        return self.value >= self.limit

    def margin_text(self) -> str:
        """Return the room left, in the unit of the rule's limit; negative when the rule is missed."""
        with localcontext(_EXACT):
            room = self.value - self.limit
        return short_text(room) if self.scale == 1 else quotient_text(room, self.scale)

    def value_text(self) -> str:
        """Return the value in the unit of the rule's limit."""
        return short_text(self.value) if self.scale == 1 else quotient_text(self.value, self.scale)


def compare_bound(rule: Rule, observed: Decimal) -> Comparison:
    """Return the comparison of a `min` or `max` rule."""
    one = Decimal(1)
    if rule.kind == "min":
        return Comparison(value=observed, limit=rule.limit, scale=one)
    return Comparison(value=observed.copy_negate(), limit=rule.limit.copy_negate(), scale=one)


def compare_change(rule: Rule, aim: Aim, observed: Decimal, baseline: Decimal) -> Comparison:
    """Return the comparison of a change rule; the baseline of a relative one is not zero."""
    with localcontext(_EXACT):
        change = gain(aim, observed, baseline)
        limit = _smallest_gain(rule)
        if not is_relative(rule):
            return Comparison(value=change, limit=limit, scale=Decimal(1))
        return Comparison(value=change * 100, limit=limit * abs(baseline), scale=abs(baseline))


def is_relative(rule: Rule) -> bool:
    """Return whether the rule's limit is in percent of the baseline."""
    return rule.kind.endswith("_pct")


def _smallest_gain(rule: Rule) -> Decimal:
    """A rule that allows a drop asks for a gain of at least minus that drop."""
    return rule.limit.copy_negate() if rule.kind.startswith("max_drop") else rule.limit


def gain(aim: Aim, observed: Decimal, baseline: Decimal) -> Decimal:
    """Return the change in the metric's good direction."""
    if aim.target is not None:
        return abs(baseline - aim.target) - abs(observed - aim.target)
    return observed - baseline if aim.direction == "higher" else baseline - observed


def bound_line(rule: Rule, observed: Decimal | None) -> str:
    """Return a bound with its numbers, e.g. `auc 0.912 >= 0.80`; `?` stands for a value that is not known."""
    sign = ">=" if rule.kind == "min" else "<="
    return f"{rule.metric} {_part_text(observed)} {sign} {number_text(rule.limit)}"


def change_line(rule: Rule, aim: Aim, *, observed: Decimal | None, baseline: Decimal | None, source: str) -> str:
    """Return a change with its numbers, e.g. `auc 0.912 - 0.920 = -0.008 >= -0.01 (incumbent, max_drop 0.01)`."""
    difference = _difference(aim, _part_text(observed), _part_text(baseline))
    unit = "%" if is_relative(rule) else ""
    if unit:
        difference = f"({difference}) / |{_part_text(baseline)}|"
    notes = ", ".join([source, f"{rule.kind} {number_text(rule.limit)}", *_better(aim)])
    value = "" if observed is None or baseline is None else f" = {_value_text(rule, aim, observed, baseline)}{unit}"
    return f"{rule.metric} {difference}{value} >= {number_text(_smallest_gain(rule))}{unit} ({notes})"


def bound_sentence(rule: Rule, observed: Decimal) -> str:
    """Return what a bound comes to as a sentence, e.g. `auc is 0.912, below the minimum 0.95`."""
    bound = "minimum" if rule.kind == "min" else "maximum"
    if observed == rule.limit:
        return f"{rule.metric} is {rounded(observed)}, exactly the {bound}."
    value, limit = rounded_apart(observed, rule.limit)
    return f"{rule.metric} is {value}, {'above' if observed > rule.limit else 'below'} the {bound} {limit}."


def change_sentence(rule: Rule, aim: Aim, observed: Decimal, baseline: Decimal) -> str:
    """Return what a change comes to, e.g. `auc fell from 0.954 to 0.939 (-0.015); at most -0.010 is allowed`."""
    compared = compare_change(rule, aim, observed, baseline)
    with localcontext(_EXACT):
        better = compared.value if compared.scale == 1 else _ROUNDED.divide(compared.value, compared.scale)
    least = _smallest_gain(rule)
    if aim.target is not None:
        return _nearness(rule, aim.target, (observed, baseline), better, least)
    up = 1 if aim.direction == "higher" else -1
    unit = " %" if is_relative(rule) else ""
    change, limit = rounded_apart(up * better, up * least)
    if observed == baseline:
        found = f"{rule.metric} is {rounded(observed)} as before"
    else:
        now, before = rounded_apart(observed, baseline)
        verb = "rose" if observed > baseline else "fell"
        found = f"{rule.metric} {verb} from {before} to {now} ({_signed(change)}{unit})"
    if not least:
        return f"{found}; no {'drop' if up > 0 else 'rise'} is allowed."
    told = "at most {} is allowed" if least < 0 else "at least {} is required"
    return f"{found}; {told.format(f'{_signed(limit)}{unit}')}."


def _signed(number: str) -> str:
    return number if number.startswith("-") else f"+{number}"


def _nearness(rule: Rule, target: Decimal, values: tuple[Decimal, Decimal], better: Decimal, least: Decimal) -> str:
    now, before = rounded_apart(*values)
    unit = " %" if is_relative(rule) else ""
    change, limit = (number.removeprefix("-") for number in rounded_apart(better, least))
    moved = f"{change}{unit} {'nearer to' if better > 0 else 'further from'}" if better else "as near to"
    found = f"{rule.metric} went from {before} to {now}, {moved} {number_text(target)}"
    if not least:
        return f"{found}; it may not get further."
    told = f"at most {limit}{unit} further is allowed" if least < 0 else f"at least {limit}{unit} nearer is required"
    return f"{found}; {told}."


def _value_text(rule: Rule, aim: Aim, observed: Decimal, baseline: Decimal) -> str:
    if is_relative(rule) and not baseline:
        return _UNKNOWN
    return compare_change(rule, aim, observed, baseline).value_text()


def _difference(aim: Aim, observed: str, baseline: str) -> str:
    if aim.target is not None:
        target = number_text(aim.target)
        return f"|{baseline} - {target}| - |{observed} - {target}|"
    return f"{observed} - {baseline}" if aim.direction == "higher" else f"{baseline} - {observed}"


def _better(aim: Aim) -> list[str]:
    if aim.target is not None:
        return [f"nearest to {number_text(aim.target)} is better"]
    return [] if aim.direction == "higher" else ["lower is better"]


def _part_text(value: Decimal | None) -> str:
    return _UNKNOWN if value is None else number_text(value)


class Judgement(Struct, frozen=True, kw_only=True):
    """The policy's verdict and the rules behind it, in the manifest's order."""

    verdict: Verdict
    rules: tuple[RuleResult, ...]


class _Case(Struct, frozen=True, kw_only=True):
    """All that a rule may look at."""

    metrics: ResultMetrics
    definitions: Mapping[str, MetricDefinition]
    baseline: Baseline | None
    eval_sha256: str | None
    drift: Drift
    first_run: Literal["pass", "hold", "ask"]


class _Finding(Struct, frozen=True, kw_only=True):
    """The numbers of one rule and what they come to."""

    observed: Decimal | Gap
    baseline: Decimal | Gap | None
    outcome: Comparison | Gap
    formula: str
    sentence: str


def judge(  # noqa: PLR0913 -- each is a part of what a decision depends on, by its name
    policy: Policy,
    metrics: ResultMetrics,
    *,
    definitions: Mapping[str, MetricDefinition],
    baseline: Baseline | None,
    eval_sha256: str | None,
    drift: Drift = "cannot_be_told",
) -> Judgement:
    """Return the verdict of every rule and of the policy.

    Policies of a type without rules pass, and are inconclusive where no metric could be read.

    `baseline` is None while nothing is recorded of the model in service; `eval_sha256` is the candidate's evaluation
    file, None when the service held out rows of its own; `drift` says whether the baseline's model is still in service.

    Raises:
        ModelError: of kind config, when a rule names a metric that is neither built in nor defined.
    """
    if not policy.judges_by_rules:
        return Judgement(verdict="passed" if metrics.unread is None else "inconclusive", rules=())
    case = _Case(
        metrics=metrics,
        definitions=definitions,
        baseline=baseline,
        eval_sha256=eval_sha256,
        drift=drift,
        first_run=policy.first_run,
    )
    rules = tuple(_judged(rule, case) for rule in policy.rules)
    return Judgement(verdict=_combined([rule.verdict for rule in rules if rule.level == "decide"]), rules=rules)


def _combined(verdicts: list[Verdict]) -> Verdict:
    if "failed" in verdicts:
        return "failed"
    return "inconclusive" if "inconclusive" in verdicts or not verdicts else "passed"


def _judged(rule: Rule, case: _Case) -> RuleResult:
    finding = _bound(rule, case) if rule.kind in ("min", "max") else _change(rule, case)
    outcome = finding.outcome
    return RuleResult(
        metric=rule.metric,
        observed=_text(finding.observed),
        baseline=_text(finding.baseline),
        formula=finding.formula,
        limit=number_text(rule.limit),
        margin=outcome.margin_text() if isinstance(outcome, Comparison) else None,
        level=rule.level,
        verdict=_verdict(outcome, case),
        reason=finding.sentence,
        cause="measured" if isinstance(outcome, Comparison) else outcome.cause,
    )


def _text(value: Decimal | Gap | None) -> str | None:
    return number_text(value) if isinstance(value, Decimal) else None


def _verdict(outcome: Comparison | Gap, case: _Case) -> Verdict:
    if isinstance(outcome, Comparison):
        return "passed" if outcome.holds() else "failed"
    return "passed" if outcome.cause == "first_run" and case.first_run == "pass" else "inconclusive"


def _bound(rule: Rule, case: _Case) -> _Finding:
    observed = _observed(rule, case)
    formula = bound_line(rule, _known(observed))
    if isinstance(observed, Gap):
        return _Finding(observed=observed, baseline=None, outcome=observed, formula=formula, sentence=observed.reason)
    outcome, sentence = compare_bound(rule, observed), bound_sentence(rule, observed)
    return _Finding(observed=observed, baseline=None, outcome=outcome, formula=formula, sentence=sentence)


def _change(rule: Rule, case: _Case) -> _Finding:
    aim = _aim(rule.metric, case.definitions)
    effective = baseline_for(rule.metric, case.metrics, case.baseline)
    observed, baseline = _observed(rule, case), baseline_value(rule.metric, case.metrics, effective)
    source = "previous model" if effective is not None and effective.source == "result_file" else "incumbent"
    line = change_line(rule, aim, observed=_known(observed), baseline=_known(baseline), source=source)
    if isinstance(observed, Gap):
        gap = observed
    elif isinstance(baseline, Gap):
        gap = baseline
    else:
        obstacle = _obstacle(rule, case, effective, baseline)
        if obstacle is None:
            outcome, sentence = (
                compare_change(rule, aim, observed, baseline),
                change_sentence(rule, aim, observed, baseline),
            )
            return _Finding(observed=observed, baseline=baseline, outcome=outcome, formula=line, sentence=sentence)
        gap = obstacle
    return _Finding(observed=observed, baseline=baseline, outcome=gap, formula=line, sentence=gap.reason)


def _obstacle(rule: Rule, case: _Case, effective: Baseline | None, baseline: Decimal) -> Gap | None:
    """Return what keeps two known numbers from being compared."""
    gap = outdated(effective, case.drift) if effective is not None else None
    if gap is not None:
        return gap
    if is_relative(rule) and not baseline:
        return Gap(
            cause="no_baseline", reason=f"The baseline of {rule.metric} is 0, so no percentage of it can be computed."
        )
    return None if rule.any_eval or effective is None else unfairness(effective, case.eval_sha256)


def _aim(metric: str, definitions: Mapping[str, MetricDefinition]) -> Aim:
    direction = direction_of(metric, definitions)
    return Aim(direction=direction, target=target_of(metric, definitions) if direction == "nearest" else None)


def _observed(rule: Rule, case: _Case) -> Decimal | Gap:
    metric = case.metrics.metrics.get(rule.metric)
    if metric is not None:
        return usable_value(metric)
    direction_of(rule.metric, case.definitions)  # a metric that nobody knows is an error, not a gap in the result
    if case.metrics.unread is not None:
        return Gap(cause="unread", reason=case.metrics.unread)
    if case.metrics.trouble is not None:
        return Gap(cause="unusable", reason=f"{rule.metric} {MISSING}: {case.metrics.trouble}")
    return Gap(cause="unusable", reason=f"{rule.metric} {MISSING}; it has {listed(case.metrics.found)}.")


def _known(value: Decimal | Gap) -> Decimal | None:
    return None if isinstance(value, Gap) else value
