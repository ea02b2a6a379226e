"""`retrain rollback`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from runner.app.rollback import RollbackRequest, roll_back
from runner.cli import options
from runner.cli.console import Console
from runner.cli.outcome import show_result


@click.command("rollback", epilog='Example: retrain rollback churn --reason "predictions are off since Monday"')
@options.model
@click.option("--to", metavar="JOB", help="A job that has served; by default the one before the incumbent.")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@options.manifest
@options.trust_host
@options.lock_timeout
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    to: str | None,
    reason: str,
    manifest: Sequence[Path],
    trusted_hosts: frozenset[str],
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Switch a model back to an earlier job of this project."""
    request = RollbackRequest(
        model=model,
        reason=reason,
        state=state,
        listener=console.progress,
        to=to,
        manifest=manifest,
        trusted_hosts=trusted_hosts,
        lock_timeout=lock_timeout,
    )
    return show_result(console, roll_back(request), form, state)
