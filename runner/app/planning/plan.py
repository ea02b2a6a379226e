"""`retrain plan`: what a run would do to each model, without doing or asking anything."""

import os
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.planning.data_checks import (
    digests,
    planned_checks,
    recorded_contents,
    rows_saved_anew,
    with_data_checks,
)
from runner.app.planning.plan_document import Planned, describe, refuse_target, write_plan
from runner.app.planning.scope import Scope, read_scope
from runner.app.planning.service_access import refresh
from runner.app.planning.shards import pipeline_variables, shard_of, told_share
from runner.app.provenance import ApprovalProvenance
from runner.app.state.open_state import open_state
from runner.app.state.partitions import homes, partitions_of, refuse_part
from runner.app.state.read_state import Warn, knows_approved, read_each, silent, warn_of_state
from runner.datasets.file_cache import FileCache
from runner.datasets.findings import level_of
from runner.datasets.metadata import DatasetDigest, UnreadDataset
from runner.datasets.source import DataAccess
from runner.errors import ModelError, UsageError
from runner.execute.progress_events import Listener, Message, unheard
from runner.journal.progress import Progress, merged
from runner.manifest.model import Model
from runner.plan.approvals import why_followed
from runner.plan.document import PlanDocument, state_mark
from runner.plan.model_plan import Choice, ModelPlan, PlanInputs, PlanStage
from runner.plan.planner import plan_model
from runner.plan.renames import (
    ServiceMove,
    allows_service,
    due_moves,
    names_elsewhere,
    services_before,
    with_moves,
    with_question,
)


class PlanRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain plan`.

    `out` is the file the plan is kept in, `refresh` asks what is in service, `warn` takes a sentence. `listener` is
    told what takes long. `shard` is the share of a state's partitions, as given.
    """

    choice: Choice
    state: str
    out: Path | None = None
    refresh: bool = False
    warn: Warn = silent
    listener: Listener = unheard
    shard: str | None = None


class MadePlan(Struct, frozen=True, kw_only=True):
    """A plan, and all job ids of the state it was made from: they tell how short an id may be shown."""

    document: PlanDocument
    job_ids: tuple[str, ...]


def plan(request: PlanRequest) -> MadePlan:
    """Return the plan for every selected model, and keep it in a file where one is named.

    Raises:
        ManifestError, UsageError: nothing can be planned, or the state is one partition of another.
        StateError: the journal is missing, foreign or damaged.
    """
    choice = replace(request.choice, paths=[_portable(path) for path in request.choice.paths])
    if request.out is not None:
        refuse_target(request.out)
    if request.out is not None and request.refresh:
        raise UsageError(
            "A plan that is written to a file is made from the journal alone.",
            hint="Give --out or --refresh, not both; a run asks what is in service before it judges and switches.",
        )
    scope = read_scope(choice)
    if request.out is not None:
        _refuse_unknown_data(scope)
    refuse_part(request.state)
    partitions = partitions_of(request.state)
    shard = shard_of(request.shard, len(partitions), request.state, pipeline_variables())
    progresses = read_each(partitions, knows_approved(scope.service.name, scope.manifest))
    progress = merged(progresses)
    warn_of_state(progress, request.warn)
    found = homes(scope.manifest, scope.service.name, progresses) if len(partitions) > 1 else {}
    scope = replace(scope, models=[model for model in scope.models if shard.takes(found.get(model.name, 0))])
    share = progress
    if shard.of > 1:
        share = merged([known for number, known in enumerate(progresses) if shard.takes(number)])
        used = {found[model.name] for model in scope.models}
        told = told_share(shard, len(used), len(partitions), len(scope.models), scope.manifest.limits)
        request.listener(None, Message(text=told))
    if request.refresh:
        folder = open_state(request.state).work
        refresh(progress, scope.manifest, scope.models, scope.service, paths=scope.choice.paths, folder=folder)
    access = DataAccess(trusted_hosts=choice.trusted_hosts, starts_commands=request.refresh)
    planned = plan_models(scope, share, FileCache(access), request.listener, progress)
    document = describe(scope, planned, list(map(state_mark, progresses)), shard)
    if request.out is not None:
        write_plan(document, request.out)
    return MadePlan(
        document=document, job_ids=tuple(chain.from_iterable(model.job_ids for model in progress.models.values()))
    )


def _refuse_unknown_data(scope: Scope) -> None:
    """Raise a UsageError where a command that is not started prints the data: the run would refuse the plan."""
    datasets = {model.dataset: scope.manifest.datasets[model.dataset] for model in scope.models}
    names = [
        name
        for name, dataset in datasets.items()
        if any(part and part.command for part in (dataset.train, dataset.eval))
    ]
    if names:
        raise UsageError(
            f"A plan file cannot have the data of {', '.join(names)}: a plan starts no command of a manifest.",
            hint="Leave its models out with --select, or run without a plan file.",
        )


def plan_models(  # noqa: PLR0913 -- what a plan and a run have in common
    scope: Scope,
    progress: Progress,
    readings: FileCache | None = None,
    listener: Listener = unheard,
    fleet: Progress | None = None,
    *,
    one_pass_from: int | None = None,
) -> Planned:
    """Plan the models against the progress and the data as they are now; `plan` and `run` both come here.

    Where the state has partitions, `progress` may be that of one, which has the models, and `fleet` that of all.

    Data that would be trained on is checked, and a model whose data would be refused is planned to fail. A run gives
    `readings`, where its stages find what was read for the plan, and data of at least `one_pass_from` bytes that is
    certainly new is not read before it is sent.
    """
    service, manifest, read = scope.service.name, scope.manifest, readings or FileCache()
    everywhere = (fleet or progress).known(service)
    due, here = due_moves(manifest, everywhere), progress.known(service)
    moves = tuple(move for move in due.moves if move.old in here)
    moved = progress.with_moves(service, moves)
    if not scope.choice.rehash:
        read.know(recorded_contents(moved, service))
    data = digests(manifest, scope.models, read, planned_checks(scope, moved, read, one_pass_from), listener)
    now = datetime.now(UTC)
    before = services_before(manifest, service, moved.models)
    gone = [name for name in names_elsewhere(manifest, everywhere) if name not in due.old_names.values()]
    provenance = ApprovalProvenance(Path(manifest.files[0].path).parent)
    plans = []
    for model in scope.models:
        known = moved.model(service, model.name)
        same_rows = rows_saved_anew(manifest, model, known, data[model.dataset], read.access)
        inputs = PlanInputs(now=now, dataset=data[model.dataset], same_rows=same_rows)
        plan = _with_author(plan_model(manifest, model, known, inputs, scope.choice), provenance)
        plan = _with_remarks(plan, model, data[model.dataset])
        asked = plan if known.has_history else with_question(plan, gone)
        plans.append(with_moves(asked, due, _service_move(scope, before.get(model.name))))
    return Planned(
        plans=with_data_checks(scope, moved, plans, read),
        data=data,
        progress=moved,
        moves=moves,
        services_before={model.name: before[model.name] for model in scope.models if model.name in before},
    )


def _with_author(plan: ModelPlan, provenance: ApprovalProvenance) -> ModelPlan:
    """Say in a plan that follows an approval who gave it, as far as git proves it."""
    if plan.approval is None:
        return plan
    return replace(plan, reason=f"{why_followed(plan.approval, provenance.trace(plan.approval))}.")


def _with_remarks(plan: ModelPlan, model: Model, data: DatasetDigest | UnreadDataset | ModelError) -> ModelPlan:
    """Say why other files may be meant than those that bring nothing new; a check of data says it by itself."""
    silent = PlanStage.CHECK in plan.stages or level_of("file_choice", model.checks) == "off"
    if silent or not isinstance(data, DatasetDigest):
        return plan
    return replace(plan, warnings=plan.warnings + data.remarks)


def _service_move(scope: Scope, before: str | None) -> ServiceMove | None:
    if before is None:
        return None
    now = scope.service.name
    allowed = scope.choice.allow_service_change or allows_service(scope.manifest, before, now)
    return ServiceMove(before=before, now=now, allowed=allowed)


def _portable(path: Path) -> Path:
    """Return the path relative to the working folder when it is below it: a plan may be run in another checkout."""
    plain, here = Path(os.path.normpath(path)), Path.cwd()
    return plain.relative_to(here) if path.is_absolute() and plain.is_relative_to(here) else path
