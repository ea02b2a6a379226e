"""`retrain state`: begin a state, say what it is, move it, and continue after a loss."""

from datetime import timedelta
from itertools import chain

import click

from runner.app.doctor.state_check import state_checks
from runner.app.migrate import Copied, migrate, pull, push
from runner.app.state.manage import (
    AcceptLossRequest,
    ShownState,
    accept_loss,
    init_state,
    missing_history,
    pack_state,
    show_state,
)
from runner.cli import options
from runner.cli.command_group import CommandGroup
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.journal.partitions import MOST
from runner.plan.model_plan import state_option
from runner.reports.text import counted, inline, render_json


@click.group("state", cls=CommandGroup, epilog="Example: retrain state show")
def command() -> None:
    """Begin, show, move and maintain a state."""


@command.command(
    "init", epilog="Example: retrain state init s3://acme-retrain/prod", short_help="begin a state at a URL or a folder"
)
@click.argument("address", required=False, metavar="[URL]")
@click.option(
    "--partitions",
    type=click.IntRange(1, MOST),
    default=1,
    show_default=True,
    metavar="N",
    help="Journals that as many machines can write at the same time; the number never changes.",
)
@options.common
def init(*, address: str | None, partitions: int, state: str, console: Console) -> int:
    """Begin a new state: at URL, or where --state says.

    An object store is asked to keep its promises first. No other command begins a state there.
    """
    console.state = address or state
    init_state(console.state, partitions)
    console.result(inline(console.whole(f"Created the state {console.state}. Next: `retrain run`")))
    return ExitCode.OK


@command.command(
    "show", epilog="Example: retrain state show", short_help="show events, head, runs and who holds the state"
)
@options.output_format("text", "json")
@options.common
def show(*, form: str, state: str, console: Console) -> int:
    """Say what the state is: its events and head, its runs, and who holds it."""
    found = show_state(state)
    if form == "json":
        console.result(render_json(found).decode().rstrip("\n"))
        return ExitCode.OK
    last = f", the last one {found.last_run}" if found.last_run else ""
    lines = [
        f"state: {found.address}",
        f"journal: {counted(found.events, 'event')}, head {found.head_sha256[:12] or 'none'}",
        f"runs: {found.runs}{last}",
        f"held by: {found.held_by or 'nobody'}",
        *(f"partition {part.address}: {counted(part.events, 'event')}, {_holder(part)}" for part in found.partitions),
        *([f"moved to: {found.moved_to}"] if found.moved_to else []),
    ]
    console.result("\n".join(map(inline, lines)))
    return ExitCode.OK


@command.command(
    "migrate",
    epilog="Example: retrain state migrate .retrain s3://acme-retrain/prod",
    short_help="move a state to another place",
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@options.lock_timeout
@options.common
def move(*, source: str, target: str, lock_timeout: timedelta, state: str, console: Console) -> int:  # noqa: ARG001 -- both are named
    """Move a state to an empty place. It is verified first, and the copy has the same bytes and head.

    From then on every command that would write to the old place ends with exit code 7 and names the new one. An
    interrupted migration is continued by the same command.
    """
    console.state = source
    copied = migrate(source, target, lock_timeout=lock_timeout, listener=console.progress)
    console.result(
        inline(
            f"The state is at {copied.address} now, with head {copied.head_sha256[:12]}: {_copied(copied)}. "
            f"Next: retrain status{state_option(copied.address)}"
        )
    )
    return ExitCode.OK


@command.command(
    "pull",
    epilog="Example: retrain state pull s3://acme-retrain/prod copy",
    short_help="copy a state into a folder, or what is new of it",
)
@click.argument("source", metavar="URL")
@click.argument("folder", metavar="FOLDER")
@options.common
def get(*, source: str, folder: str, state: str, console: Console) -> int:  # noqa: ARG001 -- both are named
    """Copy a state into a folder, for an audit or as a backup; later, what is new of it.

    Two states that are both written to train twice: run on one of them only.
    """
    console.state = source
    copied = pull(source, folder)
    console.result(inline(f"{_copied(copied)} to {copied.address}."))
    return ExitCode.OK


@command.command(
    "push",
    epilog="Example: retrain state push copy s3://acme-retrain/prod",
    short_help="bring the new events of a pulled folder back",
)
@click.argument("folder", metavar="FOLDER")
@click.argument("target", metavar="URL")
@options.lock_timeout
@options.common
def bring(*, folder: str, target: str, lock_timeout: timedelta, state: str, console: Console) -> int:  # noqa: ARG001 -- both are named
    """Bring the new events of a pulled folder back to its state; refused if the state has new events too."""
    console.state = folder
    copied = push(folder, target, lock_timeout=lock_timeout, listener=console.progress)
    console.result(inline(f"{_copied(copied)} to {copied.address}."))
    return ExitCode.OK


@command.command(
    "pack", epilog="Example: retrain state pack", short_help="pack the journal of an object store, to read it faster"
)
@options.common
def pack(*, state: str, console: Console) -> int:
    """Pack the journal of an object store, so that a machine without a copy reads it in a few requests."""
    events = pack_state(state)
    console.result(f"{counted(events, 'event')} packed." if events else "Everything is packed already.")
    return ExitCode.OK


@command.command(
    "doctor", epilog="Example: retrain state doctor", short_help="check the store and who can read the state"
)
@options.common
def doctor(*, state: str, console: Console) -> int:
    """Check what a state rests on: that its store keeps its promises, and who can read it."""
    checks = list(state_checks(state, trusted=True, uploads=0))
    for check in checks:
        console.result(inline(f"{check.verdict}: {check.seen}") + (f"\n  {inline(check.next)}" if check.next else ""))
    return ExitCode.STATE if any(check.verdict == "problem" for check in checks) else ExitCode.OK


@command.command(
    "accept-loss",
    epilog='Example: retrain state accept-loss --reason "the disk failed"',
    short_help="continue when the newest events are gone for good",
)
@options.reason("What happened to the newer state; kept in the journal.")
@options.lock_timeout
@options.common
def accept(*, reason: str, lock_timeout: timedelta, state: str, console: Console) -> int:
    """Continue from a journal that has lost events, when no newer copy of the state is left.

    The loss is recorded. After it no model is trained or switched before a person decides about it.
    """
    missing = missing_history(state)
    for finding in chain.from_iterable(missing.values()):
        console.notice(inline(f"{finding.where} {finding.what}"))
    request = AcceptLossRequest(reason=reason, state=state, lock_timeout=lock_timeout, listener=console.progress)
    aside = accept_loss(request, missing)
    moved = f" Files of runs that the journal does not know are in {inline(', '.join(aside))} now." if aside else ""
    asks = "asks before it is trained or switched to again."
    if [*missing] == [state]:
        console.result(f"The loss is recorded.{moved} Each model {asks}")
    else:
        console.result(f"The loss is recorded in {counted(len(missing), 'partition')}.{moved} Each model there {asks}")
    return ExitCode.OK


def _holder(part: ShownState) -> str:
    return f"held by {part.held_by}" if part.held_by else "held by nobody"


def _copied(copied: Copied) -> str:
    return f"{counted(copied.events, 'event')} and {counted(copied.files, 'file')} copied"
