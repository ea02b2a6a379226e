"""How a plan is made and printed, for `retrain plan` and `retrain run --dry-run`."""

import shlex
from collections.abc import Iterable

from runner.app.planning.plan import PlanRequest, plan, read_progress
from runner.cli.console import Console
from runner.cli.loss_warning import warn_of_loss
from runner.errors import ExitCode
from runner.plan.document import PlanDocument, is_pending
from runner.plan.model_plan import state_option
from runner.reports.json_text import render_json
from runner.reports.plan_text import render_plan_markdown, render_plan_text


def show_plan(
    console: Console, request: PlanRequest, form: str, *, detailed_exitcode: bool = False, wide: bool = False
) -> int:
    """Make a plan, print it, and return the exit code; 2 when something is pending and `detailed_exitcode` asks."""
    document = plan(request)
    warn_of_loss(console, request.state)
    console.result(_rendered(document, form, console.width, () if wide else _job_ids(request.state, form)))
    if request.out is not None:
        console.notice(f"next: retrain run --plan {shlex.quote(str(request.out))}{state_option(request.state)}")
    if not document.service_trusted or any(model.outcome == "failed" for model in document.models):
        return ExitCode.FAILED
    pending = bool(document.moves) or any(map(is_pending, document.models))
    return ExitCode.USAGE if detailed_exitcode and pending else ExitCode.OK


def _job_ids(state: str, form: str) -> Iterable[str]:
    """Return all job ids of the state for a form that shows them in short."""
    if form != "text":
        return ()
    return [job_id for model in read_progress(state).models.values() for job_id in model.jobs]


def _rendered(document: PlanDocument, form: str, width: int | None, job_ids: Iterable[str]) -> str:
    if form == "json":
        return render_json(document).decode().rstrip("\n")
    return (
        render_plan_markdown(document)
        if form == "markdown"
        else render_plan_text(document, width=width, job_ids=job_ids)
    )
