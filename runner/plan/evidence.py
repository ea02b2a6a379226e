"""What a person decides by: every metric of a candidate beside that of the model in service. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal, localcontext
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ModelError
from runner.journal.events import IncumbentAdopted
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import Decided, RetrainJob
from runner.manifest.model import MetricDefinition
from runner.plan.incumbent import drift_of
from runner.policy.decide import definitions_from_json
from runner.policy.evaluation import CHANGED_OUTSIDE, Baseline, Knowledge, unfairness
from runner.policy.judge import Aim, gain
from runner.results.metrics import MISSING, direction_of, target_of

Change = Literal["better", "worse", "same"]
_EXACT = Context(prec=5000)  # of numbers with at most 100 digits and exponents of at most 400


class MetricEvidence(Struct, frozen=True, kw_only=True):
    """One metric of both models; a value is None where there is none, and `problem` says why as a sentence's end.

    `difference` is candidate minus incumbent, `change` what that means by the metric's direction; both are None where
    a value is. `unit` is `%` where the result file writes the value in percent; the numbers are fractions even then.
    """

    name: str
    candidate: Decimal | None
    incumbent: Decimal | None
    difference: Decimal | None
    change: Change | None
    unit: Literal["", "%"]
    problem: str | None


class Evidence(Struct, frozen=True, kw_only=True):
    """A candidate's metrics beside those of the model in service, the ones that rules look at first.

    `source` says where the incumbent's values come from: a job of ours (`measured`), a person (`stated`), or nowhere
    (`unrecorded`: nothing is recorded of the model in service). `note` says why the two may not be compared fairly.
    """

    retrain_job_id: str
    incumbent_job_id: str | None
    source: Knowledge
    note: str | None
    metrics: tuple[MetricEvidence, ...]


class _Side(Struct, frozen=True, kw_only=True):
    """What is recorded of one of the two models: exact texts of its metrics, and why others have none."""

    retrain_job_id: str | None
    source: Knowledge
    metrics: Mapping[str, str | None]
    problems: Mapping[str, str]
    percent: frozenset[str]
    eval_sha256: str | None


_NOTHING = _Side(
    retrain_job_id=None, source="unrecorded", metrics={}, problems={}, percent=frozenset(), eval_sha256=None
)


def evidence(progress: ModelProgress, job: RetrainJob) -> Evidence:
    """Return a job's metrics beside those of the job that serves, or of the one that served before, if it serves."""
    ours, theirs = _side(job), _in_service(progress, job)
    definitions = _definitions(job.decided)
    return Evidence(
        retrain_job_id=job.retrain_job_id,
        incumbent_job_id=theirs.retrain_job_id,
        source=theirs.source,
        note=_note(progress, ours, theirs),
        metrics=tuple(_metric(name, ours, theirs, definitions) for name in _names(job.decided, ours, theirs)),
    )


def metrics_against(job: RetrainJob, stated: Mapping[str, str]) -> tuple[MetricEvidence, ...]:
    """Return a job's metrics beside those that a person is about to state of the model in service."""
    ours, theirs = _side(job), replace(_NOTHING, source="stated", metrics=stated)
    definitions = _definitions(job.decided)
    return tuple(_metric(name, ours, theirs, definitions) for name in _names(job.decided, ours, theirs))


def _in_service(progress: ModelProgress, job: RetrainJob) -> _Side:
    """Return what is recorded of the model that a switch to the job replaces, or has replaced."""
    if drift_of(progress) == "changed_outside":
        return _NOTHING
    rival = _rival(progress, job)
    if rival is not None:
        return _side(rival)
    return _NOTHING if progress.adoption is None else _stated(progress.adoption.fact)


def _stated(fact: IncumbentAdopted) -> _Side:
    return replace(_NOTHING, source="stated", metrics=fact.metrics, eval_sha256=fact.eval_sha256)


