"""`retrain plan`."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from runner.app.planning.plan import PlanRequest, plan
from runner.app.planning.scope import Choice
from runner.cli import options
from runner.cli.console import Console
from runner.cli.loss_warning import warn_of_loss
from runner.errors import ExitCode
from runner.plan.document import PlanDocument, is_pending
from runner.plan.model_plan import state_option
from runner.reports.json_text import render_json
from runner.reports.plan_text import render_plan_markdown, render_plan_text


@click.command("plan", epilog="Example: retrain plan models.yaml --out plan.json")
@options.paths
@options.select
@options.force
@options.no_switch
@options.emulator
@options.refresh
@options.trust_host
@options.allow_service_change
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Keep the plan for `retrain run --plan`.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when a run would do something.")
@options.output_format("text", "json", "markdown")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    paths: Sequence[Path],
    select: Sequence[str],
    force: bool,
    no_switch: bool,
    emulator: bool,
    refresh: bool,
    trusted_hosts: frozenset[str],
    allow_service_change: bool,
    out: Path | None,
    detailed_exitcode: bool,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show what `retrain run` would do to each model and why. Starts nothing; without --refresh it asks no service."""
    choice = Choice(
        paths=paths,
        select=select,
        force=force,
        no_switch=no_switch,
        emulator=emulator,
        trusted_hosts=trusted_hosts,
        allow_service_change=allow_service_change,
        state=state,
    )
    document = plan(PlanRequest(choice=choice, state=state, out=out, refresh=refresh, warn=console.warning))
    warn_of_loss(console, state)
    console.result(_rendered(document, form, console.width))
    if out is not None:
        console.notice(f"next: retrain run --plan {shlex.quote(str(out))}{state_option(state)}")
    if not document.service_trusted or any(model.outcome == "failed" for model in document.models):
        return ExitCode.FAILED
    pending = bool(document.moves) or any(map(is_pending, document.models))
    return ExitCode.USAGE if detailed_exitcode and pending else ExitCode.OK


def _rendered(document: PlanDocument, form: str, width: int | None) -> str:
    if form == "json":
        return render_json(document).decode().rstrip("\n")
    return render_plan_markdown(document) if form == "markdown" else render_plan_text(document, width=width)
