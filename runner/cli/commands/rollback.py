"""`retrain rollback`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.review.rollback import RollbackRequest, propose_rollback, roll_back
from runner.cli import options
from runner.cli.confirm import Consent, agreeing_command, confirm_proposal
from runner.cli.console import Console
from runner.cli.run_result import show_result
from runner.errors import ExitCode


@click.command("rollback", epilog='Example: retrain rollback churn --reason "predictions are off since Monday"')
@options.model
@click.option(
    "--to",
    metavar="JOB",
    help="A job that has served, as far as its id is unique; by default the last one before the incumbent.",
)
@options.reason("Why; kept in the journal.")
@options.yes
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
    yes: bool,
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
    proposal = propose_rollback(request)
    arguments = ["rollback", model, "--to", proposal.evidence.retrain_job_id, "--reason", reason]
    consent = Consent(yes=yes, command=agreeing_command(arguments, manifest=manifest, state=state))
    if not confirm_proposal(console, proposal, consent):
        return ExitCode.FAILED
    return show_result(console, roll_back(replace(request, agreed=proposal.evidence)), form, state)
