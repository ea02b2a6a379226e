"""`retrain show`."""

import shlex
from collections.abc import Iterator
from decimal import Decimal

import click
from msgspec.structs import replace

from runner.app.queries.report import ShownRun, run_shown, show
from runner.app.queries.status import ModelStatus
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.commands.status import incumbent_text, standing, with_short_ids
from runner.cli.console import Console, warn_of_loss
from runner.cli.run_result import report_lines
from runner.errors import ExitCode
from runner.lib.timestamps import stamp
from runner.plan.model_plan import state_option
from runner.reports.evidence_text import evidence_table
from runner.reports.model import NextStep
from runner.reports.next_step import named_only, next_lines, why
from runner.reports.table import Column, short_number, text_table
from runner.reports.text import in_words, inline, render_json, utc


@click.command("show", cls=Command, epilog="Example: retrain show churn")
@click.argument("subject", metavar="MODEL|RUN", shell_complete=options.known_models)
@click.option("--wide", is_flag=True, help="Show whole job ids.")
@options.output_format("text", "json")
@options.common
def command(*, subject: str, wide: bool, form: str, state: str, console: Console) -> int:
    """Show a model: what is in service, what is in progress or waiting, its metrics, and what to do next.

    With the id of a run, or `latest`, it shows the summary that the run ended with.
    """
    found = show(state, subject)
    warn_of_loss(console, state)
    if form == "json":
        shown = found.report if isinstance(found, ShownRun) else found
        console.result(render_json(shown).decode().rstrip("\n"))
    elif isinstance(found, ShownRun):
        console.result("\n".join(_run(console, found, state)))
    else:
        models = [entry.model for entry in found]
        for entry, model in zip(found, models if wide else with_short_ids(models), strict=True):
            console.result("\n".join([*_model(model, console.width), *_end(model, entry.next, state)]))
    return ExitCode.OK


def _run(console: Console, found: ShownRun, state: str) -> Iterator[str]:
    """Yield the summary of a run, without what it asked for and is settled by now."""
    report, settled = found.report, {model.name: model for model in found.settled}
    models = tuple(
        replace(model, next=None, reason=why(model)) if model.name in settled else model for model in report.models
    )
    yield inline(f"{report.command} {report.run_id}, exit code {report.exit_code}")
    summary = replace(report, models=models)
    yield from report_lines(console.terminal, summary, run_shown(state, report.run_id), state_option(state))
    for model in with_short_ids(found.settled):
        yield inline(f"since then: {model.name} {in_words(model.last_outcome or '')}: {model.last_reason}")


def _model(model: ModelStatus, width: int | None) -> Iterator[str]:
    """Yield what a person wants to know first: what serves, what is open, how the last run ended, what to do."""
    since = f" since {utc(stamp(model.incumbent_since))}" if model.incumbent_since else ""
    columns = (Column(title=model.name, whole=True), Column(title=f"({model.service})"))
    last = (
        f"{in_words(model.last_outcome)}: {named_only(model.last_reason or '')}" if model.last_outcome else "no run yet"
    )
    known = ", ".join(f"{name} {short_number(Decimal(text))}" for name, text in model.incumbent_metrics.items())
    rows = [
        ("  in service", f"{incumbent_text(model)}{since}"),
        *([("  its metrics", known)] if known else []),
        ("  now", "; ".join(standing(model)) or "nothing is in progress or waiting"),
        ("  last outcome", last),
    ]
    yield text_table(columns, rows, width=width)
    if model.evidence is not None:
        yield ""
        yield evidence_table(model.evidence, width=width)


def _end(model: ModelStatus, step: NextStep | None, state: str) -> Iterator[str]:
    """Yield what to do, the commands to choose from, and the one that shows more."""
    yield ""
    commands = step.commands if step else ()
    yield from next_lines(commands)
    yield f"runs: retrain history {shlex.quote(inline(model.name))}{state_option(state)}"
