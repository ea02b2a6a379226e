"""The data checks of a plan: what a run's stage `check` would say, before anything is begun."""

from collections.abc import Iterable

from msgspec.structs import replace

from runner.app.planning.sample_data import refuse_sample_data
from runner.app.planning.scope import Scope
from runner.datasets.file_cache import FileCache
from runner.datasets.prepare import check_data
from runner.errors import ModelError
from runner.journal.progress import Progress
from runner.lib.parallel import map_in_threads
from runner.plan.model_plan import ModelPlan, PlanStage
from runner.plan.planner import failed_plan
from runner.plan.reference_data import reference

_READERS = 4  # as many files as are read side by side for their digests


def with_data_checks(
    scope: Scope, progress: Progress, plans: Iterable[ModelPlan], readings: FileCache
) -> list[ModelPlan]:
    """Return the plans, those of a training with the warnings of its data check, or failed where it would stop.

    A file that `readings` knows is not read again, and what is read here a run's stages find there.
    """
    return map_in_threads(lambda plan: _checked(scope, progress, plan, readings), plans, _READERS)


def _checked(scope: Scope, progress: Progress, plan: ModelPlan, readings: FileCache) -> ModelPlan:
    if PlanStage.CHECK not in plan.stages:
        return plan
    model = scope.manifest.models[plan.model]
    try:
        found = check_data(
            scope.manifest.datasets[model.dataset],
            model.checks,
            reference=reference(progress.model(scope.realm.name, model.name)),
            expected_sha256=plan.dataset_sha256,
            readings=readings,
        )
        if not scope.realm.emulator:
            refuse_sample_data(found.train.file, found.eval.file if found.eval else None)
    except ModelError as error:
        return failed_plan(model, error, dataset_sha256=plan.dataset_sha256)
    return replace(plan, warnings=found.warnings)
