"""A plan for a terminal."""

from collections import Counter
from collections.abc import Iterator

from runner.plan.document import PlanDocument, PlannedModel, counts, is_pending
from runner.reports.plan_phrases import action_text, reason_with_warnings
from runner.reports.plan_service import names_line, service_line
from runner.reports.table import FEWEST_COLUMNS, Column, text_table
from runner.reports.text import headline, inline, words

_COLUMNS = (
    *(Column(title="model"), Column(title="action", whole=True)),
    *(Column(title="stages", spare=True), Column(title="why")),
)


def render_plan_text(plan: PlanDocument, *, width: int | None = None) -> str:
    """Return the service, each model with its action, its reason and its stages, and a summary at the end.

    For a terminal of `width` columns it is a table; for files, pipes and narrow terminals, lines.
    """
    if width is not None and width >= FEWEST_COLUMNS and plan.models:
        table = text_table(_COLUMNS, [_row(model) for model in plan.models], width=width)
        return "\n".join([_head(plan), "", table, "", *_end(plan)])
    lines = [line for model in plan.models for line in _lines(model)]
    return "\n".join([_head(plan), *lines, *_end(plan)])


def _head(plan: PlanDocument) -> str:
    names = names_line(plan)
    return f"service: {inline(service_line(plan))}" + (f"\nmoved: {inline(names)}" if names else "")


def _end(plan: PlanDocument) -> Iterator[str]:
    """Yield what is known of drift, and the summary."""
    found = Counter(model.drift for model in plan.models)
    if found["in_sync"] or found["changed_outside"]:
        yield f"in service: {', '.join(f'{count} {words(drift)}' for drift, count in sorted(found.items()))}"
    yield f"plan: {headline(counts(plan.models))}"


def _lines(model: PlannedModel) -> list[str]:
    name, reason = inline(model.name), inline(model.reason)
    warnings = [f"    warning: {inline(one)}" for one in model.warnings]
    if not is_pending(model):
        does = action_text(model) if model.outcome == "failed" else f"nothing ({model.outcome})"
        metrics = [f"    metrics: {inline(model.metrics)}"] if model.metrics else []
        return [f"{name}: {does}", f"    why: {reason}", *warnings, *metrics]
    stages = [f"    does: {' > '.join(model.stages)}"] if model.stages else []
    return [f"{name}: {model.action}", f"    why: {reason}", *warnings, *stages]


def _row(model: PlannedModel) -> list[str]:
    why = reason_with_warnings(model)
    why = f"{why} Metrics: {model.metrics}." if model.metrics else why
    return [model.name, action_text(model), " > ".join(model.stages), why]
