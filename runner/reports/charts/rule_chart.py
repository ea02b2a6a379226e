"""One rule as a picture: the candidate's value against limit and baseline; and which values passed. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal, localcontext

from msgspec import Struct, field

from runner.errors import RetrainError
from runner.journal.retrain_job import Decided
from runner.manifest.model import MetricDefinition, Rule
from runner.policy.decide import inputs_from_json
from runner.policy.evaluation import RuleResult
from runner.reports.table import short_number
from runner.results.metrics import direction_of, target_of
from runner.results.number import short_text

WIDTH = 240  # of the axis, in the picture's units; what lies beyond has no number there
EXACT = Context(prec=1000)  # numbers have at most 100 digits and exponents of at most 400: sums stay exact
_MARGIN = Decimal("0.15")  # of the span, free on either side
_SHARE = "accuracy"  # the metric that is a share of the evaluation rows
_Z = Decimal("1.96")  # standard deviations on either side of 95 % of a normal distribution
_ROUGH = Context(prec=28)
_TEN_THOUSANDTH = Decimal("0.0001")


class Interval(Struct, frozen=True, kw_only=True):
    """The values that pass, in the metric's unit; an open side is None."""

    low: Decimal | None
    high: Decimal | None


class Chart(Struct, frozen=True, kw_only=True):
    """Places on the axis, from 0 to `WIDTH` with one decimal, and the same in words.

    `passing` is where the passing values begin and how far they reach; None when no value passes. `limits` are its
    finite ends, each with its value. `margin` begins at the limit that is nearest to the candidate and ends there; None
    without a limit. `unit` is what the rule's margin is counted in, where that is not the metric's own unit.
    `ends` are the values at the axis' ends. `sampled` is the 95 % interval of the candidate's value, as two places and
    in words, where it follows from the number of evaluation rows.
    """

    observed: str
    baseline: str | None
    passing: tuple[str, str] | None
    limits: tuple[tuple[str, str], ...]
    margin: tuple[str, str] | None
    unit: str
    label: str
    ends: tuple[str, str]
    sampled: tuple[str, str, str] | None = None


_TITLES = {
    "min": "at least {}",
    "max": "at most {}",
    "max_drop": "falls by at most {}",
    "min_gain": "gains at least {}",
    "max_drop_pct": "falls by at most {} %",
    "min_gain_pct": "gains at least {} %",
}


def rule_titles(decided: Decided | None) -> list[str]:
    """Return what each rule of a decision asks for, so that two rules of one metric differ."""
    if decided is None:
        return []
    try:
        rules = inputs_from_json(dict(decided.fact.inputs)).policy.rules
    except (RetrainError, ValueError):
        return [result.metric for result in decided.fact.evaluation.rules]
    return [f"{rule.metric} {_TITLES[rule.kind].format(short_number(rule.limit))}" for rule in rules]


def rule_charts(decided: Decided | None, eval_rows: int | None = None) -> list[Chart | None]:
    """Return a chart for each rule of a decision, None where the rule has no value or no limit to show."""
    if decided is None:
        return []
    results = decided.fact.evaluation.rules
    try:
        inputs = inputs_from_json(dict(decided.fact.inputs))
        rules = inputs.policy.rules
        with localcontext(EXACT):
            return [
                _chart(rule, result, inputs.definitions, eval_rows) for rule, result in zip(rules, results, strict=True)
            ]
    except (RetrainError, ValueError):
        return [None] * len(results)  # a record of another form still has its formulas to show


def _chart(
    rule: Rule, result: RuleResult, definitions: Mapping[str, MetricDefinition], eval_rows: int | None
) -> Chart | None:
    observed, baseline = _decimal(result.observed), _decimal(result.baseline)
    if observed is None:
        return None
    if rule.against is None:
        passing: Interval | None = _bound(rule)
    elif baseline is None:
        return None
    else:
        passing = _change(rule, baseline, definitions)
    is_share = rule.metric == _SHARE and _SHARE not in definitions
    return _drawn(observed, baseline, passing, rule, sampling_interval(observed, eval_rows) if is_share else None)


def sampling_interval(share: Decimal, rows: int | None) -> Interval | None:
    """Return the 95 % interval (Wilson's) of a share of so many rows, None where there is none to tell.

    Another sample of as many rows gives other values by chance alone: two values whose intervals overlap widely differ
    by no more than that.
    """
    if not rows or not 0 <= share <= 1:
        return None
    with localcontext(_ROUGH):
        z_squared = _Z * _Z
        middle = (share + z_squared / (2 * rows)) / (1 + z_squared / rows)
        reach = _Z / (1 + z_squared / rows) * (share * (1 - share) / rows + z_squared / (4 * rows * rows)).sqrt()
        return Interval(low=max(middle - reach, Decimal(0)), high=min(middle + reach, Decimal(1)))


def passing_values(
    rule: Rule, baseline: Decimal | None, definitions: Mapping[str, MetricDefinition]
) -> Interval | None:
    """Return the values of the metric that pass a rule; None where none does, or a change has no baseline."""
    with localcontext(EXACT):
        if rule.against is None:
            return _bound(rule)
        return None if baseline is None else _change(rule, baseline, definitions)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _bound(rule: Rule) -> Interval:
    return Interval(low=rule.limit, high=None) if rule.kind == "min" else Interval(low=None, high=rule.limit)


