"""`retrain state accept-loss`."""

from datetime import timedelta

import click

from runner.app.review.accept_loss import AcceptLossRequest, accept_loss, missing_history
from runner.cli import options
from runner.cli.command_group import CommandGroup
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.text import inline


@click.group("state", cls=CommandGroup, epilog='Example: retrain state accept-loss --reason "the disk failed"')
def command() -> None:
    """Maintain the state folder."""


@command.command("accept-loss", epilog='Example: retrain state accept-loss --reason "the disk failed"')
@options.reason("What happened to the newer state; kept in the journal.")
@options.lock_timeout
@options.common
def accept(*, reason: str, lock_timeout: timedelta, state: str, console: Console) -> int:
    """Continue from a journal that has lost events, when no newer copy of the state is left.

    The loss is recorded. After it no model is trained or switched before a person decides about it.
    """
    for finding in missing_history(state):
        console.notice(inline(f"{finding.where} {finding.what}"))
    aside = accept_loss(
        AcceptLossRequest(reason=reason, state=state, lock_timeout=lock_timeout, listener=console.progress)
    )
    moved = "" if aside is None else f" Files of runs that the journal does not know are in {inline(aside)} now."
    console.result(f"The loss is recorded.{moved} Each model asks before it is trained or switched to again.")
    return ExitCode.OK
