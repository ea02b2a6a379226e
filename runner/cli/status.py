"""`retrain status`."""

import json
from dataclasses import asdict

import click

from runner.app.status import ModelStatus, Status, status
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.journal.instants import stamp
from runner.report.table import FEWEST_COLUMNS, Column, text_table
from runner.report.text import inline, utc, words

_COLUMNS = (
    *(Column(title="model"), Column(title="incumbent"), Column(title="since", spare=True)),
    *(Column(title="stands"), Column(title="last outcome")),
    *(Column(title="service", spare=True), Column(title="reason", spare=True)),
)


@click.command("status", epilog="Example: retrain status")
@options.output_format("text", "json")
@options.common
def command(form: str, state: str, console: Console) -> int:
    """Show each model's incumbent, the job in flight, the approval it waits for and its last outcome."""
    found = status(state)
    console.result(_json(found) if form == "json" else _text(found, state, console.width))
    return ExitCode.OK


def _text(found: Status, state: str, width: int | None) -> str:
    if found.last_run is None:
        return f"No run yet in {state}. Start with `retrain run PATH`, or check --state."
    last = found.last_run
    code = f"exit code {last.finished.exit_code}" if last.finished else "without an end"
    models = (
        _table(found, width) if width and width >= FEWEST_COLUMNS else "\n".join(_line(model) for model in found.models)
    )
    return f"{models}\n\nlast run: {last.run_id}, {code}" if models else f"last run: {last.run_id}, {code}"


def _table(found: Status, width: int) -> str:
    rows = [
        [
            *(
                model.name,
                model.incumbent or "none",
                utc(stamp(model.incumbent_since) if model.incumbent_since else None),
            ),
            *("; ".join(_standing(model)), words(model.last_outcome or ""), model.service, model.last_reason or ""),
        ]
        for model in found.models
    ]
    return text_table(_COLUMNS, rows, width=width)


def _line(model: ModelStatus) -> str:
    serves = f"job {model.incumbent} serves" if model.incumbent else "no incumbent"
    parts = ", ".join(inline(part) for part in [serves, *_standing(model)])
    last = f"\n    last: {words(model.last_outcome)}: {inline(model.last_reason)}" if model.last_outcome else ""
    return f"{inline(model.name)} ({inline(model.service)}): {parts}{last}"


def _standing(model: ModelStatus) -> list[str]:
    """Return what is under way or waits, one phrase each."""
    parts = []
    if model.rolled_back_from:
        parts.append(f"rolled back from job {model.rolled_back_from} by {model.rolled_back_by}")
    if model.rollback_due:
        parts.append(f"the rollback to job {model.rollback_due} is decided and not done")
    if model.in_flight:
        parts.append(f"job {model.in_flight} in flight ({model.stage})")
    if model.waiting:
        parts.append(f"candidate {model.waiting} waits for approval")
    if model.switch_due:
        parts.append(f"the switch to {model.switch_due} is due at the next run")
    if model.held:
        parts.append(f"candidate {model.held} is held")
    return parts


def _json(found: Status) -> str:
    return json.dumps(
        {
            "models": [asdict(model) for model in found.models],
            "last_run": found.last_run.run_id if found.last_run else None,
        },
        indent=2,
        ensure_ascii=False,
        default=stamp,
    )
