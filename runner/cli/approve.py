"""`retrain approve`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from runner.app.review import ReviewRequest, review
from runner.cli import options
from runner.cli.console import Console
from runner.cli.outcome import show_result
from runner.cli.written_word import write_and_show


@click.command("approve", epilog='Example: retrain approve churn --reason "seen by the team"')
@options.reviewed
@click.option("--force", is_flag=True, help="Approve one that is older than the incumbent or was rolled back from.")
@click.option("--record-only", is_flag=True, help="Leave the switch to the next run.")
@options.manifest
@options.trust_host
@options.lock_timeout
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    job: str | None,
    reason: str,
    write: str | None,
    lasts: timedelta,
    force: bool,
    record_only: bool,
    manifest: Sequence[Path],
    trusted_hosts: frozenset[str],
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Approve a candidate and switch to it at once; with --write, make a file to commit that does it."""
    request = ReviewRequest(
        model=model,
        action="approve",
        state=state,
        listener=console.progress,
        manifest=manifest,
        trusted_hosts=trusted_hosts,
        job=job,
        reason=reason,
        force=force,
        record_only=record_only,
        lock_timeout=lock_timeout,
    )
    if write is not None:
        return write_and_show(console, request, write, lasts)
    return show_result(console, review(request), form, state)
