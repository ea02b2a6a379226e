"""`retrain help`."""

from collections.abc import Sequence

import click

from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode, UsageError
from runner.lib.text import shown


@click.command("help", cls=Command, epilog="Example: retrain help audit sign")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: Sequence[str]) -> int:
    """Show all commands, or what a command does and its options."""
    context = ctx.find_root()
    for name in names:
        if not isinstance(context.command, click.Group):
            raise UsageError(
                f"`{context.command_path}` has no command {shown(name)}.",
                hint=f"`retrain help {context.command_path.partition(' ')[2]}` shows its options.",
            )
        _, found, _ = context.command.resolve_command(context, [name])
        if found is not None:
            context = click.Context(found, info_name=name, parent=context)
    Console().result(context.command.get_help(context))
    return ExitCode.OK
