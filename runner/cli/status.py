"""`retrain status`."""

import json
from dataclasses import asdict

import click

from runner.app.status import ModelStatus, Status, status
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.report.text import inline


@click.command("status", epilog="Example: retrain status")
@options.output_format("text", "json")
@options.common
def command(form: str, state: str, console: Console) -> int:
    """Show each model's incumbent, the job in flight, the approval it waits for and its last outcome."""
    found = status(state)
    console.result(_json(found) if form == "json" else _text(found, state))
    return ExitCode.OK


def _text(found: Status, state: str) -> str:
    if found.last_run is None:
        return f"No run yet in {state}. Start with `retrain run PATH`, or check --state."
    lines = [line for model in found.models for line in _lines(model)]
    last = found.last_run
    code = f"exit code {last.finished.exit_code}" if last.finished else "without an end"
    return "\n".join([*lines, f"last run: {last.run_id}, {code}"])


def _lines(model: ModelStatus) -> list[str]:
    serves = f"job {model.incumbent} serves" if model.incumbent else "no incumbent"
    parts = [serves]
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
    head = f"{inline(model.name)} ({inline(model.service)}): {', '.join(inline(part) for part in parts)}"
    if model.last_outcome is None:
        return [head]
    return [head, f"    last: {model.last_outcome.replace('_', ' ')}: {inline(model.last_reason)}"]


def _json(found: Status) -> str:
    return json.dumps(
        {
            "models": [asdict(model) for model in found.models],
            "last_run": found.last_run.run_id if found.last_run else None,
        },
        indent=2,
        ensure_ascii=False,
        default=str,
    )
