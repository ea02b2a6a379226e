"""`retrain inspect`."""

from collections.abc import Sequence
from pathlib import Path

import click

from runner.app.queries.inspect import InspectRequest, inspect
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.inspection import inspected_json, inspected_text


@click.command("inspect", cls=Command, epilog="Example: retrain inspect churn")
@click.argument("subject", metavar="MODEL|FILE", shell_complete=options.known_models)
@click.option("--job", help="The result of this retrain job of the model; its id or its beginning.")
@options.manifest
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    subject: str,
    job: str | None,
    manifest: Sequence[Path],
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show what a stored result or a result file contains: its members and everything that looks like a metric.

    It also shows what the manifest reads from it, and the manifest lines that name its place. Works offline and
    changes nothing.
    """
    found = inspect(InspectRequest(subject=subject, state=state, job=job, manifest=manifest))
    if form == "json":
        console.result(inspected_json(found).rstrip("\n"))
    else:
        console.result(inspected_text(found, width=console.width))
    return ExitCode.OK
