"""The data of a plan: each dataset's digest and checks, in one reading."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import permutations, product

from msgspec.structs import replace

from runner.app.init import sample_files
from runner.app.planning.scope import Scope
from runner.datasets.file_cache import FileCache, Look, digest
from runner.datasets.joined_stream import BOM, resaved
from runner.datasets.metadata import DatasetDigest, FileMetadata, UnreadDataset
from runner.datasets.prepare import check_data
from runner.datasets.resolve import ResolvedDataset, ResolvedFile, resolve
from runner.datasets.source import DataAccess, DataFile
from runner.errors import Kind, ModelError
from runner.execute.progress_events import Listener, Preparing, unheard
from runner.journal.events import DataChecked, FileRecord
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import RetrainJob
from runner.lib.checksums import Checksum
from runner.lib.parallel import map_in_threads
from runner.manifest.model import Dataset, Manifest, Model
from runner.plan.incumbent import reference
from runner.plan.model_plan import Action, ModelPlan, PlanInputs, PlanStage
from runner.plan.planner import failed_plan, plan_model

_LARGE = 32 * 1024 * 1024  # bytes of a dataset that takes long enough to read to be worth a line
ONE_PASS_FROM = 32 * 1024 * 1024  # bytes of new data that a run checks while it sends it: a reading that takes time
_THREADS = 16  # threads that look for data: asking another machine is waiting

LookFor = Callable[[ResolvedDataset], Look | UnreadDataset]  # how the files of a dataset are read, if now


def digests(
    manifest: Manifest,
    models: Iterable[Model],
    readings: FileCache,
    look_for: LookFor | None = None,
    listener: Listener = unheard,
) -> dict[str, DatasetDigest | UnreadDataset | ModelError]:
    """Return the digest of every dataset the models use, by the dataset's name; each is read once.

    `listener` is told of each dataset that takes long to read.
    """
    names = sorted({model.dataset for model in models})
    found = map_in_threads(lambda name: _digest(manifest.datasets[name], readings, look_for, listener), names, _THREADS)
    return dict(zip(names, found, strict=True))


def _digest(
    dataset: Dataset, readings: FileCache, look_for: LookFor | None, listener: Listener
) -> DatasetDigest | UnreadDataset | ModelError:
    try:
        resolved = resolve(dataset, readings.access)
        look = look_for(resolved) if look_for else readings.metadata
        if isinstance(look, UnreadDataset):
            return look
        if said := _reading(resolved, readings):
            listener(None, Preparing(what=said))
        return digest(resolved, look)
    except ModelError as error:
        return error


def _reading(resolved: ResolvedDataset, readings: FileCache) -> str | None:
    """Return what is to be said of the reading of a dataset: that of much data takes long, of remote data it costs."""
    files = [file for file in (resolved.train, resolved.eval) if file is not None and not readings.knows(file)]
    parts = [part for file in files for part in file.parts]
    remote = [part for part in parts if part.local is None]
    if not remote:
        size = _size(parts)
        return f"reading the data of {resolved.name} ({size / 1e6:,.0f} MB)" if size >= _LARGE else None
    unnamed = next((part.shown for part in remote if part.content_id is None), None)
    why = f"; each time, as nothing names the content of {unnamed}" if unnamed else ""
    return f"reading the data of {resolved.name} from {remote[0].shown}{why}"


def _size(parts: Iterable[DataFile]) -> int:
    """Return the bytes of files; nothing where one cannot be looked at, which is told when it is read."""
    with suppress(OSError):
        return sum(part.size() for part in parts)
    return 0


def refuse_sample_data(train: FileMetadata, evaluation: FileMetadata | None) -> None:
    """Refuse data that contains a sample file of `retrain init`.

    Raises:
        ModelError: of kind `data`.
    """
    for file in (train, evaluation):
        if file is not None and file.sha256 in _sample_digests():
            raise ModelError(
                Kind.DATA,
                f"{file.source} is the sample data that `retrain init` writes: customers who do not exist. "
                "Only a run with `--emulator` trains on it.",
                hint="Name your own data under `datasets`, or rehearse with `retrain run --emulator`.",
            )


@cache
def _sample_digests() -> frozenset[str]:
    """Return the digests of the sample files, alone and joined, also as git or an editor may have rewritten them."""
    files = sample_files()
    joined = (before + after.partition(b"\n")[2] for before, after in permutations(files))
    texts = [form for text in (*files, *joined) for form in (text, text.removesuffix(b"\n"))]
    forms = product(texts, (b"", BOM), (b"\n", b"\r\n"))
    return frozenset(sha256(mark + text.replace(b"\n", end)).hexdigest() for text, mark, end in forms)


def with_data_checks(
    scope: Scope, progress: Progress, plans: Iterable[ModelPlan], readings: FileCache
) -> list[ModelPlan]:
    """Return the plans, those of a training with the warnings of its data check, or failed where it would stop.

    A file that `readings` knows is not read again, and what is read here a run's stages find there.
    """
    plans = list(plans)
    checked = [plan for plan in plans if PlanStage.CHECK in plan.stages and plan.dataset_sha256 is not None]
    found = map_in_threads(lambda plan: _checked(scope, progress, plan, readings), checked, _THREADS)
    by_model = {plan.model: plan for plan in found}
    return [by_model.get(plan.model, plan) for plan in plans]


def _checked(scope: Scope, progress: Progress, plan: ModelPlan, readings: FileCache) -> ModelPlan:
    model = scope.manifest.models[plan.model]
    try:
        found = check_data(
            scope.manifest.datasets[model.dataset],
            model.checks,
            reference=reference(progress.model(scope.service.name, model.name)),
            expected_sha256=plan.dataset_sha256,
            readings=readings,
        )
        if not scope.service.emulator:
            refuse_sample_data(found.train.file, found.eval.file if found.eval else None)
    except ModelError as error:
        return failed_plan(model, error, dataset_sha256=plan.dataset_sha256)
    return replace(plan, warnings=found.warnings)


_UNSEEN = DatasetDigest(train=FileMetadata(source="", sha256="", bytes=0), eval=None, sha256="")  # content of no file


def planned_checks(scope: Scope, progress: Progress, readings: FileCache, one_pass_from: int | None = None) -> LookFor:
    """Return how each dataset is read: with its check, where one of the models is sure to be trained.

    Data of at least `one_pass_from` bytes that is certainly new is not read before it is sent.
    """
    users: defaultdict[str, list[Model]] = defaultdict(list)
    for model in scope.models:
        users[model.dataset].append(model)

    def look_for(resolved: ResolvedDataset) -> Look | UnreadDataset:
        sure = next(_sure_to_train(scope, progress, users[resolved.name], resolved), None)
        if sure is None:
            return readings.metadata
        if one_pass_from is not None and len(users[resolved.name]) == 1 and sure.retrain.compare != "rows":
            known = progress.model(scope.service.name, sure.name)
            if _is_one_file(resolved, readings) and _has_new_size(resolved, known, one_pass_from):
                return UnreadDataset(source=resolved.train.source, bytes=_size(resolved.train.parts))
        return lambda file: readings.checked(file, sure.checks.target, sure.checks.labels).file

    return look_for


def _sure_to_train(
    scope: Scope, progress: Progress, models: Iterable[Model], resolved: ResolvedDataset
) -> Iterator[Model]:
    for model in models:
        known = progress.model(scope.service.name, model.name)
        last = known.last
        if scope.choice.force or last is None or _is_other_data(last, resolved):
            inputs = PlanInputs(now=datetime.now(UTC), dataset=_UNSEEN)
            if plan_model(scope.manifest, model, known, inputs, scope.choice).action == Action.RETRAIN:
                yield model


def rows_saved_anew(
    manifest: Manifest,
    model: Model,
    known: ModelProgress,
    data: DatasetDigest | UnreadDataset | ModelError,
    access: DataAccess,
) -> Mapping[str, str]:
    """Return the digests of a model's earlier data that is this data saved again, where the manifest asks for that.

    A file that can no longer be read is skipped here; a run that trains on it reports it.
    """
    if model.retrain.compare != "rows" or not isinstance(data, DatasetDigest):
        return {}
    jobs = [job for job in (known.last, known.incumbent) if job is not None and job.data is not None]
    found: dict[str, str] = {}
    with suppress(ModelError):
        resolved = resolve(manifest.datasets[model.dataset], access)
        for job in jobs:
            if job.data and job.data.dataset_sha256 != data.sha256 and (told := _saved_anew(resolved, data, job.data)):
                found[job.data.dataset_sha256] = told
    return found


def _saved_anew(resolved: ResolvedDataset, data: DatasetDigest, before: DataChecked) -> str | None:
    """Return the single thing that differs from earlier data, or None if more differs."""
    files = [(resolved.train, data.train, before.train)]
    if resolved.eval is not None and data.eval is not None and before.eval is not None:
        files.append((resolved.eval, data.eval, before.eval))
    elif resolved.eval is not None or before.eval is not None:
        return None
    told = []
    for file, now, record in files:
        if now.sha256 != record.sha256:
            difference = resaved(file, record.sha256, record.bytes)
            if difference is None:
                return None
            told.append(difference)
    return " and ".join(dict.fromkeys(told)) or None


def recorded_contents(progress: Progress, service: str) -> dict[str, Checksum]:
    """Return the sums of the contents that models were trained or checked with, by what names each on every machine."""
    found: dict[str, Checksum] = {}
    for model in progress.known(service).values():
        found |= {known.content_id: Checksum(sha256=known.sha256, bytes=known.bytes) for known in model.contents}
        jobs = (job.data for job in (model.incumbent, model.last) if job is not None)
        for data in filter(None, (*jobs, model.checked)):
            for file in filter(None, (data.train, data.eval)):
                if file.content_id is not None:
                    found[file.content_id] = Checksum(sha256=file.sha256, bytes=file.bytes)
    return found


def _is_other_data(last: RetrainJob, resolved: ResolvedDataset) -> bool:
    """Return whether the data certainly is not that of the last job: a file has another length."""
    if last.data is None or (last.data.eval is None) != (resolved.eval is None):
        return True
    pairs: list[tuple[FileRecord, ResolvedFile]] = [(last.data.train, resolved.train)]
    if last.data.eval is not None and resolved.eval is not None:
        pairs.append((last.data.eval, resolved.eval))
    return any(_has_other_length(record, file) for record, file in pairs)


def _is_one_file(resolved: ResolvedDataset, readings: FileCache) -> bool:
    """Return whether a dataset is one file that is sent as it is, and nobody knows its digest yet."""
    file = resolved.train
    plain = resolved.eval is None and len(file.parts) == 1 and file.format.as_text is None
    return plain and file.pin is None and not readings.knows(file)


def _has_new_size(resolved: ResolvedDataset, known: ModelProgress, least: int) -> bool:
    """Return whether a file has at least so many bytes, and no job of the model had data of that size."""
    size = _size(resolved.train.parts)
    if size < least:
        return False
    checked = (known.checked, *(job.data for job in known.jobs.values()))
    return all(data.train.bytes != size for data in checked if data is not None)


def _has_other_length(record: FileRecord, file: ResolvedFile) -> bool:
    """Compare lengths; of joined files the length is not known before they are read."""
    if record.content_id is not None and record.content_id == file.content_id:
        return False
    if len(file.parts) == 1:
        with suppress(OSError):  # told when it is read
            return file.parts[0].size() != record.bytes
    return False
