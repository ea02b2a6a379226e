"""`retrain report`."""

from collections.abc import Mapping
from pathlib import Path

import click

from runner.app.queries.report import report, write_report
from runner.cli import options
from runner.cli.console import Console
from runner.cli.loss_warning import warn_of_loss
from runner.errors import ExitCode
from runner.reports.formats.registry import FORMATS, Render


def report_command(formats: Mapping[str, Render]) -> click.Command:
    """Return the command that renders a run in one of these formats."""

    @click.command("report", epilog="Example: retrain report latest --format junit --out junit.xml")
    @click.argument("run", required=False)
    @options.output_format(*formats)
    @click.option(
        "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to this file, whole or not at all."
    )
    @options.common
    def command(*, run: str | None, form: str, out: Path | None, state: str, console: Console) -> int:
        """Render a run's report again (an id, or `latest`), from the journal alone."""
        rendered = report(state, run, formats[form])
        warn_of_loss(console, state)
        if rendered.without_end:
            console.line(f"note: run {rendered.without_end} has not ended; this is run {rendered.run_id}")
        if out is None or str(out) == "-":
            console.document(rendered.content)
        else:
            write_report(out, rendered.content, state=state)
        return ExitCode.OK

    return command


command = report_command(FORMATS)
