"""`retrain verify`."""

import json
from dataclasses import asdict

import click

from runner.app.verify import Verification, verify
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.report.text import inline


@click.command("verify", epilog="Example: retrain verify latest")
@click.argument("run", required=False)
@options.output_format("text", "json")
@options.common
def command(run: str | None, form: str, state: str, console: Console) -> int:
    """Check one run (an id, or `latest`) or all: the journal's chain, every file, every decision computed again."""
    found = verify(state, run)
    console.result(json.dumps(asdict(found), indent=2, ensure_ascii=False) if form == "json" else _text(found))
    return ExitCode.STATE if found.findings else ExitCode.OK


def _text(found: Verification) -> str:
    checked = (
        f"{found.events} events, {found.runs} run(s), {found.files} file(s), "
        f"{found.decisions} decision(s) computed again; head {found.head_sha256}"
    )
    notes = [f"note: {inline(one.where)} {inline(one.what)}" for one in found.notes]
    if not found.findings:
        return "\n".join([*notes, f"verified: {checked}"])
    lines = [f"{inline(one.where)}: {inline(one.what)}" for one in found.findings]
    return "\n".join([*notes, *lines, f"NOT verified: {len(found.findings)} finding(s) in {checked}"])
