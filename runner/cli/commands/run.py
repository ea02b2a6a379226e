"""`retrain run`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from runner.app.planning.scope import Choice
from runner.app.run.run import RunRequest, run
from runner.cli import options
from runner.cli.console import Console
from runner.cli.run_result import show_events, show_result
from runner.manifest.load import named_paths


@click.command("run", epilog="Example: retrain run models.yaml --select tag:daily")
@options.paths_or_plan
@options.select
@options.force
@options.no_switch
@options.emulator
@options.trust_host
@options.allow_service_change
@click.option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE", help="Do exactly this plan; refused when anything moved."
)
@click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="Models side by side (limits.parallel).")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep all that the service says in this new file, without secrets.",
)
@click.option("--allow-held", is_flag=True, help="Exit with 0 when a policy held a candidate back.")
@options.lock_timeout
@options.output_format("text", "json", "jsonl")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    paths: Sequence[Path],
    select: Sequence[str],
    force: bool,
    no_switch: bool,
    emulator: bool,
    trusted_hosts: frozenset[str],
    allow_service_change: bool,
    plan: Path | None,
    parallel: int | None,
    record: Path | None,
    allow_held: bool,
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """Upload changed data, wait for the trainings, judge the candidates, switch those that may take over."""
    with console.watching(events=form == "jsonl") as listener:
        request = RunRequest(
            choice=Choice(
                paths=paths if plan is not None else named_paths(paths),
                select=select,
                force=force,
                no_switch=no_switch,
                emulator=emulator,
                trusted_hosts=trusted_hosts,
                allow_service_change=allow_service_change,
                state=state,
            ),
            state=state,
            listener=listener,
            warn=console.warning,
            plan=plan,
            allow_held=allow_held,
            parallel=parallel,
            recording=record,
            lock_timeout=lock_timeout,
        )
        result = run(request)
    return show_events(console, result) if form == "jsonl" else show_result(console, result, form, state)
