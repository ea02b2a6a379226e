"""`retrain prune`."""

import json
from collections.abc import Sequence
from datetime import timedelta

import click
from msgspec import to_builtins
from msgspec.structs import replace

from runner.app.state.loss import refuse_noted_loss
from runner.app.state.prune import PruneRequest, Pruning, propose_prune, prune, refusal
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.confirm import Consent, confirm, show
from runner.cli.console import Console, warn_of_loss
from runner.cli.params import Duration
from runner.errors import ExitCode, UsageError
from runner.journal.events import PrunedFile
from runner.manifest.durations import duration_text
from runner.plan.eligibility import Keep
from runner.plan.model_plan import state_option
from runner.reports.text import counted, inline


@click.command("prune", cls=Command, epilog="Example: retrain prune --results --older-than 90d")
@click.option("--results", is_flag=True, help="Remove stored result files that are no longer needed.")
@click.option("--keep", "count", type=click.IntRange(min=0), metavar="N", help="Keep the newest N of each model.")
@click.option("--older-than", "age", type=Duration(), metavar="AGE", help="Keep those stored within this time.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed; change nothing.")
@options.yes
@options.lock_timeout
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    results: bool,
    count: int | None,
    age: timedelta | None,
    dry_run: bool,
    yes: bool,
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Remove stored results that are no longer needed; the journal keeps their digests."""
    if not results or (count is None and age is None):
        raise UsageError(
            "Nothing was selected to remove.",
            hint="Say how much stays, for example `retrain prune --results --older-than 90d` or `--keep 30`.",
        )
    request = PruneRequest(
        keep=Keep(count=count, age=age), state=state, lock_timeout=lock_timeout, listener=console.progress
    )
    if dry_run:
        warn_of_loss(console, state)
    else:
        refuse_noted_loss(state)
    found = propose_prune(request)
    if dry_run or not _count(found):
        console.result(_shown(found, form, "would be removed" if dry_run else "removed"))
        return ExitCode.OK
    show(console, _lines(found), asks=not yes)
    question = f"Remove {counted(_count(found), 'result file')}, {counted(_bytes(found), 'byte')}, for good?"
    stake = "evidence would be removed"
    if not confirm(console, question, Consent(yes=yes, command=_command(count, age, state), stake=stake)):
        return ExitCode.FAILED
    done = prune(
        request if yes else replace(request, agreed=found), [pruning.partition for pruning in found if pruning.count]
    )
    console.result(_shown(done, form, "removed"))
    if refused := [trouble for pruning in done for trouble in pruning.refused]:
        raise refusal(refused, state_option(state))
    return ExitCode.OK


def _count(found: Sequence[Pruning]) -> int:
    return sum(pruning.count for pruning in found)


def _bytes(found: Sequence[Pruning]) -> int:
    return sum(pruning.bytes for pruning in found)


def _lines(found: Sequence[Pruning]) -> list[str]:
    return [line for pruning in found if pruning.count for line in _part_lines(pruning)]


def _part_lines(pruning: Pruning) -> list[str]:
    head = [] if pruning.partition is None else [f"partition {pruning.partition}:"]
    return [*head, *(f"{file.path}  {file.bytes:,} bytes" for file in (*pruning.left_over, *pruning.files))]


def _shown(found: Sequence[Pruning], form: str, verb: str) -> str:
    if form == "json":
        files = [_file(pruning, file) for pruning in found for file in pruning.files]
        left_over = [_file(pruning, file) for pruning in found for file in pruning.left_over]
        refused = [trouble for pruning in found for trouble in pruning.refused]
        document = {"files": files, "left_over": left_over, "refused": refused, "bytes": _bytes(found)}
        return json.dumps(document, indent=2, ensure_ascii=False)
    listed = [inline(line) for line in _lines(found)] if verb != "removed" else []
    total = f"{counted(_count(found), 'result file')} {verb}, {counted(_bytes(found), 'byte')}"
    return "\n".join([*listed, total])


def _file(pruning: Pruning, file: PrunedFile) -> dict[str, object]:
    """Return a file as JSON; its path is below its partition, where the state has several."""
    partition = {} if pruning.partition is None else {"partition": pruning.partition}
    return {**partition, **to_builtins(file)}


def _command(count: int | None, age: timedelta | None, state: str) -> str:
    parts = [
        *([] if count is None else [f"--keep {count}"]),
        *([] if age is None else [f"--older-than {duration_text(age)}"]),
    ]
    return f"retrain prune --results {' '.join(parts)} --yes{state_option(state)}"
