"""`retrain replay`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from runner.app.queries.replay import ReplayRequest, replay
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console, warn_of_loss
from runner.errors import ExitCode
from runner.reports.replay import Replay, replay_json, replay_markdown, replay_text


@click.command("replay", cls=Command, epilog="Example: retrain replay models.yaml --since 365d --detailed-exitcode")
@options.paths
@click.option("--policy", metavar="NAME", help="Judge by this policy of the manifest instead of each model's own.")
@options.select
@options.since
@options.until
@click.option("--emulator", is_flag=True, help="Replay the history of the emulator instead of the service.")
@click.option("--detailed-exitcode", is_flag=True, help="End with exit code 2 if a decision would flip.")
@click.option("--all", "everything", is_flag=True, help="In text, also show the decisions that would not flip.")
@options.output_format("text", "json", "markdown")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    paths: Sequence[Path],
    policy: str | None,
    select: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    emulator: bool,
    detailed_exitcode: bool,
    everything: bool,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Judge all recorded results by the current policies, and show which decisions would flip.

    The last decision about every job is computed again from its stored result file, with the incumbent's recorded
    values. Changes nothing and calls no service.
    """
    console.name_manifest(paths, emulator=emulator)
    request = ReplayRequest(
        paths=paths, state=state, policy=policy, select=select, since=since, until=until, emulator=emulator
    )
    found = replay(request)
    warn_of_loss(console, state)
    console.result(_shown(found, form, everything=everything, width=console.width).rstrip("\n"))
    return ExitCode.USAGE if detailed_exitcode and found.flips else ExitCode.OK


def _shown(found: Replay, form: str, *, everything: bool, width: int | None) -> str:
    match form:
        case "json":
            return replay_json(found)
        case "markdown":
            return replay_markdown(found)
        case _:
            return replay_text(found, width=width, everything=everything)
