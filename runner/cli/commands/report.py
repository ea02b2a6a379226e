"""`retrain report`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from runner.app.queries.report import report, report_page, write_report
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console, warn_of_loss
from runner.errors import ExitCode, UsageError
from runner.reports.formats.registry import FORMATS, Render
from runner.reports.text import inline


def report_command(formats: Mapping[str, Render]) -> click.Command:
    """Return the command that renders a run in one of these formats."""

    @click.command("report", cls=Command, epilog="Example: retrain report latest --format junit --out junit.xml")
    @click.argument("run", required=False)
    @click.option(
        "--group",
        is_flag=False,
        flag_value="",
        metavar="[NAME]",
        help="All runs of a group as one report, such as the shards of one night; by default the newest group.",
    )
    @options.output_format(*formats)
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the report to this file, completely or not at all.",
    )
    @click.option("--open", "opens", is_flag=True, help="Open the page of the run in a browser, from the state folder.")
    @options.common
    def command(  # noqa: PLR0913 -- one argument an option
        *, run: str | None, group: str | None, form: str, out: Path | None, opens: bool, state: str, console: Console
    ) -> int:
        """Render a run's report again (an id, or `latest`), from the journal alone.

        On a terminal it names the page's file instead of printing it.
        """
        if run is not None and group is not None:
            raise UsageError("A run and a group cannot both be given.", hint="Name either a run or a group.")
        rendered = report(state, run, formats[form], group)
        warn_of_loss(console, state)
        _tell_missing(rendered.missing, console)
        if rendered.without_end:
            others = f"run {rendered.run_id}" if group is None else "what the others of its group did"
            console.line(f"note: run {rendered.without_end} has not ended; this is {others}")
        page = report_page(state, rendered.run_id, rendered.content if form == "html" and group is None else None)
        if out is not None and str(out) != "-":
            write_report(out, rendered.content, state=state)
            page = out
        elif form == "html" and out is None and group is None and (opens or console.width is not None):
            if not page.is_file():
                raise UsageError(f"{page} is gone.", hint="Name a file to write it to: --out report.html.")
            console.result(inline(page))
        elif not opens:
            console.document(rendered.content)
        if opens and group is not None and out is None:
            raise UsageError("The page of a group has no file yet.", hint="Name a file: --out report.html.")
        if opens and not _open(page):
            console.warning(f"no browser could be opened; the page is {page}")
        return ExitCode.OK

    return command


def _open(page: Path) -> bool:
    """Open a page in the user's browser; return whether there is one."""
    import webbrowser  # noqa: PLC0415 -- only --open needs it

    return webbrowser.open(page.resolve().as_uri())


command = report_command(FORMATS)


def _tell_missing(shards: Sequence[str], console: Console) -> None:
    if shards:
        several = "s" if len(shards) > 1 else ""
        console.line(
            f"note: no run of shard{several} {', '.join(shards)} has ended in this group; this is what the others did"
        )
