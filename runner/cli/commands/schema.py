"""`retrain schema`."""

import click

from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.lib.schemas import NAMES, schema_path


@click.command("schema", cls=Command, epilog="Example: retrain schema manifest > manifest.schema.json")
@click.argument("name", type=click.Choice(NAMES), default="manifest", metavar="[NAME]")
@options.stateless
def command(name: str, state: str, console: Console) -> int:  # noqa: ARG001 -- common option
    """Print a JSON schema, by default that of the manifest.

    NAME is manifest, approval, plan, report, journal, diagnosis or profile.
    """
    console.result(schema_path(name).read_text(encoding="utf-8").rstrip("\n"))
    return ExitCode.OK
