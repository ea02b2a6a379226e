"""A plan for a terminal and as Markdown for a pull request."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from runner.journal.outcomes import NEEDS_PERSON, urgency
from runner.plan.document import PlanDocument, PlannedModel, counts, is_pending
from runner.plan.model_plan import Choice, review_commands
from runner.reports.next_step import named_only, next_lines, short_ids, with_short_ids
from runner.reports.table import FEWEST_COLUMNS, FLEET, NAME_COLUMNS, Column, in_columns, text_table
from runner.reports.text import (
    headline,
    in_words,
    inline,
    markdown_cell,
    markdown_code,
    markdown_prose,
    short_digest,
    utc,
)


def action_text(model: PlannedModel) -> str:
    """Return what a run does to the model, or `would fail`, or the outcome that it reports without doing anything."""
    if is_pending(model):
        return str(model.action)
    return "would fail" if model.outcome == "failed" else in_words(model.outcome or "nothing")


def reason_with_warnings(model: PlannedModel) -> str:
    """Return the reason, and behind it what the data check lets pass."""
    return " ".join([model.reason, *(f"Warning: {warning}." for warning in model.warnings)])


def service_line(plan: PlanDocument) -> str:
    """Return the host that a run of the plan speaks to, and those that its models move from.

    The text is not yet fit for a terminal.
    """
    host = plan.service
    line = f"moves from {' and '.join(plan.services_before)} to {host}" if plan.services_before else host
    if plan.service_trusted:
        return line
    return f"{line} (not trusted: a run is refused without --trust-host {host} or RETRAIN_TRUSTED_HOSTS={host})"


def names_line(plan: PlanDocument) -> str | None:
    """Return which names change, as text that is not yet fit for a terminal; None where none does."""
    return ", ".join(f"{move.old} is called {move.new} now" for move in plan.moves) or None


_COLUMNS = (
    *(Column(title="model"), Column(title="action", whole=True)),
    *(Column(title="stages", spare=True), Column(title="why")),
)
_FLEET_COLUMNS = (Column(title="model", most=NAME_COLUMNS), *_COLUMNS[1:3], Column(title="why", clipped=True))
_UNDECIDED = frozenset({"held", "awaiting_approval"})
_MOST_NEXT = 3  # models of a fleet whose commands are shown on a terminal
_COMMAND = re.compile(r"`(retrain [a-z]+ [^`]+)`")


def render_plan_text(
    plan: PlanDocument,
    choice: Choice,
    *,
    width: int | None = None,
    job_ids: Iterable[str] = (),
    wide: bool = False,
) -> str:
    """Return the service, each model with its action, its reason and its stages, a summary, and what to do next.

    These job ids are cut in reasons to as few characters as tell the jobs apart. Of a fleet, what asks for attention
    comes first in a line a model, and the models with nothing to do are only named, unless it is to be `wide`.

    For a terminal of `width` columns it is a table; for files, pipes and narrow terminals, lines.
    """
    plan = _with_short_ids(plan, short_ids(job_ids))
    is_fleet = len(plan.models) >= FLEET and not wide
    shown = sorted(filter(_is_told, plan.models), key=_place) if is_fleet else plan.models
    folded = [model for model in plan.models if not _is_told(model)] if is_fleet else []
    if width is not None and width >= FEWEST_COLUMNS:
        columns, row = (_FLEET_COLUMNS, _fleet_row) if is_fleet else (_COLUMNS, _text_row)
        lines = ["", text_table(columns, map(row, shown), width=width), ""] if shown else [""]
    else:
        lines = [line for model in shown for line in _lines(model)]
    most = _MOST_NEXT if is_fleet and width is not None else None
    return "\n".join([_head(plan), *lines, *_folded(folded, width), *_end(plan), *_next(shown, choice, most)])


def _is_told(model: PlannedModel) -> bool:
    """Return whether a model of a fleet has a row: something is done to it, or a person has to know about it."""
    return is_pending(model) or model.outcome in NEEDS_PERSON or bool(model.warnings)


def _place(model: PlannedModel) -> int:
    """Return how early a model of a fleet comes: what would fail, what is done, then what rests with a person."""
    if is_pending(model):
        return 1
    return 0 if model.outcome == "failed" else 2 + (urgency(model.outcome) if model.outcome else 0)


def _folded(models: Sequence[PlannedModel], width: int | None) -> Iterator[str]:
    """Yield the names of the models with nothing to do, under their outcomes."""
    for action in dict.fromkeys(map(action_text, models)):
        names = [inline(model.name) for model in models if action_text(model) == action]
        yield from in_columns(f"{len(names)} {action}: ", names, width)


def _next(models: Iterable[PlannedModel], choice: Choice, most: int | None) -> Iterator[str]:
    """Yield the commands for the models that need a person: `why` only names them."""
    wanting = [model for model in models if model.outcome in NEEDS_PERSON and not is_pending(model)]
    for model in wanting[:most]:
        yield from next_lines(_commands(model, choice))
    if most is not None and len(wanting) > most:
        yield f"{len(wanting) - most} more: {choice.of_command('plan')} --wide"


def _commands(model: PlannedModel, choice: Choice) -> Sequence[str]:
    """Return the commands that the reason of a model names, or those for any model of its outcome."""
    if named := _COMMAND.findall(model.reason):
        return named
    if model.outcome == "held":
        return review_commands(model.name, state=choice.state_option)[::-1]
    return [f"{choice.of_command('doctor')} --select {shlex.quote(model.name)}"] if model.outcome == "failed" else []


def _with_short_ids(plan: PlanDocument, short: Mapping[str, str]) -> PlanDocument:
    return replace(plan, models=tuple(replace(model, reason=_cut_ids(model.reason, short)) for model in plan.models))


def _cut_ids(reason: str, short: Mapping[str, str]) -> str:
    words = dict.fromkeys(word.strip(",.;:()") for word in reason.split())
    return with_short_ids(reason, {word: short[word] for word in words if word in short})


def _head(plan: PlanDocument) -> str:
    names = names_line(plan)
    return f"service: {inline(service_line(plan))}" + (f"\nmoved: {inline(names)}" if names else "")


def _end(plan: PlanDocument) -> Iterator[str]:
    """Yield what is known of drift, and the summary."""
    found = Counter(model.drift for model in plan.models)
    if found["in_sync"] or found["changed_outside"]:
        yield f"in service: {', '.join(f'{count} {in_words(drift)}' for drift, count in sorted(found.items()))}"
    yield f"plan: {headline(counts(plan.models))}"


def _lines(model: PlannedModel) -> list[str]:
    name, reason = inline(model.name), inline(_named(model))
    warnings = [f"    warning: {inline(warning)}" for warning in model.warnings]
    if not is_pending(model):
        does = action_text(model) if model.outcome == "failed" else f"nothing ({in_words(model.outcome or '')})"
        metrics = [f"    metrics: {inline(model.metrics)}"] if model.metrics else []
        return [f"{name}: {does}", f"    why: {reason}", *warnings, *metrics]
    stages = [f"    does: {' > '.join(model.stages)}"] if model.stages else []
    return [f"{name}: {model.action}", f"    why: {reason}", *warnings, *stages]


def _named(model: PlannedModel) -> str:
    """Return the reason; commands that a person may choose from are only named, since they are printed below."""
    return named_only(model.reason) if model.outcome in _UNDECIDED else model.reason


def _text_row(model: PlannedModel) -> list[str]:
    why = reason_with_warnings(replace(model, reason=_named(model)))
    why = f"{why} Metrics: {model.metrics}." if model.metrics else why
    return [model.name, action_text(model), " > ".join(model.stages), why]


def _fleet_row(model: PlannedModel) -> list[str]:
    """Return a row for a line that is cut: why a candidate is held, or the metrics of one that waits, comes first."""
    name, action, stages, why = _text_row(model)
    if model.outcome == "held":
        why = why.partition(": ")[2] or why
    elif model.outcome == "awaiting_approval" and model.metrics:
        why = model.metrics
    return [name, action, stages, why]


MOST_BYTES = 60_000  # a comment on GitHub holds 65,536 characters
_WIDTHS = (400, 160, 80, 40)  # characters of a reason; shorter ones are tried before models are left out
_HEADS_BYTES = 200  # the heads of two tables


def render_plan_markdown(plan: PlanDocument, *, job_ids: Iterable[str] = ()) -> str:
    """Return the plan in at most `MOST_BYTES` bytes of UTF-8; text from outside neither links, formats nor mentions.

    These job ids are cut in reasons as in the text.
    """
    plan = _with_short_ids(plan, short_ids(job_ids))
    changes = [model for model in plan.models if _is_change(model)]
    rest = [model for model in plan.models if not _is_change(model)]
    room = MOST_BYTES - _HEADS_BYTES - _size(_page(plan, len(changes), len(rest), []))
    rows: list[str] = []
    for width in _WIDTHS:
        rows = _fitting((_markdown_row(model, width) for model in (*changes, *rest)), room)
        if len(rows) == len(plan.models):
            break
    return _page(plan, len(changes), len(rest), rows)


def _is_change(model: PlannedModel) -> bool:
    return is_pending(model) or model.outcome == "failed"


def _size(text: str) -> int:
    return len(text.encode())


def _fitting(rows: Iterator[str], room: int) -> list[str]:
    """Return as many of the rows as fit into the room, in bytes; no more are made."""
    fitting = []
    for row in rows:
        room -= _size(row) + 1
        if room < 0:
            break
        fitting.append(row)
    return fitting


def _markdown_row(model: PlannedModel, width: int) -> str:
    why = markdown_prose(_cut(reason_with_warnings(model), width))
    if model.metrics:
        why = f"{why} {markdown_cell(_cut(f'Metrics: {model.metrics}.', width))}"
    return f"| {markdown_code(model.name)} | **{action_text(model)}** | {why} |"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[:width]}…"


def _page(plan: PlanDocument, changes: int, rest: int, rows: Sequence[str]) -> str:
    """Return the page with these rows of so many models; those of models that change come first."""
    lines = [f"## Retraining plan: {headline(counts(plan.models))}", ""]
    if plan.services_before or not plan.service_trusted:
        lines += [f"**Service:** {markdown_cell(service_line(plan))}", ""]
    names = names_line(plan)
    if names:
        lines += [f"**Moved:** {markdown_cell(_cut(names, _WIDTHS[0]))}", ""]
    if changes:
        lines += [*_table("action", rows[:changes], changes), ""]
    if rest:
        open_ones = sum(model.outcome in _UNDECIDED and not is_pending(model) for model in plan.models)
        decide = f"; {open_ones} need{'s' if open_ones == 1 else ''} a decision" if open_ones else ""
        summary = f"Nothing to do for {rest} model{'' if rest == 1 else 's'}{decide}"
        table = _table("outcome", rows[changes:], rest)
        lines += ["<details>", f"<summary>{summary}</summary>", "", *table, "", "</details>", ""]
    return "\n".join([*lines, *_foot(plan)])


def _table(title: str, rows: Sequence[str], models: int) -> Iterator[str]:
    """Yield a table, and how many of its models were left out."""
    if rows:
        yield from (f"| model | {title} | why |", "| --- | --- | --- |", *rows, "")
    if len(rows) < models:
        yield f"{models - len(rows)} more of these models would not fit here; the plan as text shows all."


def _foot(plan: PlanDocument) -> Iterator[str]:
    yield from ("---", "")
    flags = " ".join(_flags(plan))
    if flags:
        yield f"Planned with {markdown_code(_cut(flags, _WIDTHS[0]))}."
    yield f"Made at {utc(plan.created_at)} for {markdown_code(plan.service)} by retrain-runner {plan.tool.version}."
    yield f"Manifest `{short_digest(plan.manifest.sha256)}`, state at event {plan.state.serial}, plan `{plan.sha256}`."


def _flags(plan: PlanDocument) -> Iterator[str]:
    options = plan.options
    yield from (f"--select {selector}" for selector in options.select)
    given = {
        "--force": options.force,
        "--no-switch": options.no_switch,
        "--emulator": options.emulator,
        "--allow-service-change": options.allow_service_change,
    }
    yield from (flag for flag, is_given in given.items() if is_given)
    yield from [] if options.shard is None else [f"--shard {options.shard}"]
