"""A history as text for a terminal."""

from collections.abc import Iterable, Sequence
from itertools import islice

from runner.journal.events import ADOPTED, RollbackDecided
from runner.journal.retrain_job import Decided
from runner.lib.timestamps import stamp
from runner.reports.build import metrics_of
from runner.reports.history import Entry, Incumbent
from runner.reports.table import Column, short_number, text_table
from runner.reports.text import inline, utc, words

_MOST_METRICS = 4  # of a decision without rules
_NOTHING = "No run matches."


def history_text(entries: Sequence[Entry], *, width: int | None) -> str:
    """Return one table for each model of each service; metrics have a column each."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.model, entry.service), []).append(entry)
    parts = [
        f"{inline(model)} ({inline(service)})\n{_table(group, width)}" for (model, service), group in groups.items()
    ]
    return "\n\n".join(parts) or _NOTHING


def _table(entries: Sequence[Entry], width: int | None) -> str:
    metrics = _metric_names(entry.decided for entry in entries)
    columns = [
        *(Column(title="run", whole=True), Column(title="outcome"), Column(title="decided by")),
        *(Column(title=name, number=True) for name in metrics),
        *(Column(title="job", spare=True), Column(title="reason", spare=True)),
    ]
    rows = [_row(entry, metrics) for entry in entries]
    return text_table(columns, rows, width=width)


def _row(entry: Entry, metrics: Sequence[str]) -> list[str]:
    outcome = words(entry.outcome or "under way")
    return [
        *(entry.run.run_id, outcome, _decider(entry)),
        *(_number(entry.decided, name) for name in metrics),
        *(entry.retrain_job_id or "", entry.reason),
    ]


def _number(decided: Decided | None, name: str) -> str:
    if decided is not None and decided.unread is not None:
        return "unread"
    values = metrics_of(decided)
    return short_number(values[name]) or "none" if name in values else ""


def _decider(entry: Entry) -> str:
    word = entry.rollback or entry.review
    if word is not None:
        return word.fact.by
    return f"policy {entry.decided.fact.policy}" if entry.decided else ""


def _metric_names(decisions: Iterable[Decided | None]) -> list[str]:
    """Return the metrics that rules looked at; where there were no rules, the first few that were read."""
    evaluations = [one.fact.evaluation for one in decisions if one is not None]
    ruled = {rule.metric: None for evaluation in evaluations for rule in evaluation.rules}
    read = {name: None for evaluation in evaluations for name in evaluation.metrics}
    return list(ruled) or list(islice(read, _MOST_METRICS))


def incumbents_text(incumbents: Sequence[Incumbent], *, width: int | None) -> str:
    """Return which job served each model, since when, and who decided it."""
    if not incumbents:
        return "No model was switched by then."
    columns = [
        *(Column(title="model"), Column(title="job", whole=True), Column(title="since")),
        *(Column(title="decided by"), Column(title="run", spare=True)),
        *(Column(title="service", spare=True), Column(title="reason", spare=True)),
    ]
    return text_table(columns, [_incumbent(one) for one in incumbents], width=width)


def _incumbent(one: Incumbent) -> list[str]:
    job, review = one.job, one.job.review
    by = f"policy {job.decided.fact.policy}" if job.decided else ""
    reason = job.decided.fact.evaluation.decision.reason if job.decided else ""
    if review is not None:
        by, reason = review.fact.by, f"{reason} {words(review.fact.action)}: {review.fact.reason or 'no reason given'}"
    if job.rollback is not None:
        by, reason = (
            job.rollback.fact.by,
            f"{_turn(job.rollback.fact)}: {job.rollback.fact.reason}",
        )
    since = utc(stamp(job.switched_at)) if job.switched_at else ""
    return [one.model, job.retrain_job_id, since, by, one.run.run_id, one.service, reason]


def _turn(fact: RollbackDecided) -> str:
    """Return what a rollback was: one to the job that is recorded in service switches to it once more."""
    same = fact.from_job_id == fact.retrain_job_id
    return "switched to once more" if same else f"rollback from {fact.from_job_id or ADOPTED}"
