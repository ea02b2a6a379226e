"""`retrain plan`."""

import shlex
from pathlib import Path

import click

from runner.app.planning.plan import MadePlan, PlanRequest, plan
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console, warn_of_loss
from runner.errors import ExitCode
from runner.plan.document import is_pending
from runner.plan.model_plan import Choice, state_option
from runner.reports.plan_text import render_plan_markdown, render_plan_text
from runner.reports.text import render_json


def show_plan(
    console: Console, request: PlanRequest, form: str, *, detailed_exitcode: bool = False, wide: bool = False
) -> int:
    """Make a plan, print it, and return the exit code; 2 when something is pending and `detailed_exitcode` asks."""
    made = plan(request)
    document = made.document
    warn_of_loss(console, request.state)
    console.result(_rendered(made, request.choice, form, console.width, wide=wide))
    if request.out is not None:
        console.notice(f"next: retrain run --plan {shlex.quote(str(request.out))}{state_option(request.state)}")
    if not document.service_trusted or any(model.outcome == "failed" for model in document.models):
        return ExitCode.FAILED
    pending = bool(document.moves) or any(map(is_pending, document.models))
    return ExitCode.USAGE if detailed_exitcode and pending else ExitCode.OK


def _rendered(made: MadePlan, choice: Choice, form: str, width: int | None, *, wide: bool) -> str:
    job_ids = () if wide else made.job_ids
    match form:
        case "json":
            return render_json(made.document).decode().rstrip("\n")
        case "markdown":
            return render_plan_markdown(made.document, job_ids=job_ids)
        case _:
            return render_plan_text(made.document, choice, width=width, job_ids=job_ids, wide=wide)


@click.command("plan", cls=Command, epilog="Example: retrain plan models.yaml --out plan.json")
@options.choice()
@options.refresh
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the plan for --plan of `run`.")
@click.option("--detailed-exitcode", is_flag=True, help="End with exit code 2 if a run would do something.")
@options.shard
@click.option("--wide", is_flag=True, help="Show whole job ids.")
@options.output_format("text", "json", "markdown")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    choice: Choice,
    refresh: bool,
    out: Path | None,
    detailed_exitcode: bool,
    shard: str | None,
    wide: bool,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show what `retrain run` would do to each model and why. Changes nothing; calls no service without --refresh."""
    request = PlanRequest(
        choice=choice,
        state=state,
        out=out,
        refresh=refresh,
        warn=console.warning,
        listener=console.progress,
        shard=shard,
    )
    return show_plan(console, request, form, detailed_exitcode=detailed_exitcode, wide=wide)
