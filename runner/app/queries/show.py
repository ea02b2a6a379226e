"""`retrain show`: what is with one model, or what a run did."""

from collections.abc import Sequence

from msgspec import Struct

from runner.app.queries.report import report_of
from runner.app.queries.status import ModelStatus, next_steps, status
from runner.app.state.open_state import open_state
from runner.app.state.partitions import one_look, partitions_of
from runner.app.state.read_state import full_run_id
from runner.errors import UsageError
from runner.lib.text import nearest, shown
from runner.reports.model import NextStep, Report


def run_shown(state: str, run_id: str) -> str | None:
    """Return how the folder of a run's files is named to people; None where they are in partitions."""
    return open_state(state).blobs.shown(f"runs/{run_id}") if len(partitions_of(state)) == 1 else None


_LATEST = "latest"


class ShownModel(Struct, frozen=True, kw_only=True):
    """A model, and what the last run or decision that had it left to do."""

    model: ModelStatus
    next: NextStep | None


class ShownRun(Struct, frozen=True, kw_only=True):
    """The report of a run, and how those models are today that it asked something about and that are settled."""

    report: Report
    settled: tuple[ModelStatus, ...]


def show(state: str, subject: str) -> tuple[ShownModel, ...] | ShownRun:
    """Return a model with each service that has its history, or the report of a run: its id, or `latest`.

    Raises:
        UsageError: there is neither such a model nor such a run, or the run has not ended.
        StateError: the journal is missing, foreign or damaged.
    """
    with one_look(state):
        return _shown(state, subject)


def _shown(state: str, subject: str) -> tuple[ShownModel, ...] | ShownRun:
    found = status(state)
    models = tuple(model for model in found.models if model.name == subject)
    if models:
        steps = next_steps(state, models)
        return tuple(ShownModel(model=model, next=steps.get((model.service, model.name))) for model in models)
    if subject == _LATEST or any(run_id.startswith(subject) for run_id in found.run_ids if subject):
        report = report_of(state, subject if subject == _LATEST else full_run_id(found.run_ids, subject))
        return ShownRun(report=report, settled=_settled(state, report, found.models))
    near = nearest(subject, [model.name for model in found.models])
    raise UsageError(
        f"No run of this state has a model {shown(subject)}, and no run has such an id.",
        hint=f"Did you mean {shown(near)}?" if near else "`retrain status` lists models, `retrain history` runs.",
    )


def _settled(state: str, report: Report, models: Sequence[ModelStatus]) -> tuple[ModelStatus, ...]:
    """Return the models whose next step is another one by now, or none."""
    asked = {model.name: model.next for model in report.models if model.next}
    today = [model for model in models if model.service == report.service and model.name in asked]
    steps = next_steps(state, today)
    return tuple(model for model in today if steps.get((model.service, model.name)) != asked[model.name])
