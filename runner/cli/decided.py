"""A person's decision, carried out by this command or by the run that holds the state, and what is printed of it."""

from collections.abc import Callable

from runner.app.review.adopt import Proposed
from runner.app.review.candidates import Subject
from runner.app.review.leaving import Left, Request, decide
from runner.app.run.run_end import RunResult
from runner.cli.console import Console
from runner.cli.options import Decision
from runner.cli.run_result import show_result
from runner.plan.model_plan import state_option
from runner.reports.json_text import render_json
from runner.reports.text import in_words, inline


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


def _sentence(left: Left, look: str) -> str:
    match left.state:
        case "taken":
            outcome = in_words(left.outcome or "")
            return f"{left.model}: {outcome}, by run {left.run_id}, which holds the state: {left.reason}"
        case "under_way":
            run = "A run" if left.run_id is None else f"Run {left.run_id}"
            return f"{run} is carrying out the decision about {left.model}; `{look}` shows what comes of it."
        case "left":
            return (
                f"The decision about {left.model} is left in the inbox ({left.decision_id}). The run that holds the "
                f"state carries it out when its own work on {left.model} allows it; else the next run does. "
                f"`{look}` shows it."
            )
        case "withdrawn":
            return f"The decision about {left.model} is withdrawn: nothing was done."
