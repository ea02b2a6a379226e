"""Rules -> verdicts. Every number is exact, and every rule that cannot be judged says why."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from runner.manifest.model import MetricDefinition, Policy, Rule
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
from runner.policy.formula import (
    Aim,
    Comparison,
    bound_line,
    bound_sentence,
    change_line,
    change_sentence,
    compare_bound,
    compare_change,
    is_relative,
)
from runner.results.metrics import MISSING, ResultMetrics, direction_of, target_of
from runner.results.number import listed, number_text


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
        return Gap(cause="no_baseline", reason=f"The baseline of {rule.metric} is 0, of which there is no percentage.")
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
