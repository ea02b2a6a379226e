"""`retrain history`."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.queries.history import HistoryRequest, explain, history, incumbents
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console, warn_of_loss
from runner.cli.params import PointInTime
from runner.errors import ExitCode, UsageError
from runner.journal.outcomes import OUTCOMES
from runner.plan.model_plan import state_option
from runner.reports.decision import Explanation, explanation_text, explanations_json
from runner.reports.history import Entry, Incumbent, history_text, incumbents_text
from runner.reports.history_records import history_csv, history_json, incumbents_csv, incumbents_json
from runner.reports.text import inline


@click.command("history", cls=Command, epilog="Example: retrain history churn --since 2026-03-01 --outcome switched")
@click.argument("model", required=False, shell_complete=options.known_models)
@click.option("--run", "run_id", metavar="ID", help="Explain the decision in this run; `latest`: the newest one.")
@click.option("--job", help="Explain the decisions about this retrain job of the model.")
@click.option(
    "--incumbent-at",
    type=PointInTime(end_of_day=True),
    metavar="WHEN",
    help="What was in service at that time.",
)
@options.select
@options.since
@options.until
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(tuple(OUTCOMES)), help="Only this outcome.")
@click.option("--service", metavar="HOST", help="Only the history with this service: its host, or `emulator`.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only each model's newest N runs.")
@click.option("--wide", is_flag=True, help="Show whole job ids.")
@options.manifest
@options.output_format("text", "json", "csv")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str | None,
    run_id: str | None,
    job: str | None,
    incumbent_at: datetime | None,
    select: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    outcomes: Sequence[str],
    service: str | None,
    limit: int | None,
    wide: bool,
    manifest: Sequence[Path],
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show every run of the models with its metrics and decision, or with --run or --job one decision in full.

    A decision in full is computed again from its stored result file; the exit code is 7 if the bytes differ.
    """
    request = HistoryRequest(
        state=state,
        select=(*([model] if model else []), *select),
        manifest=manifest,
        service=service,
        since=since,
        until=until,
        outcomes=outcomes,
        limit=limit,
    )
    warn_of_loss(console, state)
    if run_id or job:
        if model is None or form == "csv" or incumbent_at or request != _only_model(request, model):
            raise UsageError(
                "--run and --job explain decisions about one model, as text or JSON, without a filter.",
                hint="For example: retrain history MODEL --run latest.",
            )
        return _explain(console, explain(state, model, run_id=run_id, job=job, service=service), form)
    if incumbent_at is not None:
        _show_incumbents(console, incumbents(request, incumbent_at), incumbent_at, form, wide=wide)
    else:
        _show_history(console, history(replace(request, warn=console.warning)), form, state, wide=wide)
    return ExitCode.OK


def _only_model(request: HistoryRequest, model: str) -> HistoryRequest:
    return HistoryRequest(state=request.state, select=(model,), manifest=request.manifest, service=request.service)


def _explain(console: Console, explanations: Sequence[Explanation], form: str) -> int:
    if form == "json":
        console.result(explanations_json(explanations).rstrip("\n"))
    else:
        console.result("\n\n".join(explanation_text(explanation) for explanation in explanations))
    confirmed = all(explanation.confirmation.state == "same" for explanation in explanations)
    return ExitCode.OK if confirmed else ExitCode.STATE


def _show_incumbents(console: Console, found: Sequence[Incumbent], at: datetime, form: str, *, wide: bool) -> None:
    match form:
        case "json":
            text = incumbents_json(found, at)
        case "csv":
            text = incumbents_csv(found)
        case _:
            text = incumbents_text(found, width=console.width, wide=wide)
    console.result(text.rstrip("\n"))


def _show_history(console: Console, entries: Sequence[Entry], form: str, state: str, *, wide: bool) -> None:
    match form:
        case "json":
            text = history_json(entries)
        case "csv":
            text = history_csv(entries)
        case _:
            text = "\n\n".join([history_text(entries, width=console.width, wide=wide), *_next(entries, state)])
    console.result(text.rstrip("\n"))


def _next(entries: Sequence[Entry], state: str) -> list[str]:
    """Return the command that explains the newest decision shown."""
    decided = [entry for entry in entries if entry.decided]
    if not decided:
        return []
    last = decided[-1]
    job = last.decided.fact.retrain_job_id if last.decided else ""
    return [f"why: retrain history {shlex.quote(inline(last.model))} --job {job}{state_option(state)}"]
