"""Which values of a metric passed a policy at the time of a decision."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from msgspec import Struct, field

from runner.errors import RetrainError
from runner.journal.retrain_job import Decided
from runner.manifest.model import MetricDefinition, Rule
from runner.policy.record import inputs_from_json
from runner.reports.charts.rule_chart import Interval, passing_values


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
        found = [one for one in self._intervals(decided, metric) if one is not None]
        lows = [one.low for one in found if one.low is not None]
        highs = [one.high for one in found if one.high is not None]
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
