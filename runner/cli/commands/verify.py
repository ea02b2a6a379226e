"""`retrain verify`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from msgspec import to_builtins

from runner.app.audit.verify import Demands, Verification, is_bundle, verify_each
from runner.app.state.open_state import require_trusted
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.text import counted, inline


@click.command("verify", cls=Command, epilog="Example: retrain verify latest")
@click.argument("run", required=False, metavar="[RUN|BUNDLE.zip]")
@click.option(
    "--head",
    metavar="HEAD",
    help="A head kept elsewhere: SHA256, SHA256@EVENTS, a file with it, a report.json, or `git[:REPO][@REF]`.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Public key file that must have signed; can be repeated.",
)
@click.option("--trusted-keys", type=click.Path(path_type=Path), metavar="DIR", help="Folder of such key files.")
@options.output_format("text", "json")
@options.trust_state
@options.stateless
def command(  # noqa: PLR0913 -- one argument an option
    *,
    run: str | None,
    head: str | None,
    keys: Sequence[Path],
    trusted_keys: Path | None,
    form: str,
    trust_state: bool,
    state: str,
    console: Console,
) -> int:
    """Check a run (an id, or `latest`), a bundle, or all runs: the hash chain, every file, every decision."""
    if run is None or not is_bundle(run):
        require_trusted(state, accepted=trust_state)
    demands = Demands(head=head, keys=(*keys, *((trusted_keys,) if trusted_keys else ())))
    found = verify_each(state, run, demands)
    console.result(_json(found) if form == "json" else "\n".join(_texts(found)))
    return ExitCode.STATE if any(each.findings for each in found.values()) else ExitCode.OK


def _json(found: Mapping[str, Verification]) -> str:
    """Return what was found, of a state with partitions by their addresses."""
    forms = {place: {**to_builtins(each), "anchored_events": each.anchored_events} for place, each in found.items()}
    form = next(iter(forms.values())) if len(forms) == 1 else {"partitions": forms}
    return json.dumps(form, indent=2, ensure_ascii=False)


def _texts(found: Mapping[str, Verification]) -> Iterator[str]:
    for place, each in found.items():
        if len(found) > 1:
            yield f"partition {inline(place)}:"
        yield _text(each)


def _text(found: Verification) -> str:
    checked = (
        f"{counted(found.events, 'event')}, {counted(found.runs, 'run')}, {counted(found.files, 'file')}, "
        f"{counted(found.decisions, 'decision')} computed again; head {found.head_sha256}"
    )
    notes = [f"note: {inline(note.where)} {inline(note.what)}" for note in found.notes]
    if not found.findings:
        return "\n".join([*notes, *_anchors(found), f"verified: {checked}"])
    lines = [f"{inline(finding.where)}: {inline(finding.what)}" for finding in found.findings]
    return "\n".join(
        [*notes, *lines, *_anchors(found), f"NOT verified: {counted(len(found.findings), 'finding')} in {checked}"]
    )


def _anchors(found: Verification) -> list[str]:
    """Return who vouches for which events, and for which nobody does."""
    if not found.anchors:
        return ["not anchored: whoever can write the state can rewrite all of it; `--head` or `--key` compare it"]
    lines = [
        f"anchored up to event {anchor.events} of {found.events} by {inline(anchor.by)}" for anchor in found.anchors
    ]
    if found.anchored_events < found.events:
        lines.append(f"not anchored: the events after {found.anchored_events}; nothing vouches for them")
    return lines
