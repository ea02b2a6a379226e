"""`retrain audit head|keygen|sign|statement|bundle`."""

import json
import shlex
from pathlib import Path

import click
from msgspec import to_builtins

from runner.app.audit.bundle import bundle as make_bundle
from runner.app.audit.bundle import sign as sign_run
from runner.app.audit.bundle import statement_of
from runner.app.audit.evidence import Note
from runner.app.audit.evidence import head as journal_head
from runner.app.audit.key_files import make_key
from runner.app.git_notes import DEFAULT_REF
from runner.app.state.partitions import partitions_of
from runner.app.state.run_histories import reported_in
from runner.cli import options
from runner.cli.command_group import CommandGroup
from runner.cli.console import Console, warn_of_loss
from runner.errors import ExitCode
from runner.lib.git import top_level
from runner.reports.text import counted, inline

_IGNORED = ("*.key", "id_ed25519")  # of private keys, as in the template of .gitignore
_run = click.argument("run", required=False)


@click.group("audit", cls=CommandGroup, epilog="Example: retrain audit bundle latest --out evidence.zip")
def command() -> None:
    """Anchor, sign and export the journal."""


@command.command(
    "head",
    epilog="Example: retrain audit head > /mnt/elsewhere/journal.head",
    short_help="print the number and the SHA-256 of the last event",
)
@click.option(
    "--git-note",
    is_flag=False,
    flag_value=DEFAULT_REF,
    metavar="[NAME]",
    help="Also add it to the git notes (`retrain`, or NAME) of the commit of the last run's manifest.",
)
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The repository of --git-note; the current folder's by default.",
)
@options.output_format("text", "json")
@options.common
def head(*, git_note: str | None, repository: Path, form: str, state: str, console: Console) -> int:
    """Print the number of events and the SHA-256 of the last. Keep it elsewhere; `verify --head` compares.

    Of a state with partitions it is a line for each.
    """
    note, partitions = Note(name=git_note, repository=repository) if git_note else None, partitions_of(state)
    heads = [journal_head(part, note=note, may_be_empty=len(partitions) > 1) for part in partitions]
    warn_of_loss(console, state)
    forms = [to_builtins(found) for found in heads]
    text = "\n".join(f"{found.events} {found.head_sha256}" for found in heads)
    console.result(json.dumps(forms if len(forms) > 1 else forms[0], indent=2) if form == "json" else text)
    for found in heads:
        if found.commit is not None:
            console.notice(
                f"noted on commit {found.commit} in {inline(found.repository)}; push it: git push origin {found.ref}"
            )
    return ExitCode.OK


@command.command(
    "keygen",
    epilog="Example: retrain audit keygen ~/.config/retrain/audit.key",
    short_help="create an Ed25519 key to sign runs with",
)
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@options.stateless
def keygen(*, path: Path, state: str, console: Console) -> int:  # noqa: ARG001 -- common option
    """Create an Ed25519 key: FILE to sign, readable only by you, and FILE.pub to publish."""
    key, public = make_key(path)
    if top_level(path.parent) is not None and not any(map(path.match, _IGNORED)):
        console.warning(f"{path} is in a git checkout; name it *.key, which the .gitignore of a new project has")
    console.result(f"key id {key.key_id}\nsigns: {inline(path)}\nchecks: {inline(public)}")
    return ExitCode.OK


@command.command(
    "sign",
    epilog="Example: retrain audit sign --key ~/.config/retrain/audit.key",
    short_help="verify and sign a run and the journal before it",
)
@_run
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Private key file (Ed25519).")
@options.common
def sign(*, run: str | None, key: Path, state: str, console: Console) -> int:
    """Verify and sign a run, by default the last one, with all of the journal before it."""
    partitions, run = reported_in(state, run)
    for part in partitions:
        made = sign_run(part, run, key)
        console.result(f"signed run {made.run_id} and the journal up to event {made.events} by key {made.key_id}")
        console.notice(f"kept in {made.path}")
        if made.later:
            told = counted(made.later, "later event")
            console.notice(f"{told} not covered; `retrain audit sign --key {shlex.quote(str(key))}` signs the last run")
    return ExitCode.OK


@command.command(
    "statement",
    epilog="Example: retrain audit statement latest > statement.json",
    short_help="print what a signature covers, for another tool to sign",
)
@_run
@options.common
def statement(*, run: str | None, state: str, console: Console) -> int:
    """Print the statement that a signature of a run covers, for another tool to sign; always the same bytes."""
    partitions, run = reported_in(state, run)
    for part in partitions:
        console.document(statement_of(part, run))
    return ExitCode.OK


@command.command(
    "bundle",
    epilog="Example: retrain audit bundle latest --out evidence.zip",
    short_help="write one zip of a run that anybody can verify",
)
@_run
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; RUN.zip by default.")
@options.common
def bundle(*, run: str | None, out: Path | None, state: str, console: Console) -> int:
    """Write one zip of a run that `retrain verify FILE.zip` checks on any machine.

    A run in several partitions of a state has one for each, with a number in its name.
    """
    partitions, run = reported_in(state, run)
    for number, part in enumerate(partitions, start=1):
        target = out or Path(f"{run}.zip") if len(partitions) > 1 else out
        if target is not None and len(partitions) > 1:
            target = target.with_name(f"{target.stem}-{number}of{len(partitions)}{target.suffix}")
        made = make_bundle(part, run, target)
        for path in made.missing:
            console.notice(f"{path} is gone or changed since the run; the bundle has its digest only")
        console.result(
            f"bundled run {made.run_id} in {inline(made.path)}\nsha256 {made.sha256}\n"
            f"head   {made.events} {made.head_sha256}"
        )
    return ExitCode.OK
