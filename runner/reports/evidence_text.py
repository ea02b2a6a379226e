"""A candidate's metrics beside those of the model in service: as a table, and as one line."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec import Struct

from runner.plan.evidence import Evidence, MetricEvidence
from runner.reports.model import ModelReport
from runner.reports.next_step import short_ids, why, with_short_ids
from runner.reports.table import Column, short_number, signed_number, text_table

NO_METRICS = "No metric of either model is recorded."
_MOST = 4  # metrics in one line
_NONE = "none"


class MetricText(Struct, frozen=True, kw_only=True):
    """A metric's row as a person reads it; `remark` is `better`, `worse`, `same`, or the problem."""

    name: str
    candidate: str
    incumbent: str
    difference: str
    remark: str


def metric_text(metric: MetricEvidence) -> MetricText:
    """Return the row, its numbers short and in the unit of the result file."""
    difference = metric.difference
    return MetricText(
        name=metric.name,
        candidate=_value(metric.candidate, metric.unit),
        incumbent=_value(metric.incumbent, metric.unit),
        difference="" if difference is None else _in_unit(difference, metric.unit, "pp", signed=True),
        remark=metric.change or metric.problem or "",
    )


def _value(value: Decimal | None, unit: str) -> str:
    return _NONE if value is None else _in_unit(value, unit, unit, signed=False)


def _in_unit(value: Decimal, unit: str, shown: str, *, signed: bool) -> str:
    """Return a number; one that is in percent is a hundred times the fraction, a difference of two in points."""
    text = signed_number if signed else short_number
    if not unit:
        return text(value)
    sign, digits, exponent = value.as_tuple()
    return f"{text(Decimal((sign, digits, int(exponent) + 2)))} {shown}"


def evidence_table(evidence: Evidence, *, width: int | None, candidate: str = "candidate") -> str:
    """Return every metric of both models with the difference, and what keeps them from a fair comparison.

    `candidate` is what the job is called that would serve next.
    """
    table = metrics_table(evidence.metrics, width=width, candidate=candidate)
    return "\n".join([table, *([evidence.note] if evidence.note else [])])


def metrics_table(metrics: Sequence[MetricEvidence], *, width: int | None, candidate: str = "candidate") -> str:
    """Return these metrics of both models with the difference."""
    rows = [_row(metric_text(metric)) for metric in metrics]
    return text_table(_columns(candidate), rows, width=width) if rows else NO_METRICS


def _columns(candidate: str) -> Sequence[Column]:
    numbers = (Column(title=title, number=True) for title in (candidate, "incumbent", "difference"))
    return (Column(title="metric"), *numbers, Column(title=""))


def _row(text: MetricText) -> Sequence[str]:
    return (text.name, text.candidate, text.incumbent, text.difference, text.remark)


def evidence_line(evidence: Evidence, most: int = _MOST, *, noted: bool = True) -> str:
    """Return the first metrics in a line: `auc 0.939 against 0.954 (-0.015, worse), recall 0.61`.

    Where nothing is recorded of the model in service, the line ends with that, unless it is not to be `noted`.
    """
    parts = [_phrase(metric_text(metric)) for metric in evidence.metrics[:most]]
    if len(evidence.metrics) > most:
        parts.append(f"{len(evidence.metrics) - most} more")
    told = ", ".join(parts) or NO_METRICS.removesuffix(".")
    return f"{told}; nothing is recorded of the model in service" if noted and evidence.source == "unrecorded" else told


def undecided(model: ModelReport) -> Evidence | None:
    """Return the evidence on a model of a report that waits for a person or was held, None on any other."""
    return model.evidence if model.outcome in ("awaiting_approval", "held") else None


def short_reason(model: ModelReport) -> str:
    """Return the reason of a model of a report, its job ids as short as those of its tables."""
    return in_short(model.reason, model)


def short_why(model: ModelReport) -> str:
    """Return the same without the commands, for where they are printed whole beside it."""
    return in_short(why(model), model)


def summary_reason(model: ModelReport) -> str:
    """Return the same for a summary, which ends with the commands; what to do about an error belongs to it."""
    return short_reason(model) if model.error else short_why(model)


def in_short(sentence: str, model: ModelReport) -> str:
    """Return a sentence about a model of a report with short job ids."""
    evidence = model.evidence
    ids = [model.retrain_job_id, evidence.incumbent_job_id if evidence else None]
    return with_short_ids(sentence, short_ids(name for name in ids if name))


def _phrase(text: MetricText) -> str:
    return " ".join(_words(text))


def _words(text: MetricText) -> Iterator[str]:
    yield text.name
    if text.difference:
        told = [text.difference, text.remark] if text.remark != "same" else [text.remark]
        yield f"{text.candidate} against {text.incumbent} ({', '.join(filter(None, told))})"
    elif text.candidate != _NONE:
        yield f"{text.candidate} against {_NONE}" if text.remark else text.candidate
    else:
        yield text.remark
