"""A plan for a terminal."""

from runner.plan.document import PlanDocument, PlannedModel, counts
from runner.report.text import headline, inline


def render_plan_text(plan: PlanDocument) -> str:
    """Return the plan in lines: each model with its action, its reason and its stages, and a summary at the end."""
    lines = [line for model in plan.models for line in _lines(model)]
    return "\n".join([*lines, f"plan: {headline(counts(plan.models))}"])


def _lines(model: PlannedModel) -> list[str]:
    name, reason = inline(model.name), inline(model.reason)
    if not model.stages:
        return [f"{name}: nothing ({model.outcome})", f"    why: {reason}"]
    return [f"{name}: {model.action}", f"    why: {reason}", f"    does: {' > '.join(model.stages)}"]
