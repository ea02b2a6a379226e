"""A plan as Markdown for a pull request: what changes in a table, the rest folded, all within the size of a comment."""

from collections.abc import Iterator, Sequence

from runner.plan.document import PlanDocument, PlannedModel, counts, is_pending
from runner.reports.plan_phrases import action_text, reason_with_warnings
from runner.reports.plan_service import names_line, service_line
from runner.reports.text import headline, markdown_cell, markdown_code, short_digest, utc

MOST_BYTES = 60_000  # a comment on GitHub holds 65,536 characters
_WIDTHS = (400, 160, 80, 40)  # characters of a reason; shorter ones are tried before models are left out
_HEADS_BYTES = 200  # the heads of two tables


def render_plan_markdown(plan: PlanDocument) -> str:
    """Return the plan in at most `MOST_BYTES` bytes of UTF-8; text from outside neither links, formats nor mentions."""
    changes = [model for model in plan.models if _is_change(model)]
    rest = [model for model in plan.models if not _is_change(model)]
    room = MOST_BYTES - _HEADS_BYTES - _size(_page(plan, len(changes), len(rest), []))
    rows: list[str] = []
    for width in _WIDTHS:
        rows = _fitting((_row(model, width) for model in (*changes, *rest)), room)
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


def _row(model: PlannedModel, width: int) -> str:
    why = markdown_cell(_cut(reason_with_warnings(model), width))
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
        summary = f"Nothing to do for {rest} model{'' if rest == 1 else 's'}"
        table = _table("outcome", rows[changes:], rest)
        lines += ["<details>", f"<summary>{summary}</summary>", "", *table, "", "</details>", ""]
    return "\n".join([*lines, *_foot(plan)])


def _table(title: str, rows: Sequence[str], models: int) -> Iterator[str]:
    """Yield a table, and how many of its models were left out."""
    if rows:
        yield from (f"| model | {title} | why |", "| --- | --- | --- |", *rows, "")
    if len(rows) < models:
        yield f"{models - len(rows)} more of these models would not fit here; `retrain plan` shows all."


def _foot(plan: PlanDocument) -> Iterator[str]:
    yield from ("---", "")
    flags = " ".join(_flags(plan))
    if flags:
        yield f"Planned with {markdown_code(_cut(flags, _WIDTHS[0]))}."
    yield f"Made at {utc(plan.created_at)} for {markdown_code(plan.service)} by retrain-runner {plan.tool.version}."
    yield f"Manifest `{short_digest(plan.manifest.sha256)}`, state at event {plan.state.serial}, plan `{plan.sha256}`."


def _flags(plan: PlanDocument) -> Iterator[str]:
    options = plan.options
    yield from (f"--select {one}" for one in options.select)
    given = {
        "--force": options.force,
        "--no-switch": options.no_switch,
        "--emulator": options.emulator,
        "--allow-service-change": options.allow_service_change,
    }
    yield from (flag for flag, is_given in given.items() if is_given)
