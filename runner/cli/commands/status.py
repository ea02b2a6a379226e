"""`retrain status`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.queries.status import ModelStatus, Status, next_steps, status
from runner.cli import options
from runner.cli.console import Console
from runner.cli.loss_warning import warn_of_loss
from runner.cli.model_lines import incumbent_text, standing, with_short_ids
from runner.errors import ExitCode
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, OUTCOMES
from runner.plan.model_plan import review_commands, state_option
from runner.reports.evidence_text import evidence_line
from runner.reports.json_text import render_json
from runner.reports.table import FEWEST_COLUMNS, Column, text_table
from runner.reports.text import acting, in_words, inline

_MANY = 10  # models
_MOST_NEXT = 3  # models that need a person, of many
_ENDS_OPEN: tuple[str, ...] = NEEDS_PERSON
_NAME_COLUMNS = 24  # of a model in a table
_MOST_METRICS = 3  # of a candidate, in a table
_STANDS = (
    *(Column(title="model"), Column(title="incumbent", clipped=True), Column(title="since", spare=True)),
    *(Column(title="now", clipped=True), Column(title="last outcome", whole=True)),
    *(Column(title="service", spare=True), Column(title="reason", spare=True, clipped=True)),
)
_CANDIDATES = (
    *(Column(title="model"), Column(title="candidate")),
    Column(title="metrics, against the incumbent's", clipped=True),
)
_ENDS = (  # for who asks for an outcome: why it came to it
    *(Column(title="model"), Column(title="last outcome", whole=True), Column(title="reason")),
    *(Column(title="incumbent", spare=True), Column(title="now", spare=True), Column(title="service", spare=True)),
)


@click.command("status", epilog="Example: retrain status --outcome failed")
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(tuple(OUTCOMES)), help="Only this outcome.")
@click.option("--wide", is_flag=True, help="Show whole job ids, and what to do about every model.")
@options.refresh
@options.manifest
@options.trust_host
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    outcomes: Sequence[str],
    wide: bool,
    refresh: bool,
    manifest: Sequence[Path],
    trusted_hosts: frozenset[str],
    form: str,
    state: str,
    console: Console,
) -> int:
    """Show each model's incumbent, job in training, pending approval and last outcome."""
    found = status(state, refreshed=refresh, manifest=manifest, trusted_hosts=trusted_hosts, warn=console.warning)
    warn_of_loss(console, state)
    if outcomes:
        found = replace(found, models=tuple(model for model in found.models if model.last_outcome in outcomes))
    if form == "json":
        console.result(_json(found))
        return ExitCode.OK
    shown = found if wide else replace(found, models=with_short_ids(found.models))
    columns = _ENDS if outcomes else [replace(column, clipped=False) for column in _STANDS] if wide else _STANDS
    most = None if wide or len(found.models) < _MANY else _MOST_NEXT
    console.result(_text(shown, state, columns, console.width, most))
    return ExitCode.OK


def _text(found: Status, state: str, columns: Sequence[Column], width: int | None, most: int | None) -> str:
    if found.last_run is None:
        return f"No run yet in {state}. Start with `retrain run PATH`, or check --state."
    last = found.last_run
    code = f"exit code {last.finished.exit_code}" if last.finished else _under_way(found)
    if width and width >= FEWEST_COLUMNS and found.models:
        cells = [_cells(model) for model in found.models]
        lines = [text_table(columns, [[row[column.title] for column in columns] for row in cells], width=width)]
        lines += _undecided(found, width)
    else:
        lines = [_line(model) for model in found.models]
    ends = [
        *_counts(found),
        *_next(found, state, most),
        f"last run: {last.run_id} by {inline(acting(last.started.actor, last.started.ci_actor))}, {code}",
    ]
    return "\n".join([*lines, *([""] if lines else []), *ends])


def _under_way(found: Status) -> str:
    return "running" if found.running else "cut off; the next `retrain run` ends it and continues"


def _next(found: Status, state: str, most: int | None) -> Iterator[str]:
    """Yield the commands for the models that need a person, most urgent first, and how to see those beyond `most`."""
    wanting = sorted((model for model in found.models if model.waiting or model.last_outcome in _ENDS_OPEN), key=_place)
    steps, option = next_steps(state, wanting) if wanting else {}, state_option(state)
    told = [(model, steps.get((model.service, model.name))) for model in wanting]
    open_models = [(model, step.commands if step else ()) for model, step in told if step or model.waiting]
    for model, commands in open_models[:most]:  # one without a step was judged in a run that has no end
        lines = commands or review_commands(model.name, state=option)
        yield from (f"{'  or' if place else 'next'}: {inline(command)}" for place, command in enumerate(lines))
    hidden = len(open_models[most:]) if most is not None else 0
    if hidden:
        yield f"next: retrain status --wide{option} shows {hidden} more"


def _place(model: ModelStatus) -> int:
    """Return how urgent a model is that needs a person, the lowest first."""
    return _ENDS_OPEN.index(model.last_outcome if model.last_outcome in _ENDS_OPEN else "awaiting_approval")


def _counts(found: Status) -> list[str]:
    """Return how many models ended how, where they are too many to be counted by eye."""
    if len(found.models) < _MANY:
        return []
    counts = Counter(model.last_outcome for model in found.models)
    ends = ", ".join(f"{counts[outcome]} {in_words(outcome)}" for outcome in BY_URGENCY if counts[outcome])
    return [f"{len(found.models)} models{': ' if ends else ''}{ends}"]


def _name(model: ModelStatus) -> str:
    from runner.cli.terminal.truncation import cut_middle  # noqa: PLC0415 -- only a terminal needs it

    return cut_middle(inline(model.name), _NAME_COLUMNS)


def _cells(model: ModelStatus) -> dict[str, str]:
    """Return what is under each title."""
    return {
        "model": _name(model),
        "incumbent": incumbent_text(model),
        "since": f"{model.incumbent_since:%Y-%m-%d %H:%M}" if model.incumbent_since else "",
        "now": "; ".join(standing(model, brief=True)),
        "last outcome": in_words(model.last_outcome or ""),
        "service": model.service,
        "reason": model.last_reason or "",
    }


def _line(model: ModelStatus) -> str:
    serves = f"incumbent {incumbent_text(model)}"
    parts = ", ".join(inline(part) for part in [serves, *standing(model)])
    last = f"\n    last: {in_words(model.last_outcome)}: {inline(model.last_reason)}" if model.last_outcome else ""
    metrics = "".join(f"\n    {inline(line)}" for line in _metrics(model))
    return f"{inline(model.name)} ({inline(model.service)}): {parts}{metrics}{last}"


def _undecided(found: Status, width: int) -> list[str]:
    """Return a table of what a person decides by, a row for each candidate that waits or is held."""
    rows = [
        (_name(model), evidence.retrain_job_id, evidence_line(evidence, _MOST_METRICS))
        for model in found.models
        if (evidence := model.evidence)
    ]
    return ["", text_table(_CANDIDATES, rows, width=width)] if rows else []


def _metrics(model: ModelStatus) -> list[str]:
    """Return what a person decides by, where they are to decide."""
    return [f"metrics: {evidence_line(model.evidence)}"] if model.evidence else []


def _json(found: Status) -> str:
    last = found.last_run.run_id if found.last_run else None
    return render_json({"models": found.models, "last_run": last}).decode().rstrip("\n")
