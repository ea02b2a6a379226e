"""`retrain approve`."""

import click

from runner.app.review.review import ReviewRequest
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.decisions import review_candidate


@click.command("approve", cls=Command, epilog='Example: retrain approve churn --reason "seen by the team"')
@options.reviewed
@click.option(
    "--force", is_flag=True, help="Approve a candidate that is older than the incumbent or was rolled back from."
)
@click.option("--record-only", is_flag=True, help="Leave the switch to the next run.")
@options.decision()
def command(*, given: options.Decision, on: options.Review, force: bool, record_only: bool) -> int:
    """Show a candidate's metrics, ask, and switch to it; with --write, write an approval file to commit instead."""
    request = ReviewRequest(action="approve", job=on.job, force=force, record_only=record_only, **given.request.shared)
    return review_candidate(request, given, on)
