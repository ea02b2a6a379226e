"""`retrain run`."""

from datetime import timedelta
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.planning.plan import PlanRequest
from runner.app.review.inbox_desk import InboxDesk
from runner.app.run.run import RunRequest, run
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.commands.plan import show_plan
from runner.cli.console import Console
from runner.cli.run_result import show_events, show_result
from runner.errors import UsageError
from runner.manifest.load import named_paths
from runner.plan.model_plan import Choice


@click.command("run", cls=Command, epilog="Example: retrain run models.yaml --select tag:daily")
@options.choice(places=options.paths_or_plan)
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Do exactly what this plan says; refused if an input changed.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing, as `plan` does.")
@click.option(
    "--parallel", type=click.IntRange(min=1), metavar="N", help="Models processed in parallel (limits.parallel)."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Record every answer of the service in this new file, without secrets.",
)
@click.option(
    "--run-id-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the run's id to this file; a run that is refused leaves none.",
)
@options.shard
@click.option(
    "--group",
    metavar="NAME",
    help="What runs of several machines are reported as (RETRAIN_GROUP; else the id of the pipeline's run).",
)
@click.option("--allow-held", is_flag=True, help="End with exit code 0 if a policy held a candidate back.")
@options.lock_timeout
@options.output_format("text", "json", "jsonl")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    choice: Choice,
    plan: Path | None,
    dry_run: bool,
    parallel: int | None,
    record: Path | None,
    run_id_file: Path | None,
    shard: str | None,
    group: str | None,
    allow_held: bool,
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Upload changed data, wait for the trainings, judge the candidates, switch those that may take over."""
    if plan is None:
        choice = replace(choice, paths=named_paths(choice.paths))
    if dry_run:
        if plan is not None or form == "jsonl":
            raise UsageError(
                f"--dry-run cannot be used with {'--plan' if plan else '--format jsonl'}.",
                hint="`retrain plan --help` shows what a plan can be printed as and compared with.",
            )
        request = PlanRequest(choice=choice, state=state, warn=console.warning, listener=console.progress, shard=shard)
        return show_plan(console, request, form)
    with console.watching(events=form == "jsonl") as listener:
        result = run(
            RunRequest(
                choice=choice,
                state=state,
                listener=listener,
                warn=console.warning,
                inbox=InboxDesk.of_run,
                plan=plan,
                allow_held=allow_held,
                parallel=parallel,
                recording=record,
                run_id_file=run_id_file,
                shard=shard,
                group=group,
                lock_timeout=lock_timeout,
            )
        )
    return show_events(console, result) if form == "jsonl" else show_result(console, result, form, state)
