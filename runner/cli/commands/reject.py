"""`retrain reject`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.review.review import ReviewRequest, propose_review, review
from runner.cli import options
from runner.cli.confirm import Consent, confirm_proposal, show_proposal
from runner.cli.console import Console
from runner.cli.run_result import show_result, write_and_show
from runner.errors import ExitCode


@click.command("reject", epilog='Example: retrain reject churn --reason "seen by the team"')
@options.reviewed
@options.reason("Why; kept in the journal.", required=False)
@options.manifest
@options.lock_timeout
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    job: str | None,
    reason: str,
    yes: bool,
    write: str | None,
    lasts: timedelta,
    manifest: Sequence[Path],
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Reject a candidate, the incumbent stays; with --write, make a file to commit that does it."""
    request = ReviewRequest(
        model=model,
        action="reject",
        state=state,
        listener=console.progress,
        manifest=manifest,
        job=job,
        reason=reason,
        lock_timeout=lock_timeout,
    )
    proposal = propose_review(request)
    if write is not None:
        show_proposal(console, proposal, asks=False)
        return write_and_show(console, request, write, lasts)
    if not confirm_proposal(console, proposal, Consent(yes=yes, needed=False)):
        return ExitCode.FAILED
    return show_result(console, review(replace(request, agreed=proposal.evidence)), form, state)
