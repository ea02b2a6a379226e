"""`retrain status`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import indent

import click
from msgspec.structs import replace

from runner.app.queries.status import ModelStatus, Status, next_steps, status
from runner.app.state.partitions import snapshot
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console, warn_of_loss
from runner.errors import ExitCode
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, OUTCOMES
from runner.lib.timestamps import moment, seconds_text
from runner.plan.model_plan import review_commands, state_option
from runner.reports.evidence_text import evidence_line
from runner.reports.model import NextStep
from runner.reports.next_step import CommandContext, in_brief, named_only, next_lines, short_ids
from runner.reports.next_step import with_short_ids as in_sentence
from runner.reports.table import FEWEST_COLUMNS, FLEET, NAME_COLUMNS, WIDE_COLUMNS, Column, text_table
from runner.reports.text import acting, in_words, inline, render_json

_IDS = ("incumbent", "rolled_back_from", "rollback_due", "in_flight", "waiting", "switch_due", "held")


def with_short_ids(models: Sequence[ModelStatus]) -> tuple[ModelStatus, ...]:
    """Return the same with job ids as short as they tell the jobs apart."""
    ids = (getattr(model, key) for model in models for key in _IDS)
    short = short_ids(job_id for job_id in ids if job_id is not None)
    return tuple(_shortened(model, short) for model in models)


def _shortened(model: ModelStatus, short: Mapping[str, str]) -> ModelStatus:
    values = {key: getattr(model, key) for key in _IDS}
    cut = {key: short[value] for key, value in values.items() if value is not None}
    own = {value: short[value] for value in values.values() if value is not None}
    found = model.evidence
    return replace(
        model,
        **cut,
        last_reason=model.last_reason and in_sentence(model.last_reason, own),
        evidence=found and replace(found, retrain_job_id=own.get(found.retrain_job_id, found.retrain_job_id)),
    )


def incumbent_text(model: ModelStatus) -> str:
    """Return what is known of the model in service: a job, what was stated, or that nothing is recorded."""
    if model.incumbent_known == "stated":
        values = ", ".join(f"{name} {text}" for name, text in model.incumbent_metrics.items())
        return f"stated ({values or 'no metrics'})"
    return model.incumbent or "not recorded"


def standing(model: ModelStatus, *, brief: bool = False) -> list[str]:
    """Return what is under way or waits, one phrase each; `brief` ones for the cell of a table."""
    parts = under_way(model, brief=brief)
    if model.waiting:
        parts.append(f"candidate {model.waiting} waits{'' if brief else ' for approval'}")
    if model.held:
        parts.append(f"candidate {model.held} is held")
    return parts


def under_way(model: ModelStatus, *, brief: bool = True) -> list[str]:
    """Return the same without a candidate that rests with a person."""
    parts = []
    if model.drift == "changed_outside":
        parts.append(f"changed outside: {(model.drift_reason or '').removesuffix('.')}")
    elif model.drift_at is not None:
        parts.append(in_words(model.drift))
    if model.rolled_back_from:
        parts.append(f"rolled back from job {model.rolled_back_from} by {model.rolled_back_by}")
    if model.rollback_due:
        parts.append(f"the rollback to job {model.rollback_due} is decided and not done")
    if model.in_flight:
        parts.append(f"job {model.in_flight} in flight ({model.stage})")
    if model.switch_due:
        parts.append(f"the switch to {model.switch_due} is due{'' if brief else ' at the next run'}")
    if model.history_lost:
        parts.append(f"waits for a person before it is trained or switched: {model.history_lost}")
    return parts


_MOST_NEXT = 3  # models that need a person, of a fleet
_MOST_PENDING = 10  # decisions in the inbox
_MOST_METRICS = 3  # of a candidate, in a table
_STANDS = (
    *(
        Column(title="model", most=NAME_COLUMNS),
        Column(title="incumbent", clipped=True),
        Column(title="since", spare=True),
    ),
    *(Column(title="now", clipped=True), Column(title="last outcome", whole=True)),
    *(Column(title="service", spare=True), Column(title="reason", spare=True, clipped=True)),
)
_FLEET = (  # in a line a model, those that need a person first
    *(Column(title="model", most=NAME_COLUMNS), Column(title="last outcome", whole=True)),
    *(Column(title="incumbent", spare=True), Column(title="since", spare=True), Column(title="now", clipped=True)),
)
_CANDIDATES = (
    *(Column(title="model", most=NAME_COLUMNS), Column(title="candidate")),
    Column(title="metrics, against the incumbent's", clipped=True),
)
_ENDS = (  # for who asks for an outcome: why it came to it
    *(Column(title="model", most=NAME_COLUMNS), Column(title="last outcome", whole=True), Column(title="reason")),
    *(Column(title="incumbent", spare=True), Column(title="now", spare=True), Column(title="service", spare=True)),
)


@click.command("status", cls=Command, epilog="Example: retrain status --outcome failed")
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
    with snapshot(state):
        found = status(state, refreshed=refresh, manifest=manifest, trusted_hosts=trusted_hosts, warn=console.warning)
        warn_of_loss(console, state)
        if outcomes:
            found = replace(found, models=tuple(model for model in found.models if model.last_outcome in outcomes))
        wanting = sorted(filter(_wants, found.models), key=_place)
        steps = next_steps(state, wanting) if wanting and form != "json" else {}
    if form == "json":
        console.result(_json(found))
        return ExitCode.OK
    is_fleet = len(found.models) >= FLEET and not wide
    shown = found if wide else replace(found, models=with_short_ids(found.models))
    if is_fleet:
        shown = replace(shown, models=tuple(sorted(shown.models, key=_place)))
    if console.width and console.width >= FEWEST_COLUMNS and found.models:
        lines = list(_tables(shown.models, steps, console.width, wide=wide, outcomes=bool(outcomes)))
    else:
        lines = list(_grouped(shown.models) if is_fleet else map(_line, shown.models))
    told = [(model, steps.get((model.service, model.name))) for model in wanting]
    end = _end(found, told, state, _MOST_NEXT if is_fleet else None)
    console.result("\n".join([*lines, *([""] if lines else []), *end]))
    return ExitCode.OK


def _tables(
    models: Sequence[ModelStatus],
    steps: Mapping[tuple[str, str], NextStep],
    width: int,
    *,
    wide: bool,
    outcomes: bool,
) -> Iterator[str]:
    """Yield a table of the models, and one of the candidates where those have no place in it."""
    is_fleet = len(models) >= FLEET and not (wide or outcomes)
    if is_fleet:
        cells = [
            {**_cells(model), "now": in_brief(steps.get((model.service, model.name))) + _now(model, width)}
            for model in models
        ]
        yield _table(_FLEET, cells, width)
        return
    columns = _ENDS if outcomes else [replace(column, clipped=False) for column in _STANDS] if wide else _STANDS
    yield _table(columns, [_cells(model) for model in models], width)
    candidates = [
        (model.name, evidence.retrain_job_id, evidence_line(evidence, _MOST_METRICS))
        for model in models
        if (evidence := model.evidence)
    ]
    if candidates:
        yield ""
        yield text_table(_CANDIDATES, candidates, width=width)


def _table(columns: Sequence[Column], rows: Sequence[Mapping[str, str]], width: int) -> str:
    return text_table(columns, [[row[column.title] for column in columns] for row in rows], width=width)


def _grouped(models: Sequence[ModelStatus]) -> Iterator[str]:
    """Yield the models of a fleet under their last outcomes; those that need nobody have one line each."""
    for outcome, group in groupby(models, key=lambda model: model.last_outcome):
        found = list(group)
        yield f"{len(found)} {in_words(outcome or 'not run yet')}"
        for model in found:
            yield indent(_line(model) if _needs_person(model) else _line(replace(model, last_outcome=None)), "  ")


def _end(
    found: Status, told: Sequence[tuple[ModelStatus, NextStep | None]], state: str, most: int | None
) -> Iterator[str]:
    """Yield how many models ended how, what to do next, and the last run."""
    yield from _counts(found)
    yield from _pending(found)
    decided = {decision.model for decision in found.pending}
    yield from _next([(model, step) for model, step in told if model.name not in decided], state, most)
    if found.last_run is None:
        yield Console.current().whole(f"No run yet in {state}. Begin with `retrain run`, or check --state.")
        return
    last = found.last_run
    code = f"exit code {last.finished.exit_code}" if last.finished else _under_way(found, state)
    yield f"last run: {last.run_id} by {inline(acting(last.started.actor, last.started.ci_actor))}, {code}"


def _under_way(found: Status, state: str) -> str:
    if found.running or found.last_run is None:
        return "running"
    return f"cut off; `{CommandContext.of_run(found.last_run.started, state).run}` ends it and continues"


def _pending(found: Status) -> Iterator[str]:
    """Yield a line for each decision that waits in the inbox, and who carries it out."""
    when = "the current run or the next one" if found.running else "the next run"
    for decision in found.pending[:_MOST_PENDING]:
        what = f"{decision.action} {decision.model} by {decision.by}, left at {seconds_text(moment(decision.left_at))}"
        yield inline(f"pending: {what} ({decision.reason or 'no reason given'}); {when} carries it out")
    if len(found.pending) > _MOST_PENDING:
        yield f"pending: {len(found.pending) - _MOST_PENDING} more"


def _next(told: Sequence[tuple[ModelStatus, NextStep | None]], state: str, most: int | None) -> Iterator[str]:
    """Yield the commands for the models that need a person, most urgent first, and how to see those beyond `most`."""
    option = state_option(state)
    open_models = [(model, step.commands if step else ()) for model, step in told if step or model.waiting]
    for model, commands in open_models[:most]:  # one without a step was judged in a run that has no end
        yield from next_lines(commands or review_commands(model.name, state=option))
    hidden = len(open_models[most:]) if most is not None else 0
    if hidden:
        yield f"{hidden} more: retrain status --wide{option}"


def _needs_person(model: ModelStatus) -> bool:
    return bool(model.waiting or model.held) or model.last_outcome in NEEDS_PERSON


def _wants(model: ModelStatus) -> bool:
    """Return whether there is something to do about a model: a training continues with the next run only."""
    return _needs_person(model) or model.last_outcome == "training"


def _place(model: ModelStatus) -> int:
    """Return how urgent a model is, the lowest first."""
    outcome = model.last_outcome
    if outcome not in NEEDS_PERSON:
        outcome = "held" if model.held else "awaiting_approval" if model.waiting else outcome
    return BY_URGENCY.index(outcome) if outcome in OUTCOMES else len(BY_URGENCY)


def _counts(found: Status) -> list[str]:
    """Return how many models ended how, where they are too many to be counted by eye."""
    if len(found.models) < FLEET:
        return []
    counts = Counter(model.last_outcome for model in found.models)
    ends = ", ".join(f"{counts[outcome]} {in_words(outcome)}" for outcome in BY_URGENCY if counts[outcome])
    return [f"{len(found.models)} models{': ' if ends else ''}{ends}"]


def _now(model: ModelStatus, width: int) -> str:
    """Return what a fleet's row says, as much as fits a line: what is under way, why it is open, or what serves."""
    reason = named_only(model.last_reason or "")
    found = under_way(model)
    if model.evidence and model.last_outcome != "held":
        found = [*found, evidence_line(model.evidence, _MOST_METRICS, noted=False)]
    elif _needs_person(model):
        found = [*found, reason]
    serves = f"{incumbent_text(model)} serves" if model.incumbent_known != "unrecorded" else "nothing is recorded"
    return "; ".join(found) or (serves if width < WIDE_COLUMNS else reason)


