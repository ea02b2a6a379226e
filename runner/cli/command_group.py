"""Groups of commands that take the common options before a command too, and know the nearest command to a wrong one."""

from collections.abc import Mapping, Sequence
from copy import copy
from functools import wraps
from typing import Any

import click

_COMMON: Mapping[str, int] = {  # options that every command takes, and how many arguments follow each
    "--state": 1,
    "--log-format": 1,
    "--no-color": 0,
    "--trust-state": 0,
    "-v": 0,
    "-vv": 0,
    "--verbose": 0,
    "-q": 0,
    "-qq": 0,
    "--quiet": 0,
}
_LISTED_LAST = {*_COMMON, "--help"}
_NAME_COLUMN = 30  # characters of an option's name beside its description; a longer name has a line to itself


class Command(click.Command):
    """A command whose help lists its own options before those that every command has."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two groups, their descriptions in one column."""
        own, common = list[tuple[str, str]](), list[tuple[str, str]]()
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (own if _LISTED_LAST.isdisjoint(param.opts) else common).append(record)
        longest = min(_NAME_COLUMN, max(len(name) for name, _ in own + common))
        for title, records in (("Options", own), ("Common options", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(longest), text) for name, text in records], col_max=_NAME_COLUMN)


class CommandGroup(click.Group):
    """A group where `retrain --state X run` is `retrain run --state X`."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take in the arguments; common options before the command belong to the command."""
        return super().parse_args(ctx, _with_command_first(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the first argument.

        Raises:
            UsageError: the command does not exist; the hint names the nearest one.
        """
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            found, command, rest = super().resolve_command(ctx, args)
            return found, command and _with_state_of_the_manifest(command), rest
        from runner.errors import UsageError  # noqa: PLC0415 -- only a wrong command needs these
        from runner.lib.text import nearest, shown  # noqa: PLC0415 -- as above

        near = nearest(name, self.list_commands(ctx))
        hint = f"Did you mean `{ctx.command_path} {near}`?" if near else f"`{ctx.command_path} --help` lists them."
        raise UsageError(f"There is no command {shown(f'{ctx.command_path} {name}')}.", hint=hint)


def _with_state_of_the_manifest(command: click.Command) -> click.Command:
    """Return a command that uses the manifest's `state:` where neither --state nor RETRAIN_STATE names one.

    Only when all arguments are read is it known which manifest is meant.
    """
    callback = command.callback
    if callback is None or not any(param.name == "trust_state" for param in command.params):
        return command

    @wraps(callback)
    def run(*args: Any, **values: Any) -> Any:
        from runner.cli.manifest_state import settle  # noqa: PLC0415 -- not for `--help`

        return callback(*args, **settle(click.get_current_context(), values))

    settled = copy(command)
    settled.callback = run
    return settled


def _with_command_first(args: Sequence[str]) -> list[str]:
    """Return the arguments with the common options that are before the command moved behind it."""
    place = 0
    while place < len(args):
        name, sign, _ = args[place].partition("=")
        if name not in _COMMON:
            break
        place += 1 if sign else 1 + _COMMON[name]
    if not 0 < place < len(args) or args[place].startswith("-"):
        return list(args)
    return [args[place], *args[:place], *args[place + 1 :]]
