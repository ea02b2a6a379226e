"""Which data a run will check anyway: planning then checks it while it computes the digest, in one reading."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from runner.app.planning.dataset_digests import LookFor
from runner.app.planning.scope import Scope
from runner.datasets.digest import Look
from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import DatasetDigest, FileMetadata
from runner.datasets.resolve import ResolvedDataset, ResolvedFile
from runner.journal.events import FileRecord
from runner.journal.progress import Progress
from runner.journal.retrain_job import RetrainJob
from runner.manifest.model import Model
from runner.plan.model_plan import Action, PlanInputs
from runner.plan.planner import plan_model

_UNSEEN = DatasetDigest(train=FileMetadata(source="", sha256="", bytes=0), eval=None, sha256="")  # content of no file


def planned_checks(scope: Scope, progress: Progress, readings: FileCache) -> LookFor:
    """Return how a run reads each dataset: with its check, where one of the models is sure to be trained."""
    users: defaultdict[str, list[Model]] = defaultdict(list)
    for model in scope.models:
        users[model.dataset].append(model)

    def look_for(resolved: ResolvedDataset) -> Look:
        sure = next(_sure_to_train(scope, progress, users[resolved.name], resolved), None)
        if sure is None:
            return readings.facts
        return lambda file: readings.checked(file, sure.checks.target, sure.checks.labels).file

    return look_for


def _sure_to_train(
    scope: Scope, progress: Progress, models: Iterable[Model], resolved: ResolvedDataset
) -> Iterator[Model]:
    for model in models:
        standing = progress.model(scope.realm.name, model.name)
        last = standing.last
        if scope.options.force or last is None or _is_other_data(last, resolved):
            facts = PlanInputs(now=datetime.now(UTC), dataset=_UNSEEN)
            if plan_model(scope.manifest, model, standing, facts, scope.options).action == Action.RETRAIN:
                yield model


def _is_other_data(last: RetrainJob, resolved: ResolvedDataset) -> bool:
    """Tell whether the data surely is not that of the last job: a file has another length."""
    if last.data is None or (last.data.eval is None) != (resolved.eval is None):
        return True
    pairs: list[tuple[FileRecord, ResolvedFile]] = [(last.data.train, resolved.train)]
    if last.data.eval is not None and resolved.eval is not None:
        pairs.append((last.data.eval, resolved.eval))
    return any(_has_other_length(record, file) for record, file in pairs)


def _has_other_length(record: FileRecord, file: ResolvedFile) -> bool:
    """Compare lengths; of joined files the length is not known before they are read."""
    if len(file.parts) == 1:
        with suppress(OSError):  # told when it is read
            return file.parts[0].size() != record.bytes
    return False
