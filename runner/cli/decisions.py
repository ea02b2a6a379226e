"""A person's decision: shown and asked about, then carried out by this command or by the run that holds the state."""

from collections.abc import Callable

from msgspec.structs import replace

from runner.app.review.adopt import Proposed
from runner.app.review.candidates import Proposal, Subject
from runner.app.review.leaving import Left, Request, decide
from runner.app.review.review import ReviewRequest, propose_review, review
from runner.app.run.run_end import RunResult
from runner.cli.confirm import Consent, agreeing_command, confirm_proposal, show_proposal
from runner.cli.console import Console
from runner.cli.options import Decision, Review
from runner.cli.run_result import show_result, write_and_show
from runner.errors import ExitCode
from runner.plan.model_plan import state_option
from runner.reports.text import in_words, inline, render_json


def carry_out_or_leave(
    given: Decision,
    request: Request,
    act: Callable[[Request], RunResult],
    subject: Subject,
    proposed: Proposed | None = None,
) -> int:
    """Carry the decision out or leave it for the run that holds the state; print what came of it."""
    done = decide(request, act, given.waiting, subject, proposed)
    if isinstance(done, RunResult):
        return show_result(given.console, done, given.form, request.state)
    return show_left(given.console, done, given.form, request.state)


def show_left(console: Console, left: Left, form: str, state: str) -> int:
    """Print what became of a decision that was left in the inbox, and return the exit code."""
    if form == "json":
        console.result(render_json(left).decode().rstrip("\n"))
    else:
        console.result(inline(_sentence(left, f"retrain status{state_option(state)}")))
    return left.exit_code


def _sentence(left: Left, command: str) -> str:
    match left.state:
        case "taken":
            outcome = in_words(left.outcome or "")
            return f"{left.model}: {outcome}, by run {left.run_id}, which holds the state: {left.reason}"
        case "under_way":
            run = "A run" if left.run_id is None else f"Run {left.run_id}"
            return f"{run} is carrying out the decision about {left.model}; `{command}` shows what comes of it."
        case "left":
            return (
                f"The decision about {left.model} is left in the inbox ({left.decision_id}). The run that holds the "
                f"state carries it out when its own work on {left.model} allows it; else the next run does. "
                f"`{command}` shows it."
            )
        case "withdrawn":
            return f"The decision about {left.model} is withdrawn: nothing was done."


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