def _change(rule: Rule, baseline: Decimal, definitions: Mapping[str, MetricDefinition]) -> Interval | None:
    """Return the values that are far enough on the good side of the baseline."""
    gain = -rule.limit if rule.kind.startswith("max_drop") else rule.limit
    if rule.kind.endswith("_pct"):
        gain = gain * abs(baseline) / 100
    direction = direction_of(rule.metric, definitions)
    if direction == "higher":
        return Interval(low=baseline + gain, high=None)
    if direction == "lower":
        return Interval(low=None, high=baseline - gain)
    target = target_of(rule.metric, definitions)
    reach = abs(baseline - target) - gain
    return Interval(low=target - reach, high=target + reach) if reach >= 0 else None


def _drawn(
    observed: Decimal, baseline: Decimal | None, passing: Interval | None, rule: Rule, sampled: Interval | None
) -> Chart:
    limits = tuple(end for end in (passing.low, passing.high) if end is not None) if passing else ()
    chance = (sampled.low, sampled.high) if sampled else ()
    axis = Axis.over([value for value in (observed, baseline, *limits, *chance) if value is not None])
    nearest = min(limits, key=lambda limit: abs(limit - observed), default=None)
    return Chart(
        observed=axis.place(observed),
        baseline=None if baseline is None else axis.place(baseline),
        passing=axis.stretch(passing) if passing else None,
        limits=tuple((axis.place(end), short_number(end)) for end in limits),
        margin=None if nearest is None else (axis.place(nearest), axis.place(observed)),
        unit=" %" if rule.kind.endswith("_pct") else "",
        ends=(short_number(axis.low), short_number(axis.high)),
        label=_label(rule.metric, observed, baseline, passing),
        sampled=_sampled(axis, sampled) if sampled else None,
    )


def _sampled(axis: "Axis", interval: Interval) -> tuple[str, str, str] | None:
    if interval.low is None or interval.high is None:
        return None
    return axis.place(interval.low), axis.place(interval.high), f"{_short(interval.low)} to {_short(interval.high)}"


def _short(value: Decimal) -> str:
    return short_number(value.quantize(_TEN_THOUSANDTH))


class Axis(Struct, frozen=True, kw_only=True):
    """The values at the two ends of an axis."""

    low: Decimal
    high: Decimal

    @classmethod
    def over(cls, values: Iterable[Decimal]) -> "Axis":
        """Return an axis on which all the values have some room around them; there is at least one."""
        shown = list(values)
        low, high = min(shown), max(shown)
        free = (high - low) * _MARGIN or abs(low) * _MARGIN or Decimal(1)
        return cls(low=low - free, high=high + free)

    def share(self, value: Decimal) -> Decimal:
        """Return how far along the axis a value lies: 0 at its low end, 1 at its high end."""
        return (value - self.low) / (self.high - self.low)

    def place(self, value: Decimal) -> str:
        """Return a value's place in the picture."""
        return f"{self.share(value) * WIDTH:.1f}"

    def stretch(self, passing: Interval) -> tuple[str, str]:
        """Return where an interval begins in the picture, and its length there."""
        begin = Decimal(0) if passing.low is None else self.share(passing.low) * WIDTH
        end = Decimal(WIDTH) if passing.high is None else self.share(passing.high) * WIDTH
        return f"{begin:.1f}", f"{end - begin:.1f}"


def _label(metric: str, observed: Decimal, baseline: Decimal | None, passing: Interval | None) -> str:
    against = "" if baseline is None else f"; the baseline is {short_text(baseline)}"
    return f"{metric} is {short_text(observed)}; {_range(passing)}{against}"


def _range(passing: Interval | None) -> str:
    if passing is None:
        return "no value passes"
    ends = [("from", passing.low), ("to", passing.high)]
    return " ".join(["what passes goes", *(f"{word} {short_text(end)}" for word, end in ends if end is not None)])


class PolicyLimit(Struct, frozen=True, kw_only=True):
    """The rules a decision was made by, and the custom metrics they may speak of."""

    rules: tuple[Rule, ...]
    definitions: Mapping[str, MetricDefinition]


_NOTHING = PolicyLimit(rules=(), definitions={})


class PolicyLimits(Struct, kw_only=True):
    """Reads the rules behind decisions, those of one policy once: a long history has thousands of decisions."""

    known: dict[str, PolicyLimit] = field(default_factory=dict)

    def interval(self, decided: Decided, metric: str) -> Interval | None:
        """Return the values of a metric that passed all the rules that decide; None where no rule drew a limit."""
        found = [interval for interval in self._intervals(decided, metric) if interval is not None]
        lows = [drawn.low for drawn in found if drawn.low is not None]
        highs = [drawn.high for drawn in found if drawn.high is not None]
        return Interval(low=max(lows, default=None), high=min(highs, default=None)) if found else None

    def _intervals(self, decided: Decided, metric: str) -> Iterator[Interval | None]:
        standard = self._standard(decided)
        for rule, result in zip(standard.rules, decided.fact.evaluation.rules, strict=False):
            if rule.metric == metric and rule.level == "decide":
                baseline = result.baseline
                number = None if baseline is None else Decimal(baseline)
                yield passing_values(rule, number, standard.definitions)

    def _standard(self, decided: Decided) -> PolicyLimit:
        key = decided.fact.policy_sha256
        if key not in self.known:
            self.known[key] = _read(decided)
        return self.known[key]


def _read(decided: Decided) -> PolicyLimit:
    try:
        inputs = inputs_from_json(dict(decided.fact.inputs))
    except (RetrainError, ValueError):
        return _NOTHING  # a record of another form still has its values to show
    rules = inputs.policy.rules
    return PolicyLimit(rules=rules, definitions=inputs.definitions)
