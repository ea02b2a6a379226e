"""`retrain plan`: what a run would do to each model, without doing or asking anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner.app.facts import digests
from runner.app.realm import Realm, realm_of
from runner.app.selection import select
from runner.journal.folder import state_folder
from runner.journal.progress import Progress
from runner.journal.store import open_for_reading
from runner.manifest.load import load
from runner.manifest.model import Manifest, Model
from runner.plan.model import Facts, ModelPlan, Options
from runner.plan.planner import plan_model


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """The arguments of `retrain plan`."""

    paths: Sequence[Path]
    state: str
    select: Sequence[str] = ()
    force: bool = False
    no_switch: bool = False
    emulator: bool = False


def plan(request: PlanRequest) -> list[ModelPlan]:
    """Return the plan for every selected model."""
    manifest = load(request.paths)
    models = select(manifest, request.select)
    options = Options(force=request.force, no_switch=request.no_switch)
    progress = read_progress(request.state)
    return plan_models(manifest, models, progress, realm_of(manifest, emulator=request.emulator), options)


def plan_models(
    manifest: Manifest, models: Sequence[Model], progress: Progress, realm: Realm, options: Options
) -> list[ModelPlan]:
    """Plan the models against the progress and the data as they are now; `plan` and `run` both come here."""
    found = digests(manifest, models)
    now = datetime.now(UTC)
    return [
        plan_model(
            manifest,
            model,
            progress.model(realm.name, model.name),
            Facts(now=now, dataset=found[model.dataset]),
            options,
        )
        for model in models
    ]


def read_progress(state: str) -> Progress:
    """Return the progress the journal shows; where no run has been yet there is none.

    Raises:
        StateError: the journal is missing, foreign or damaged.
    """
    store = open_for_reading(state_folder(state))
    if store is None:
        return Progress()
    try:
        return Progress(store.read())
    finally:
        store.close()
