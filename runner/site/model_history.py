"""A model's runs and incumbents as lines of two tables, newest first. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from runner.journal.outcomes import OUTCOMES, Outcome
from runner.journal.progress import Progress
from runner.reports.build import metrics_of
from runner.reports.history import Entry
from runner.reports.table import short_number
from runner.site.addresses import run_path
from runner.site.model_summary import leading_values, told_values
from runner.site.model_timeline import Deployment, ModelTimeline

_DECISIONS = {"switch": "switch", "hold": "hold", "await_approval": "ask a person"}


class EntryRow(Struct, frozen=True, kw_only=True):
    """The model in one run; `path` is that of the run's page, None while the run has no end."""

    entry: Entry
    path: str | None
    values: Sequence[str]
    metrics: Mapping[str, Decimal | None]
    decision: str


class DeploymentRow(Struct, frozen=True, kw_only=True):
    """What served; `end` is None for what serves now as far as the journal knows."""

    reign: Deployment
    end: datetime | None
    path: str | None
    value: str


def outcome_counts(chronicle: ModelTimeline) -> dict[Outcome, int]:
    """Return how often each outcome was met."""
    outcomes = [one.outcome for one in chronicle.entries]
    return {one: outcomes.count(one) for one in OUTCOMES if one in outcomes}


def entry_rows(chronicle: ModelTimeline) -> Sequence[EntryRow]:
    """Return the model's runs."""
    return [_entry_row(one) for one in sorted(chronicle.entries, key=lambda one: one.run.started_at, reverse=True)]


def _entry_row(entry: Entry) -> EntryRow:
    return EntryRow(
        entry=entry,
        path=run_path(entry.run.run_id) if entry.run.finished else None,
        values=told_values(entry.decided),
        metrics=metrics_of(entry.decided),
        decision=_decision(entry),
    )


def _decision(entry: Entry) -> str:
    """Return the last word that was said in the run: a person's stands above a policy's."""
    if entry.rollback is not None:
        return f"rollback by {entry.rollback.fact.by}"
    if entry.review is not None:
        return f"{entry.review.fact.action} by {entry.review.fact.by}"
    return _DECISIONS.get(entry.decided.action, entry.decided.action) if entry.decided else ""


def reign_rows(progress: Progress, chronicle: ModelTimeline) -> Sequence[DeploymentRow]:
    """Return the jobs that served, with the first value that their policy looked at."""
    found, end = list[DeploymentRow](), None
    for reign in reversed(chronicle.reigns):
        found.append(_reign_row(progress, chronicle, reign, end))
        end = reign.begin
    return found


def _reign_row(progress: Progress, chronicle: ModelTimeline, reign: Deployment, end: datetime | None) -> DeploymentRow:
    job = chronicle.progress.jobs.get(reign.retrain_job_id or "")
    stated = [(name, Decimal(text)) for name, text in reign.metrics.items()]
    values = leading_values(job.decided if job else None) or stated
    finished = progress.runs[reign.run_id].finished
    return DeploymentRow(
        reign=reign,
        end=end,
        path=run_path(reign.run_id) if finished else None,
        value=f"{values[0][0]} {short_number(values[0][1])}" if values else "",
    )