def _cells(model: ModelStatus) -> dict[str, str]:
    """Return what is under each title."""
    return {
        "model": model.name,
        "incumbent": incumbent_text(model),
        "since": f"{model.incumbent_since:%Y-%m-%d %H:%M}" if model.incumbent_since else "",
        "now": "; ".join(standing(model, brief=True)),
        "last outcome": in_words(model.last_outcome or ""),
        "service": model.service,
        "reason": named_only(model.last_reason or ""),
    }


def _line(model: ModelStatus) -> str:
    serves = f"incumbent {incumbent_text(model)}"
    parts = ", ".join(inline(part) for part in [serves, *standing(model)])
    last = (
        f"\n    last: {in_words(model.last_outcome)}: {inline(named_only(model.last_reason or ''))}"
        if model.last_outcome
        else ""
    )
    metrics = "".join(f"\n    {inline(line)}" for line in _metrics(model))
    return f"{inline(model.name)} ({inline(model.service)}): {parts}{metrics}{last}"


def _metrics(model: ModelStatus) -> list[str]:
    """Return what a person decides by, where they are to decide."""
    return [f"metrics: {evidence_line(model.evidence)}"] if model.evidence else []


def _json(found: Status) -> str:
    last = found.last_run.run_id if found.last_run else None
    return render_json({"models": found.models, "last_run": last, "pending": found.pending}).decode().rstrip("\n")
