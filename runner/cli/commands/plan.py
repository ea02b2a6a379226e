"""`retrain plan`."""

from pathlib import Path

import click

from runner.app.planning.plan import PlanRequest
from runner.cli import options
from runner.cli.console import Console
from runner.cli.plan_result import show_plan
from runner.plan.model_plan import Choice


@click.command("plan", epilog="Example: retrain plan models.yaml --out plan.json")
@options.choice()
@options.refresh
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the plan for --plan of `run`.")
@click.option("--detailed-exitcode", is_flag=True, help="End with exit code 2 if a run would do something.")
@click.option("--wide", is_flag=True, help="Show whole job ids.")
@options.output_format("text", "json", "markdown")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    choice: Choice,
    refresh: bool,
    out: Path | None,
    detailed_exitcode: bool,
    wide: bool,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show what `retrain run` would do to each model and why. Changes nothing; calls no service without --refresh."""
    request = PlanRequest(
        choice=choice, state=state, out=out, refresh=refresh, warn=console.warning, listener=console.progress
    )
    return show_plan(console, request, form, detailed_exitcode=detailed_exitcode, wide=wide)
