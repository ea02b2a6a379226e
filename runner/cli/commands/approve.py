"""`retrain approve`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.review.candidates import Proposal
from runner.app.review.review import ReviewRequest, propose_review, review
from runner.cli import options
from runner.cli.confirm import Consent, agreeing_command, confirm_proposal, show_proposal
from runner.cli.console import Console
from runner.cli.run_result import show_result, write_and_show
from runner.errors import ExitCode


@click.command("approve", epilog='Example: retrain approve churn --reason "seen by the team"')
@options.reviewed
@options.reason("Why; kept in the journal.")
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
    yes: bool,
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
    proposal = propose_review(request)
    if write is not None:
        show_proposal(console, proposal, asks=False)
        return write_and_show(console, request, write, lasts)
    stake = "the next run would change production" if record_only else "production would change"
    consent = Consent(yes=yes, command=_agreeing(request, proposal), stake=stake)
    if not confirm_proposal(console, proposal, consent, later=record_only):
        return ExitCode.FAILED
    return show_result(console, review(replace(request, agreed=proposal.evidence)), form, state)


def _agreeing(request: ReviewRequest, proposal: Proposal) -> str:
    flags = {"--force": request.force, "--record-only": request.record_only}
    given = [flag for flag, is_given in flags.items() if is_given]
    arguments = [
        "approve",
        request.model,
        "--job",
        proposal.evidence.retrain_job_id,
        *given,
        "--reason",
        request.reason,
    ]
    return agreeing_command(arguments, manifest=request.manifest, state=request.state)
