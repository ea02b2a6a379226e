"""The status of a model now, as a line of the fleet's page and the head of its own. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from msgspec import Struct

from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, OUTCOMES, Outcome, urgency
from runner.journal.retrain_job import Decided, RetrainJob
from runner.plan.eligibility import blocked
from runner.plan.evidence import evidence
from runner.plan.incumbent import baseline_of, drift_of
from runner.plan.model_plan import person_command
from runner.policy.baseline import Knowledge, knowledge_of
from runner.policy.types import unread_clause
from runner.reports.build import decision_report, metrics_of, rules_of
from runner.reports.evidence_text import evidence_line
from runner.reports.history import Entry
from runner.reports.model import ModelReport, NextStep
from runner.reports.model_timeline import ModelTimeline
from runner.reports.next_step import CommandContext, next_step
from runner.reports.table import short_number
from runner.reports.text import counted

_MOST_STRIPS = 24
_MOST_VALUES = 3
_RESTS: Mapping[str, Outcome] = {"hold": "held", "await_approval": "awaiting_approval"}


class Waiting(Struct, frozen=True, kw_only=True):
    """A candidate that a person decides about, since when, its metrics beside the incumbent's, the commands to copy."""

    retrain_job_id: str
    since: datetime
    policy: str
    metrics: str
    approve: str
    reject: str


class Strip(Struct, frozen=True, kw_only=True):
    """Neighbouring runs with the same outcome in a row of runs; `x` and `width` are percent of its width."""

    outcome: Outcome
    x: str
    width: str


class ModelSummary(Struct, frozen=True, kw_only=True):
    """One model now. `entry` is its newest run, `ended` the newest that has an end; None before there is one.

    `value` is the incumbent's leading value; without a job of ours `known` says whether a person stated it.
    `changed_outside` says that another model was in service when the service's list was last read.
    """

    timeline: ModelTimeline
    entry: Entry
    ended: Entry | None
    incumbent: RetrainJob | None
    known: Knowledge
    changed_outside: bool
    value: str
    waiting: Waiting | None
    next: NextStep | None
    strips: Sequence[Strip]
    strip_words: str

    @property
    def troubled(self) -> bool:
        """Return whether the model needs a person."""
        return self.standing in NEEDS_PERSON

    @property
    def standing(self) -> Outcome | None:
        """Return the last outcome, or that of a candidate which still rests with a person."""
        outcome, job = self.ended.outcome if self.ended else None, self.timeline.progress.current
        if outcome in NEEDS_PERSON or job is None:
            return outcome
        return _RESTS.get(job.rests_with or "", outcome)

    @property
    def urgency(self) -> int:
        """Return a key that sorts the models that need a person first."""
        return urgency(self.standing) if self.standing else len(OUTCOMES)


def standing(timeline: ModelTimeline) -> ModelSummary:
    """Return where a model is by the end of the journal."""
    ended = next((entry for entry in reversed(timeline.entries) if entry.outcome is not None), None)
    incumbent = timeline.progress.incumbent
    outcomes = [entry.outcome for entry in timeline.entries if entry.outcome is not None][-_MOST_STRIPS:]
    return ModelSummary(
        timeline=timeline,
        entry=max(timeline.entries, key=lambda entry: entry.run.started_at),
        ended=ended,
        incumbent=incumbent,
        known=knowledge_of(baseline_of(timeline.progress)),
        changed_outside=drift_of(timeline.progress) == "changed_outside",
        value=_leading_value(timeline.progress),
        waiting=_waiting(timeline),
        next=_next_step(timeline, ended),
        strips=_strips(outcomes),
        strip_words=f"last {counted(len(outcomes), 'run')}: {', '.join(_counted(outcomes))}"
        if outcomes
        else "no run has ended",
    )


def _next_step(timeline: ModelTimeline, ended: Entry | None) -> NextStep | None:
    current = timeline.progress.current
    if ended is not None and ended.outcome not in NEEDS_PERSON and current and current.rests_with == "hold":
        judged = (
            entry for entry in timeline.entries if entry.decided and entry.retrain_job_id == current.retrain_job_id
        )
        ended = next(judged, ended)  # runs that skipped the model since say nothing of its candidate
    if ended is None or ended.outcome is None:
        return None
    job, finished = timeline.progress.jobs.get(ended.retrain_job_id or ""), ended.run.finished
    return next_step(
        _as_reported(timeline, ended, ended.outcome),
        CommandContext.of_run(ended.run.started),
        stopped=finished is not None and finished.stopped is not None,
        blocked=job is not None and blocked(timeline.progress, job) is not None,
    )


def _as_reported(timeline: ModelTimeline, entry: Entry, outcome: Outcome) -> ModelReport:
    """Return what a report says of the model, as far as the next step hangs on it."""
    job = timeline.progress.jobs.get(entry.retrain_job_id or "")
    decided = job.decided if job is not None else None
    return ModelReport(
        name=entry.model,
        outcome=outcome,
        reason=entry.reason,
        retrain_job_id=entry.retrain_job_id,
        unread=decided.unread if decided is not None else None,
        rules=rules_of(decided),
        decision=decision_report(job),
        error=entry.error,
    )


def _leading_value(progress: ModelProgress) -> str:
    job, adoption = progress.incumbent, progress.adoption
    stated = adoption.fact.metrics.items() if adoption else ()
    values = leading_values(job.decided if job else None) or [(name, Decimal(text)) for name, text in stated]
    return f"{values[0][0]} {short_number(values[0][1])}" if values else ""


def _waiting(timeline: ModelTimeline) -> Waiting | None:
    job = timeline.progress.current
    if job is None or job.decided is None or job.rests_with != "await_approval":
        return None
    state = CommandContext.of_run(timeline.entries[-1].run.started).state
    of_job = (timeline.name, "--job", job.retrain_job_id)
    return Waiting(
        retrain_job_id=job.retrain_job_id,
        since=job.decided.at,
        policy=job.decided.fact.policy,
        metrics=evidence_line(evidence(timeline.progress, job)),
        approve=person_command("approve", *of_job, state=state),
        reject=person_command("reject", *of_job, state=state),
    )


def told_values(decided: Decided | None) -> list[str]:
    """Return the leading values as text, or why no metric could be read."""
    if decided is not None and decided.unread is not None:
        return [unread_clause(decided.unread)]
    return [f"{name} {short_number(value)}" for name, value in leading_values(decided)]


def leading_values(decided: Decided | None) -> list[tuple[str, Decimal]]:
    """Return up to three metrics with their values: those the rules looked at, without rules the result's first."""
    if decided is None:
        return []
    ruled = dict.fromkeys(rule.metric for rule in decided.fact.evaluation.rules)
    metrics = metrics_of(decided)
    found = ((name, metrics.get(name)) for name in ruled or metrics)
    return [(name, value) for name, value in found if value is not None][:_MOST_VALUES]


def _strips(outcomes: Sequence[Outcome]) -> list[Strip]:
    found, begin, share = list[Strip](), 0, 100 / _MOST_STRIPS
    for outcome, group in groupby(outcomes):
        count = len(list(group))
        found.append(Strip(outcome=outcome, x=f"{begin * share:.2f}", width=f"{count * share:.2f}"))
        begin += count
    return found


def _counted(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"{outcomes.count(outcome)} {outcome.replace('_', ' ')}" for outcome in BY_URGENCY if outcome in outcomes]
