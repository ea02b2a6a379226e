"""`retrain site`."""

from pathlib import Path

import click

from runner.app.site import SiteBuild, build_site
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console, warn_of_loss
from runner.errors import ExitCode
from runner.reports.text import counted


@click.command("site", cls=Command, epilog="Example: retrain site public")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@options.common
def command(folder: Path, state: str, console: Console) -> int:
    """Write a static site of all runs and models to DIR, or update it."""
    built = build_site(state, folder)
    warn_of_loss(console, state)
    for run_id in built.replaced:
        console.warning(f"the report of run {run_id} is gone or changed; its page is rendered from the journal")
    console.result(_line(built))
    return ExitCode.OK


def _line(built: SiteBuild) -> str:
    files = f"{counted(built.written, 'file')} written, {built.kept} unchanged, {built.removed} removed"
    return f"{built.index}: {counted(built.models, 'model')}, {counted(built.runs, 'run')}; {files}"
