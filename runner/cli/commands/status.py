"""`retrain status`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.queries.status import ModelStatus, Status, status
from runner.cli import options
from runner.cli.console import Console
from runner.cli.loss_warning import warn_of_loss
from runner.errors import ExitCode
from runner.journal.outcomes import BY_URGENCY, OUTCOMES
from runner.lib.timestamps import stamp
from runner.plan.model_plan import review_commands, state_option
from runner.reports.evidence_text import evidence_line
from runner.reports.json_text import render_json
from runner.reports.next_step import short_ids, with_short_ids
from runner.reports.table import FEWEST_COLUMNS, Column, text_table
from runner.reports.text import acting, in_words, inline, utc

_MANY = 10  # models
_MOST_NEXT = 3  # models that wait
_MOST_METRICS = 3  # of a candidate, in a table
_IDS = ("incumbent", "rolled_back_from", "rollback_due", "in_flight", "waiting", "switch_due", "held")
_STANDS = (
    *(Column(title="model"), Column(title="incumbent"), Column(title="since", spare=True)),
    *(Column(title="stands"), Column(title="last outcome", whole=True)),
    *(Column(title="service", spare=True), Column(title="reason", spare=True)),
)
_CANDIDATES = (Column(title="model"), Column(title="candidate"), Column(title="metrics, against the incumbent's"))
_ENDS = (  # for who asks for an outcome: why it came to it
    *(Column(title="model"), Column(title="last outcome", whole=True), Column(title="reason")),
    *(Column(title="incumbent", spare=True), Column(title="stands", spare=True), Column(title="service", spare=True)),
)


@click.command("status", epilog="Example: retrain status --outcome failed")
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(tuple(OUTCOMES)), help="Only this outcome.")
@click.option("--wide", is_flag=True, help="Show whole job ids on a terminal too.")
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
    """Show each model's incumbent, the job in flight, the approval it waits for and its last outcome."""
    found = status(state, refreshed=refresh, manifest=manifest, trusted_hosts=trusted_hosts, warn=console.warning)
    warn_of_loss(console, state)
    if outcomes:
        found = replace(found, models=tuple(model for model in found.models if model.last_outcome in outcomes))
    if form == "json":
        console.result(_json(found))
        return ExitCode.OK
    shown = found if wide or console.width is None else _with_short_ids(found)
    console.result(_text(shown, state, _ENDS if outcomes else _STANDS, console.width))
    return ExitCode.OK


def _with_short_ids(found: Status) -> Status:
    """Return the same with job ids as short as they tell the jobs apart."""
    ids = (getattr(model, key) for model in found.models for key in _IDS)
    short = short_ids(job_id for job_id in ids if job_id is not None)
    return replace(found, models=tuple(_shortened(model, short) for model in found.models))


def _shortened(model: ModelStatus, short: Mapping[str, str]) -> ModelStatus:
    values = {key: getattr(model, key) for key in _IDS}
    cut = {key: short[one] for key, one in values.items() if one is not None}
    own = {value: short[value] for value in values.values() if value is not None}
    found = model.evidence
    return replace(
        model,
        **cut,
        last_reason=model.last_reason and with_short_ids(model.last_reason, own),
        evidence=found and replace(found, retrain_job_id=own.get(found.retrain_job_id, found.retrain_job_id)),
    )


def _text(found: Status, state: str, columns: Sequence[Column], width: int | None) -> str:
    if found.last_run is None:
        return f"No run yet in {state}. Start with `retrain run PATH`, or check --state."
    last = found.last_run
    code = f"exit code {last.finished.exit_code}" if last.finished else "without an end"
    if width and width >= FEWEST_COLUMNS and found.models:
        cells = [_cells(model) for model in found.models]
        lines = [text_table(columns, [[row[column.title] for column in columns] for row in cells], width=width)]
        lines += _undecided(found, width)
    else:
        lines = [_line(model) for model in found.models]
    ends = [
        *_counts(found),
        *_next(found, state),
        f"last run: {last.run_id} by {inline(acting(last.started.actor, last.started.ci_actor))}, {code}",
    ]
    return "\n".join([*lines, *([""] if lines else []), *ends])


def _next(found: Status, state: str) -> Iterator[str]:
    """Yield the commands for the first models that wait for a person."""
    for model in [one for one in found.models if one.waiting][:_MOST_NEXT]:
        approve, reject = review_commands(model.name, state=state_option(state))
        yield from (f"next: {inline(approve)}", f"  or: {inline(reject)}")


def _counts(found: Status) -> list[str]:
    """Return how many models ended how, where they are too many to be counted by eye."""
    if len(found.models) < _MANY:
        return []
    counts = Counter(model.last_outcome for model in found.models)
    ends = ", ".join(f"{counts[outcome]} {in_words(outcome)}" for outcome in BY_URGENCY if counts[outcome])
    return [f"{len(found.models)} models{': ' if ends else ''}{ends}"]


def _cells(model: ModelStatus) -> dict[str, str]:
    """Return what stands under each title."""
    return {
        "model": model.name,
        "incumbent": _incumbent(model),
        "since": utc(stamp(model.incumbent_since)) if model.incumbent_since else "",
        "stands": "; ".join(_standing(model)),
        "last outcome": in_words(model.last_outcome or ""),
        "service": model.service,
        "reason": model.last_reason or "",
    }


def _line(model: ModelStatus) -> str:
    serves = f"incumbent {_incumbent(model)}"
    parts = ", ".join(inline(part) for part in [serves, *_standing(model)])
    last = f"\n    last: {in_words(model.last_outcome)}: {inline(model.last_reason)}" if model.last_outcome else ""
    metrics = "".join(f"\n    {inline(line)}" for line in _metrics(model))
    return f"{inline(model.name)} ({inline(model.service)}): {parts}{metrics}{last}"


def _undecided(found: Status, width: int) -> list[str]:
    """Return a table of what a person decides by, a row for each candidate that waits or is held."""
    rows = [
        (model.name, one.retrain_job_id, evidence_line(one, _MOST_METRICS))
        for model in found.models
        if (one := model.evidence)
    ]
    return ["", text_table(_CANDIDATES, rows, width=width)] if rows else []


def _metrics(model: ModelStatus) -> list[str]:
    """Return what a person decides by, where they are to decide."""
    return [f"metrics: {evidence_line(model.evidence)}"] if model.evidence else []


def _incumbent(model: ModelStatus) -> str:
    """Return what is known of the model in service: a job, what was stated, or that nothing is recorded."""
    if model.incumbent_known == "stated":
        values = ", ".join(f"{name} {text}" for name, text in model.incumbent_metrics.items())
        return f"stated ({values or 'no metrics'})"
    return model.incumbent or "not recorded"


def _standing(model: ModelStatus) -> list[str]:
    """Return what is under way or waits, one phrase each."""
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
    if model.waiting:
        parts.append(f"candidate {model.waiting} waits for approval")
    if model.switch_due:
        parts.append(f"the switch to {model.switch_due} is due at the next run")
    if model.history_lost:
        parts.append(f"waits for a person before it is trained or switched: {model.history_lost}")
    if model.held:
        parts.append(f"candidate {model.held} is held")
    return parts


def _json(found: Status) -> str:
    last = found.last_run.run_id if found.last_run else None
    return render_json({"models": found.models, "last_run": last}).decode().rstrip("\n")
