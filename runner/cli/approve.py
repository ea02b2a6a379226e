"""`retrain approve`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from runner.app.review import ReviewRequest, review
from runner.cli import options
from runner.cli.console import Console
from runner.cli.outcome import show_result


@click.command("approve", epilog='Example: retrain approve churn --reason "seen by the team"')
@options.reviewed
@click.option("--record-only", is_flag=True, help="Leave the switch to the next run.")
@options.manifest
@options.lock_timeout
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    job: str | None,
    reason: str,
    record_only: bool,
    manifest: Sequence[Path],
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Approve a candidate and switch to it at once."""
    request = ReviewRequest(
        model=model,
        action="approve",
        state=state,
        listener=console.progress,
        manifest=manifest,
        job=job,
        reason=reason,
        record_only=record_only,
        lock_timeout=lock_timeout,
    )
    return show_result(console, review(request), form, state)