def _rival(progress: ModelProgress, job: RetrainJob) -> RetrainJob | None:
    incumbent = progress.incumbent
    if incumbent is None or progress.served is not None or incumbent.retrain_job_id != job.retrain_job_id:
        return incumbent
    before = (name for name in reversed(progress.serving.ids) if name != job.retrain_job_id)
    return next((progress.jobs[name] for name in before if name in progress.jobs), None)


def _side(job: RetrainJob) -> _Side:
    found = job.decided.fact.evaluation if job.decided else None
    texts = found.texts if found else {}
    return _Side(
        retrain_job_id=job.retrain_job_id,
        source="measured",
        metrics=found.metrics if found else {},
        problems=found.problems if found else {},
        percent=frozenset(name for name, text in texts.items() if text.endswith(("%", "\uff05"))),
        eval_sha256=job.eval_sha256,
    )


def _names(decided: Decided | None, ours: _Side, theirs: _Side) -> Iterator[str]:
    """Yield every metric once: those of the rules, then those of the candidate, then those of the incumbent alone."""
    rules = decided.fact.evaluation.rules if decided else ()
    ruled = dict.fromkeys(rule.metric for rule in rules)
    yield from dict.fromkeys([*ruled, *ours.metrics, *theirs.metrics])


def _metric(name: str, ours: _Side, theirs: _Side, definitions: Mapping[str, MetricDefinition]) -> MetricEvidence:
    candidate, incumbent = _value(ours, name), _value(theirs, name)
    difference, change = None, None
    if candidate is not None and incumbent is not None:
        with localcontext(_EXACT):
            difference = candidate - incumbent
            change = _change(name, candidate, incumbent, definitions)
    return MetricEvidence(
        name=name,
        candidate=candidate,
        incumbent=incumbent,
        difference=difference,
        change=change,
        unit="%" if name in ours.percent | theirs.percent else "",
        problem=_problem(name, ours, theirs, candidate, incumbent),
    )


def _value(side: _Side, name: str) -> Decimal | None:
    text = side.metrics.get(name)
    return None if text is None else Decimal(text)


def _change(
    name: str, candidate: Decimal, incumbent: Decimal, definitions: Mapping[str, MetricDefinition]
) -> Change | None:
    """Return which of two values is better; None for a metric whose direction is not recorded."""
    try:
        direction = direction_of(name, definitions)
        aim = Aim(direction=direction, target=target_of(name, definitions) if direction == "nearest" else None)
    except ModelError:
        return None
    won = gain(aim, candidate, incumbent)
    return "same" if not won else "better" if won > 0 else "worse"


def _problem(name: str, ours: _Side, theirs: _Side, candidate: Decimal | None, incumbent: Decimal | None) -> str | None:
    if candidate is None:
        return ours.problems.get(name, MISSING)
    if incumbent is None and theirs.source != "unrecorded":
        known = theirs.problems.get(name)
        return f"of the incumbent {known}" if known else "is not recorded for the incumbent"
    return None


def _note(progress: ModelProgress, ours: _Side, theirs: _Side) -> str | None:
    if drift_of(progress) == "changed_outside":
        return CHANGED_OUTSIDE
    if theirs.source == "unrecorded" and progress.incumbent is not None:
        return "Nothing is recorded of the model before this one."
    if theirs.source == "unrecorded":
        return "Nothing is recorded of the model in service."
    stated = "The incumbent's values are stated by a person." if theirs.source == "stated" else None
    return " ".join(filter(None, (stated, _unfair(ours, theirs)))) or None


def _unfair(ours: _Side, theirs: _Side) -> str | None:
    known = {name: text for name, text in theirs.metrics.items() if text is not None}
    baseline = Baseline(
        retrain_job_id=theirs.retrain_job_id, source="measured", metrics=known, eval_sha256=theirs.eval_sha256
    )
    gap = unfairness(baseline, ours.eval_sha256)
    return gap.reason if gap else None


def _definitions(decided: Decided | None) -> Mapping[str, MetricDefinition]:
    """Return the custom metrics as the decision knew them; none where its record has another form."""
    try:
        return definitions_from_json(decided.fact.inputs["definitions"] if decided else {})
    except (ValueError, KeyError):
        return {}
