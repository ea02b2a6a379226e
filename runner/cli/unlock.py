"""`retrain unlock`."""

import click

from runner.app.unlock import holder_of, unlock
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.journal.lock import Holder
from runner.report.text import inline


@click.command("unlock", epilog="Example: retrain unlock --id 20260301T040506Z-1a2b3c")
@click.option("--id", "run_id", help="The run whose lock is freed. Without it, shows who holds the state.")
@options.common
def command(*, run_id: str | None, state: str, console: Console) -> int:
    """Free the lock of a run that is stuck or on a machine that is gone. A dead process needs none of this."""
    if run_id is not None:
        console.result(f"freed: {_told(unlock(state, run_id))}")
        return ExitCode.OK
    holder = holder_of(state)
    if holder is None:
        console.result("Nobody holds the state.")
        return ExitCode.OK
    console.result(f"{_told(holder)}\nEnd that process, or free its lock with `retrain unlock --id {holder.run_id}`.")
    return ExitCode.LOCKED


def _told(holder: Holder) -> str:
    return inline(f"run {holder.run_id}, {holder.user} on {holder.host}, process {holder.pid}, since {holder.since}")
