"""A plan for a terminal."""

from runner.plan.document import PlanDocument, PlannedModel, counts
from runner.report.plan_phrases import action_text, reason_with_warnings
from runner.report.table import FEWEST_COLUMNS, Column, text_table
from runner.report.text import headline, inline

_COLUMNS = (
    *(Column(title="model"), Column(title="action", whole=True)),
    *(Column(title="stages", spare=True), Column(title="why")),
)


def render_plan_text(plan: PlanDocument, *, width: int | None = None) -> str:
    """Return each model with its action, its reason and its stages, and a summary at the end.

    For a terminal of `width` columns it is a table; for files, pipes and narrow terminals, lines.
    """
    if width is not None and width >= FEWEST_COLUMNS and plan.models:
        table = text_table(_COLUMNS, [_row(model) for model in plan.models], width=width)
        return f"{table}\n\nplan: {headline(counts(plan.models))}"
    lines = [line for model in plan.models for line in _lines(model)]
    return "\n".join([*lines, f"plan: {headline(counts(plan.models))}"])


def _lines(model: PlannedModel) -> list[str]:
    name, reason = inline(model.name), inline(model.reason)
    warnings = [f"    warning: {inline(one)}" for one in model.warnings]
    if not model.stages:
        does = action_text(model) if model.outcome == "failed" else f"nothing ({model.outcome})"
        return [f"{name}: {does}", f"    why: {reason}", *warnings]
    return [f"{name}: {model.action}", f"    why: {reason}", *warnings, f"    does: {' > '.join(model.stages)}"]


def _row(model: PlannedModel) -> list[str]:
    return [model.name, action_text(model), " > ".join(model.stages), reason_with_warnings(model)]
