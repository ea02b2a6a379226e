"""`retrain rollback`."""

import click
from msgspec.structs import replace

from runner.app.review.rollback import RollbackRequest, propose_rollback, roll_back
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.confirm import Consent, agreeing_command, confirm_proposal
from runner.cli.decisions import carry_out_or_leave
from runner.errors import ExitCode


@click.command(
    "rollback", cls=Command, epilog='Example: retrain rollback churn --reason "predictions are off since Monday"'
)
@click.option(
    "--to",
    metavar="JOB",
    help="A job that was in service (the beginning of its id is enough); by default the last one before the incumbent.",
)
@options.decision()
def command(*, given: options.Decision, to: str | None) -> int:
    """Show the metrics of an earlier job of this project, ask, and switch the model back to it."""
    request = RollbackRequest(to=to, **given.request.shared)
    proposal = propose_rollback(request)
    arguments = ["rollback", request.model, "--to", proposal.evidence.retrain_job_id, "--reason", request.reason]
    command = agreeing_command(arguments, manifest=request.manifest, state=request.state)
    if not confirm_proposal(given.console, proposal, Consent(yes=given.yes, command=command)):
        return ExitCode.FAILED
    agreed = replace(request, agreed=proposal.basis)
    return carry_out_or_leave(given, agreed, roll_back, proposal.subject)
