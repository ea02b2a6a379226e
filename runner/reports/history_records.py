"""A history as JSON values with stable keys, and as rows of comma-separated values with stable columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import to_builtins

from runner.journal.progress import RunRecord
from runner.journal.retrain_job import Decided
from runner.lib.timestamps import stamp
from runner.reports.build import approval_report, metrics_of, rollback_report
from runner.reports.history import Entry, Incumbent
from runner.reports.table import Cell, csv_text
from runner.reports.text import render_json

HISTORY_VERSION = 1
Record = dict[str, Any]  # a JSON object
_DECIDED = ("decision.action", "decision.by", "decision.at", "decision.run_id", "decision.reason")
_BY_PERSON = (
    *("review.action", "review.by", "review.at", "review.reason"),
    *("rollback.from_job_id", "rollback.by", "rollback.at", "rollback.reason"),
)
_CI = ("ci_actor.name", "ci_actor.source")
_MANIFEST = ("manifest.sha256", "manifest.commit", "manifest.dirty")
ENTRY_COLUMNS = (
    *("run_id", "command", "service", "model", "started_at", "finished_at", "actor", *_CI, *_MANIFEST),
    *("outcome", "reason", "retrain_job_id", "policy", "unread", "verdict", *_DECIDED, *_BY_PERSON),
    *("switched_at", "error.kind", "error.message", "error.hint"),
)
INCUMBENT_COLUMNS = (
    *("model", "service", "retrain_job_id", "since", "run_id", "actor", *_CI, "policy", *_DECIDED, *_BY_PERSON),
)


def entry_record(entry: Entry) -> Record:
    """Return one model in one run; what did not happen in this run is None or empty."""
    return {
        **run_record(entry.run),
        "model": entry.model,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "retrain_job_id": entry.retrain_job_id,
        "policy": entry.policy,
        "metrics": metrics_of(entry.decided),
        "unread": entry.decided.unread if entry.decided else None,
        "verdict": entry.decided.fact.evaluation.verdict if entry.decided else None,
        "decision": decision_record(entry.decided),
        "review": to_builtins(approval_report(entry.review)) if entry.review else None,
        "rollback": to_builtins(rollback_report(entry.rollback)) if entry.rollback else None,
        "switched_at": _stamp(entry.switched_at),
        "error": to_builtins(entry.error) if entry.error else None,
    }


def incumbent_record(incumbent: Incumbent) -> Record:
    """Return what served a model, since when, and by which decision."""
    return {
        "model": incumbent.model,
        "service": incumbent.service,
        "retrain_job_id": incumbent.job.retrain_job_id,
        "since": _stamp(incumbent.job.switched_at),
        "run_id": incumbent.run.run_id,
        "actor": incumbent.run.started.actor,
        "ci_actor": to_builtins(incumbent.run.started.ci_actor),
        "policy": incumbent.job.decided.fact.policy if incumbent.job.decided else None,
        "decision": decision_record(incumbent.job.decided),
        "review": to_builtins(approval_report(incumbent.job.review)) if incumbent.job.review else None,
        "rollback": to_builtins(rollback_report(incumbent.job.rollback)) if incumbent.job.rollback else None,
        "metrics": metrics_of(incumbent.job.decided),
    }


def run_record(run: RunRecord) -> Record:
    """Return which run it was, who ran it, and from which manifest."""
    manifest, git = run.started.manifest, run.started.manifest.git
    return {
        "run_id": run.run_id,
        "command": run.started.command,
        "service": run.started.service,
        "started_at": _stamp(run.started_at),
        "finished_at": _stamp(run.finished_at),
        "actor": run.started.actor,
        "ci_actor": to_builtins(run.started.ci_actor),
        "manifest": {
            "sha256": manifest.sha256,
            "commit": git.commit if git else None,
            "dirty": git.dirty if git else None,
        },
    }


def decision_record(decided: Decided | None) -> Record | None:
    """Return what a policy decided, and in which run."""
    if decided is None:
        return None
    decision = decided.fact.evaluation.decision
    return {
        "action": decision.action,
        "by": decision.by,
        "at": _stamp(decided.at),
        "run_id": decided.run_id,
        "reason": decision.reason,
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def history_json(entries: Sequence[Entry]) -> str:
    """Return the history as a JSON document."""
    return _document({"runs": [entry_record(entry) for entry in entries]})


def history_csv(entries: Sequence[Entry]) -> str:
    """Return the history as CSV, one line for each model in each run."""
    return _csv(ENTRY_COLUMNS, [entry_record(entry) for entry in entries])


def incumbents_json(incumbents: Sequence[Incumbent], at: datetime) -> str:
    """Return what served at a moment as a JSON document."""
    return _document({"at": stamp(at), "incumbents": [incumbent_record(incumbent) for incumbent in incumbents]})


def incumbents_csv(incumbents: Sequence[Incumbent]) -> str:
    """Return what served at a moment as CSV, one line for each model."""
    return _csv(INCUMBENT_COLUMNS, [incumbent_record(incumbent) for incumbent in incumbents])


def _document(content: Record) -> str:
    return render_json({"history_version": HISTORY_VERSION, **content}).decode()


def _csv(columns: Sequence[str], records: Sequence[Record]) -> str:
    """Return records as CSV: columns are keys joined by dots, then comes one for each metric of any record."""
    metrics = sorted({name for record in records for name in record["metrics"]})
    rows = [
        [*(_at(record, column) for column in columns), *(record["metrics"].get(name) for name in metrics)]
        for record in records
    ]
    return csv_text([*columns, *(f"metric.{name}" for name in metrics)], rows)


def _at(record: Record, path: str) -> Cell:
    value: Any = record
    for key in path.split("."):
        value = None if value is None else value[key]
    cell: Cell = value
    return cell
