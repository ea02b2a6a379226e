"""What a plan says of one model, in the words of every format."""

from runner.plan.document import PlannedModel, is_pending
from runner.reports.text import words


def action_text(model: PlannedModel) -> str:
    """Return what a run does to the model, or `would fail`, or the outcome that it reports without doing anything."""
    if is_pending(model):
        return str(model.action)
    return "would fail" if model.outcome == "failed" else words(model.outcome or "nothing")


def reason_with_warnings(model: PlannedModel) -> str:
    """Return the reason, and behind it what the data check lets pass."""
    return " ".join([model.reason, *(f"Warning: {one}." for one in model.warnings)])
