"""What came of judging a result file: one record, written into the journal and compared byte by byte by audits."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from runner.results.metrics import MetricPlace

DecimalText = Annotated[str, Meta(pattern=r"\A-?[0-9]+(\.[0-9]+)?([Ee][+-]?[0-9]{1,4})?\Z", max_length=1000)]
Verdict = Literal["passed", "failed", "inconclusive"]
Cause = Literal["measured", "unusable", "unread", "first_run", "no_baseline", "other_evaluation", "changed_outside"]
Action = Literal["switch", "hold", "await_approval"]


class RuleResult(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of one rule; its numbers are decimal texts.

    `margin` is the room left to the limit, negative when missed, None when nothing was measured; `_pct` rules have it
    in percentage points. `cause` names in one word what the verdict rests on, `reason` in a sentence.
    """

    metric: str
    observed: DecimalText | None
    baseline: DecimalText | None
    formula: str
    limit: DecimalText
    margin: DecimalText | None
    level: Literal["decide", "warn"]
    verdict: Verdict
    reason: str
    cause: Cause = "measured"


class Decision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to a candidate; `by` tells that a policy and no person decided."""

    action: Action
    by: Literal["policy"] = "policy"
    reason: str


class Evaluation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics, verdict, rules and decision of one result file. Every number is a decimal text.

    `unread` is None, or one sentence on why the file has no form that can be read; then there are no metrics, and the
    policy decides without. `place` is where the metrics are that the manifest gives no place, and `searched` tells that
    a search found it; `places` has where each metric with a value was read. `problems` says why a metric has no value;
    `texts` has the source text of those that the file spells in another way.
    """

    unread: Annotated[str, Meta(min_length=1)] | None
    place: str | None
    searched: bool
    metrics: Mapping[str, DecimalText | None]
    places: Mapping[str, MetricPlace]
    problems: Mapping[str, str]
    texts: Mapping[str, str]
    verdict: Verdict
    rules: tuple[RuleResult, ...]
    decision: Decision
