"""A person's decision about a candidate: its evidence is shown, they are asked, and it is carried out or written."""

from msgspec.structs import replace

from runner.app.review.candidates import Proposal
from runner.app.review.review import ReviewRequest, propose_review, review
from runner.cli.confirm import Consent, agreeing_command, confirm_proposal, show_proposal
from runner.cli.decided import carry_out_or_leave
from runner.cli.options import Decision, Review
from runner.cli.run_result import write_and_show
from runner.errors import ExitCode


def review_candidate(request: ReviewRequest, given: Decision, on: Review) -> int:
    """Show the candidate, ask, and carry the decision out; or write the file that does. Return the exit code."""
    proposal = propose_review(request)
    if on.write is not None:
        show_proposal(given.console, proposal, asks=False)
        return write_and_show(given.console, request, on.write, on.lasts)
    consent = _consent(request, proposal, yes=given.yes)
    if not confirm_proposal(given.console, proposal, consent, later=request.record_only):
        return ExitCode.FAILED
    agreed = replace(request, agreed=proposal.basis)
    return carry_out_or_leave(given, agreed, review, proposal.subject)


def _consent(request: ReviewRequest, proposal: Proposal, *, yes: bool) -> Consent:
    """Return how a person agrees; a rejection changes nothing in production and needs no answer."""
    if request.action == "reject":
        return Consent(yes=yes, needed=False)
    flags = {"--force": request.force, "--record-only": request.record_only}
    given = [flag for flag, is_given in flags.items() if is_given]
    job = proposal.evidence.retrain_job_id
    arguments = ["approve", request.model, "--job", job, *given, "--reason", request.reason]
    return Consent(
        yes=yes,
        command=agreeing_command(arguments, manifest=request.manifest, state=request.state),
        stake="the next run would change production" if request.record_only else "production would change",
    )
