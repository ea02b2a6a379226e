"""`retrain plan`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from runner.app.plan import PlanRequest, plan
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.plan.model import ModelPlan
from runner.report.text import inline


@click.command("plan", epilog="Example: retrain plan models.yaml --detailed-exitcode")
@options.paths
@options.select
@options.force
@options.no_switch
@options.emulator
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when a run would do something.")
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    paths: Sequence[Path],
    select: Sequence[str],
    force: bool,
    no_switch: bool,
    emulator: bool,
    detailed_exitcode: bool,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show what `retrain run` would do to each model and why. Changes nothing and asks no service."""
    request = PlanRequest(paths=paths, state=state, select=select, force=force, no_switch=no_switch, emulator=emulator)
    plans = plan(request)
    console.result(_json(plans) if form == "json" else "\n".join(_text(one) for one in plans))
    if any(one.outcome == "failed" for one in plans):
        return ExitCode.FAILED
    pending = any(one.stages for one in plans)
    return ExitCode.USAGE if detailed_exitcode and pending else ExitCode.OK


def _text(one: ModelPlan) -> str:
    does = " > ".join(one.stages) if one.stages else f"nothing ({one.outcome})"
    return f"{inline(one.model)}: {one.action if one.stages else does}\n    {inline(one.reason)}" + (
        f"\n    {does}" if one.stages else ""
    )


def _json(plans: Sequence[ModelPlan]) -> str:
    models = [
        {
            "name": one.model,
            "action": one.action,
            "stages": list(one.stages),
            "reason": one.reason,
            "outcome": one.outcome,
            "retrain_job_id": one.retrain_job_id,
            "dataset_sha256": one.dataset_sha256,
        }
        for one in plans
    ]
    return json.dumps({"plan_version": 1, "models": models}, indent=2, ensure_ascii=False)
