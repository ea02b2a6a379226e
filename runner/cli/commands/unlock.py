"""`retrain unlock`."""

import click

from runner.app.state.partitions import holders, unlock, what_next
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.plan.model_plan import state_option
from runner.reports.text import inline


@click.command("unlock", cls=Command, epilog="Example: retrain unlock")
@click.option("--id", "run_id", help="Free the lock of this run, whose host no longer exists.")
@options.common
def command(*, run_id: str | None, state: str, console: Console) -> int:
    """Show which run holds the state; with --id, free the lock of a run on another host that is gone.

    A process of this host that has ended holds no lock, and the lock of a running process is never freed.
    """
    if run_id is not None:
        holder = unlock(state, run_id)
        console.result(inline(f"The lock of run {run_id} on {holder.host} is freed."))
        return ExitCode.OK
    found = holders(state)
    if not found:
        console.result("No run holds the state.")
    for held in {held.holder.run_id if held.holder else "": held for held in found}.values():
        if held.holder is None:
            console.result("A command that did not record its name holds the state. Wait for it to end.")
        else:
            told = held.holder.holds(state), what_next(held.holder, state_option(state))
            console.result("\n".join(map(inline, told)))
    return ExitCode.LOCKED if found else ExitCode.OK
