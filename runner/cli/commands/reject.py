"""`retrain reject`."""

import click

from runner.app.review.review import ReviewRequest
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.decisions import review_candidate


@click.command("reject", cls=Command, epilog='Example: retrain reject churn --reason "seen by the team"')
@options.reviewed
@options.decision(reason_required=False, asks_service=False)
def command(*, given: options.Decision, on: options.Review) -> int:
    """Show a candidate's metrics, ask, and reject it; with --write, write a file to commit instead."""
    return review_candidate(ReviewRequest(action="reject", job=on.job, **given.request.shared), given, on)
