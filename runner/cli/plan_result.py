"""How a plan is made and printed, for `retrain plan` and `retrain run --dry-run`."""

import shlex

from runner.app.planning.plan import MadePlan, PlanRequest, plan
from runner.cli.console import Console
from runner.cli.loss_warning import warn_of_loss
from runner.errors import ExitCode
from runner.plan.document import is_pending
from runner.plan.model_plan import state_option
from runner.reports.json_text import render_json
from runner.reports.plan_text import render_plan_markdown, render_plan_text


def show_plan(
    console: Console, request: PlanRequest, form: str, *, detailed_exitcode: bool = False, wide: bool = False
) -> int:
    """Make a plan, print it, and return the exit code; 2 when something is pending and `detailed_exitcode` asks."""
    made = plan(request)
    document = made.document
    warn_of_loss(console, request.state)
    console.result(_rendered(made, form, console.width, wide=wide))
    if request.out is not None:
        console.notice(f"next: retrain run --plan {shlex.quote(str(request.out))}{state_option(request.state)}")
    if not document.service_trusted or any(model.outcome == "failed" for model in document.models):
        return ExitCode.FAILED
    pending = bool(document.moves) or any(map(is_pending, document.models))
    return ExitCode.USAGE if detailed_exitcode and pending else ExitCode.OK


def _rendered(made: MadePlan, form: str, width: int | None, *, wide: bool) -> str:
    job_ids = () if wide else made.job_ids
    match form:
        case "json":
            return render_json(made.document).decode().rstrip("\n")
        case "markdown":
            return render_plan_markdown(made.document, job_ids=job_ids)
        case _:
            return render_plan_text(made.document, width=width, job_ids=job_ids, wide=wide)
