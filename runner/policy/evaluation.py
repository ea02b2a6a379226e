"""What came of judging a result file: one record, written into the journal and compared byte by byte by audits."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta, Struct

from runner.results.metrics import Metric, MetricPlace, ResultMetrics, range_problem
from runner.results.number import NotANumber, number_from_text, number_text

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


Knowledge = Literal["measured", "stated", "unrecorded"]
CHANGED_OUTSIDE = "The model in service was changed outside this project."
Drift = Literal["in_sync", "changed_outside", "cannot_be_told"]


class Baseline(Struct, frozen=True, kw_only=True):
    """What changes are compared with: decimal texts by metric, and the SHA-256 of the evaluation file, if known.

    `measured` values are those of the job that this project last switched to; `stated` ones come from an adoption and
    have no job; `result_file` values are the previous model's, scored together with the candidate.
    """

    retrain_job_id: str | None
    source: Literal["measured", "stated", "result_file"]
    metrics: Mapping[str, str]
    eval_sha256: str | None


class Gap(Struct, frozen=True, kw_only=True):
    """Why a rule cannot be measured: the cause in one word, the reason in one sentence."""

    cause: Cause
    reason: str


def knowledge_of(recorded: Baseline | None) -> Knowledge:
    """Return what is known of the model in service, by its recorded baseline."""
    if recorded is None or recorded.source == "result_file":
        return "unrecorded"
    return recorded.source


def usable_value(metric: Metric) -> Decimal | Gap:
    """Return the metric's value, or why it has none."""
    if metric.value is None:
        return Gap(cause="unusable", reason=f"{metric.name} {metric.problem}.")
    return metric.value


def baseline_for(metric: str, metrics: ResultMetrics, recorded: Baseline | None) -> Baseline | None:
    """Return the recorded baseline, or without one the previous model's value where the result file carries it.

    A recorded incumbent is never replaced: whether the file's previous model is that incumbent is not known.
    """
    previous = metrics.previous.get(metric)
    if recorded is not None or previous is None:
        return recorded
    texts = {} if previous.value is None else {metric: number_text(previous.value)}
    return Baseline(retrain_job_id=None, source="result_file", metrics=texts, eval_sha256=None)


def baseline_value(metric: str, metrics: ResultMetrics, baseline: Baseline | None) -> Decimal | Gap:
    """Return the baseline's value of the metric, or why there is none."""
    if baseline is None:
        return Gap(cause="first_run", reason=f"Nothing is recorded of the model in service to compare {metric} with.")
    text = baseline.metrics.get(metric)
    if text is None:
        return Gap(cause="no_baseline", reason=_no_value(metric, metrics, baseline))
    number = number_from_text(text)
    why = number.why if isinstance(number, NotANumber) else range_problem(metric, number)
    if isinstance(number, NotANumber) or why is not None:
        return Gap(cause="no_baseline", reason=f"The incumbent's {metric} {why}.")
    return number


def _no_value(metric: str, metrics: ResultMetrics, baseline: Baseline) -> str:
    if baseline.source == "result_file" and metric in metrics.previous:
        return f"The previous model's {metric} {metrics.previous[metric].problem}."
    return f"No {metric} is recorded for the incumbent."


def outdated(baseline: Baseline, drift: Drift) -> Gap | None:
    """Return why a baseline is not the model in service; None where nothing contradicts it."""
    if drift != "changed_outside" or baseline.source == "result_file":
        return None
    return Gap(cause="changed_outside", reason=CHANGED_OUTSIDE)


def unfairness(baseline: Baseline, eval_sha256: str | None) -> Gap | None:
    """Return why the two models may have been scored on different rows; None when they were scored on the same."""
    if baseline.source == "result_file":
        return None
    if baseline.eval_sha256 is None or eval_sha256 is None:
        reason = "Candidate and incumbent were not both scored on an evaluation file, so their rows may differ."
    elif baseline.eval_sha256 != eval_sha256:
        reason = "Candidate and incumbent were scored on different evaluation files."
    else:
        return None
    return Gap(cause="other_evaluation", reason=reason)


class RecordedRule(TypedDict):
    """Of a rule in recorded inputs, what is shown; a value has its other settings too."""

    metric: str
    kind: str
    level: str


class RecordedPolicy(TypedDict):
    """Of a policy in recorded inputs, what is shown; one that never judges by rules has none."""

    type: str
    name: str
    rules: NotRequired[list[RecordedRule]]


class RecordedBaseline(TypedDict):
    """The baseline in recorded inputs."""

    retrain_job_id: str | None
    source: Literal["measured", "stated", "result_file"]
    metrics: dict[str, str]
    eval_sha256: str | None


class RecordedInputs(TypedDict):
    """The inputs of a decision as a JSON object."""

    policy: RecordedPolicy
    definitions: dict[str, object]
    baseline: RecordedBaseline | None
    eval_sha256: str | None
    drift: Drift
    place_before: str | None
