"""A plan for a terminal."""

from runner.plan.document import PlanDocument, PlannedModel, counts, is_pending
from runner.report.plan_service import names_line, service_line
from runner.report.table import FEWEST_COLUMNS, Column, text_table
from runner.report.text import headline, inline, words

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
        return f"{_head(plan)}\n\n{table}\n\nplan: {headline(counts(plan.models))}"
    lines = [line for model in plan.models for line in _lines(model)]
    return "\n".join([_head(plan), *lines, f"plan: {headline(counts(plan.models))}"])


def _head(plan: PlanDocument) -> str:
    names = names_line(plan)
    return f"service: {inline(service_line(plan))}" + (f"\nmoved: {inline(names)}" if names else "")


def _lines(model: PlannedModel) -> list[str]:
    name, reason = inline(model.name), inline(model.reason)
    if not is_pending(model):
        return [f"{name}: nothing ({model.outcome})", f"    why: {reason}"]
    does = [f"    does: {' > '.join(model.stages)}"] if model.stages else []
    return [f"{name}: {model.action}", f"    why: {reason}", *does]


def _row(model: PlannedModel) -> list[str]:
    action = str(model.action) if is_pending(model) else words(model.outcome or "nothing")
    return [model.name, action, " > ".join(model.stages), model.reason]
