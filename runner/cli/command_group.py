"""Groups of commands that take the common options before a command too, and know the nearest command to a wrong one."""

from collections.abc import Mapping, Sequence

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


class CommandGroup(click.Group):
    """A group where `retrain --state X run` is `retrain run --state X`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take in the arguments; common options before the command belong to the command."""
        return super().parse_args(ctx, _with_command_first(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the first argument.

        Raises:
            UsageError: there is no such command; the nearest one is named.
        """
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        from runner.errors import UsageError  # noqa: PLC0415 -- only a wrong command needs these
        from runner.lib.text import nearest, shown  # noqa: PLC0415 -- as above

        near = nearest(name, self.list_commands(ctx))
        hint = f"Did you mean `{ctx.command_path} {near}`?" if near else f"`{ctx.command_path} --help` lists them."
        raise UsageError(f"There is no command {shown(f'{ctx.command_path} {name}')}.", hint=hint)


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
