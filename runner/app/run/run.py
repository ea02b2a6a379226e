"""`retrain run`: plan the models, take them to their outcomes, write the report."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.planning.data_checks import ONE_PASS_FROM, recorded_contents
from runner.app.planning.plan import plan_models
from runner.app.planning.plan_document import Planned, read_plan
from runner.app.planning.scope import Scope, read_scope
from runner.app.planning.shards import Shard, budget_of, group_of, pipeline_variables, shard_of, told_share
from runner.app.provenance import new_run_id
from runner.app.run.execution import ExecutionRequest, ExecutionResult, OpenInbox, execute, try_recording
from runner.app.run.notifier import Notifier
from runner.app.run.planned_run import Found, agreed_plan, planned_scope
from runner.app.run.run_end import RunResult, finish_run, readings_of
from runner.app.run.side_by_side import held_in_order, in_each
from runner.app.state.open_state import in_bucket
from runner.app.state.partitions import each_progress, events_of, homes, known_homes, partitions_of, refuse_part
from runner.app.state.read_state import Warn, knows_approved, warn_of_future
from runner.app.state.session import Partition, Session, session
from runner.datasets.metadata import DatasetDigest, UnreadDataset
from runner.errors import LockedError, ModelError, StateError, UsageError
from runner.execute.progress_events import Listener, Message
from runner.journal.checkpoint import never
from runner.journal.events import Draft, Fact, KnownContent, ModelPlanned, ModelsMoved, RunOptions, ServiceMoved
from runner.journal.forms import is_run_id
from runner.journal.partitions import witnessed
from runner.journal.progress import merged
from runner.lib.atomic_files import open_file, read_up_to, write_whole
from runner.lib.timestamps import stamp
from runner.manifest.model import Manifest, Model
from runner.plan.document import PlanDocument, state_mark
from runner.plan.model_plan import Choice, ModelPlan, PlanStage
from runner.policy.decide import policy_digest

_LONGEST_ID = 100  # bytes


class RunRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain run`; `plan` is a plan's file, which then holds the choice. `warn` takes a sentence.

    `inbox` opens what people decide meanwhile; without it that waits for another run.
    `shard` is the share of a state's partitions and `group` what the runs of several machines have in common, as given.
    `run_id_file` is where the run's id is written once the run has begun; a run that is refused leaves no such file.
    """

    choice: Choice
    state: str
    listener: Listener
    warn: Warn
    inbox: OpenInbox | None = None
    plan: Path | None = None
    allow_held: bool = False
    parallel: int | None = None
    recording: Path | None = None
    run_id_file: Path | None = None
    shard: str | None = None
    group: str | None = None
    lock_timeout: timedelta = timedelta(0)


def run(request: RunRequest) -> RunResult:
    """Retrain, judge and switch the selected models.

    Raises:
        ManifestError, UsageError, LockedError, StateError: nothing was started (a plan that is stale included), or the
            journal can no longer be written; models' own trouble is in the result.
    """
    if request.run_id_file is not None:
        _clear(request.run_id_file)
    if request.recording is not None:
        try_recording(request.recording)
    document = read_plan(request.plan) if request.plan else None
    scope = planned_scope(document, request.choice, str(request.plan)) if document else read_scope(request.choice)
    scope.service.require_trusted()
    notifier = Notifier(scope, request.warn)
    with notifier.failing(), ExitStack() as stack:
        work = _opened(stack, request, scope, document)
        notifier.began()
        result = _retrain(work, request, scope, document)
    notifier.ended(result.report)
    return result


class _Work(Struct, frozen=True, kw_only=True):
    """The partitions that are held, in order, as the run found the state, and where each model of the manifest is."""

    sessions: Sequence[Session]
    events: Sequence[int]  # of each partition, where the state has several
    found: Found
    homes: Mapping[str, str]  # a model's partition by its address; empty in a state with one

    def models_of(self, session: Session, models: Sequence[Model]) -> Sequence[Model]:
        """Return those of the models that are in the session's partition."""
        here = session.partition
        return [model for model in models if self.homes.get(model.name, here) == here]

    def seen_beside(self, session: Session) -> tuple[int, ...]:
        """Return how many events the partitions have that follow the session's."""
        number = session.state.number
        return () if number is None else tuple(self.events[other] for other in witnessed(number, len(self.events)))

    def models_held(self, models: Sequence[Model]) -> Sequence[Model]:
        """Return those of the models that are in the partitions held."""
        held = {session.partition for session in self.sessions}
        return [model for model in models if not self.homes or self.homes[model.name] in held]


def _opened(stack: ExitStack, request: RunRequest, scope: Scope, document: PlanDocument | None) -> _Work:
    """Hold the partitions of this machine's share that have selected models, or the first one if none has.

    Raises:
        UsageError: the share does not exist, or the state is one partition of another.
        LockedError, StateError: as `session`.
    """
    refuse_part(request.state)
    partitions = partitions_of(request.state)
    made = document.options.shard if document else None
    shard = shard_of(request.shard, len(partitions), request.state, pipeline_variables(), made)
    enough = never if scope.manifest.limits.keep else knows_approved(scope.service.name, scope.manifest)

    def held(partition: Partition | None, patience: timedelta) -> AbstractContextManager[Session]:
        return session(
            request.state, lock_timeout=patience, listener=request.listener, enough=enough, partition=partition
        )

    def close_lost_runs(partition: str) -> None:
        place = Partition(address=partition)
        with suppress(LockedError), session(request.state, lock_timeout=timedelta(0), partition=place):
            pass  # taking it does that

    if len(partitions) == 1:
        opened = stack.enter_context(held(None, request.lock_timeout))
        alone = opened.progress
        found_state = Found(held={0: opened}, marks=[opened.found], shard=shard, share=alone, fleet=alone)
        return _Work(sessions=[opened], events=(), found=found_state, homes={})
    before = each_progress(partitions, enough)
    found = homes(scope.manifest, scope.service.name, before)
    share = [number for number in range(len(partitions)) if shard.takes(number)]
    wanted = {found[model.name] for model in scope.models}
    chosen = [number for number in share if number in wanted] or share[:1]
    run_id = new_run_id(datetime.now(UTC))
    holds = [partial(held, Partition(address=partitions[number], run_id=run_id)) for number in chosen]
    together = stack.enter_context(held_in_order(holds, request.lock_timeout, far=in_bucket(request.state)))
    sessions = dict(zip(chosen, together, strict=True))
    progresses = [sessions[number].progress if number in sessions else known for number, known in enumerate(before)]
    if homes(scope.manifest, scope.service.name, progresses) != found:
        raise StateError(
            "Another run recorded a model's new name while this one began.", hint="Run `retrain run` again."
        )
    for number in set(share) - {*sessions, *found.values()}:  # no run comes there for a model
        if any(run.report is None for run in before[number].runs.values()):
            close_lost_runs(partitions[number])
    addresses = {number: opened.partition for number, opened in sessions.items()}
    everywhere = {**known_homes(progresses, scope.service.name), **found}  # also of names that left the manifest
    places = {name: addresses.get(home, partitions[home]) for name, home in everywhere.items()}
    marks = [sessions[number].found if number in sessions else state_mark(known) for number, known in enumerate(before)]
    fleet = merged(progresses)
    is_share = shard.of > 1 and document is not None
    own = merged([progresses[number] for number in share]) if is_share else fleet
    found_state = Found(held=sessions, marks=marks, shard=shard, share=own, fleet=fleet)
    events = list(map(events_of, progresses))
    work = _Work(sessions=list(sessions.values()), events=events, found=found_state, homes=places)
    if shard.of > 1:
        models = len(work.models_held(scope.models))
        told = told_share(shard, len(chosen), len(partitions), models, scope.manifest.limits)
        request.listener(None, Message(text=told))
    return work


def _retrain(work: _Work, request: RunRequest, scope: Scope, document: PlanDocument | None) -> RunResult:
    sessions, first = work.sessions, work.sessions[0]
    readings = readings_of(first, scope.service)
    warn_of_future(max(filter(None, (opened.found_at for opened in sessions)), default=None), request.warn)
    fleet, shard = work.found.fleet, work.found.shard
    own = replace(scope, models=work.models_held(scope.models))
    agreed = agreed_plan(work.found, own, document, str(request.plan), readings) if document else None
    paths, group = tuple(str(path) for path in scope.choice.paths), group_of(request.group, pipeline_variables())
    options = _recorded(scope, document, shard)

    def start(opened: Session) -> None:
        seen = work.seen_beside(opened)
        opened.start(scope.manifest, scope.service, paths, options, group=group, seen_events=seen)

    in_each(sessions, start)
    if request.run_id_file is not None:
        _write_id(request.run_id_file, first.run_id, request.warn)
    planned = dict[str, Planned]()
    for opened in sessions:
        own = replace(scope, models=work.models_of(opened, scope.models))
        alone = None if work.homes else agreed
        found = alone or plan_models(
            own, opened.progress, readings, request.listener, fleet, one_pass_from=ONE_PASS_FROM
        )
        planned[opened.partition] = found
    job = ExecutionRequest(
        scope=scope,
        plans=[plan for found in planned.values() for plan in found.plans],
        parallel=request.parallel or scope.manifest.limits.parallel,
        listener=request.listener,
        readings=readings,
        recording=request.recording,
        inbox=request.inbox,
        homes=work.homes,
        fleet=fleet if work.homes else None,
        budget=budget_of(shard, scope.manifest.limits),
    )

    def record_plans(opened: Session) -> None:
        _record_plans(opened, scope.manifest, scope.service.name, planned[opened.partition])

    executed = execute(sessions, job, record_plans)
    for opened in sessions:
        _prune(opened, scope, executed, request.warn)
    return finish_run(sessions, executed, allow_held=request.allow_held)


def _clear(run_id_file: Path) -> None:
    """Remove the id of an earlier run, so that nobody takes it for the one of this run.

    Raises:
        UsageError: there is something else, it cannot be removed, or no file can be made there.
    """
    if not run_id_file.parent.is_dir():
        raise UsageError(
            f"The folder of {run_id_file} does not exist.", hint="Name a file in a folder that you may write to."
        )
    try:
        if os.path.lexists(run_id_file):
            with open_file(run_id_file) as file:
                earlier = read_up_to(file, _LONGEST_ID).decode(errors="replace").strip()
            if earlier and not is_run_id(earlier):
                raise UsageError(
                    f"{run_id_file} is not the id of an earlier run, so it is not replaced.", hint="Name another file."
                )
            run_id_file.unlink()
    except OSError as error:
        raise UsageError(
            f"{run_id_file} cannot be replaced: {error.strerror}.", hint="Name a file that you may write."
        ) from error


def _write_id(run_id_file: Path, run_id: str, warn: Warn) -> None:
    try:
        write_whole(run_id_file, f"{run_id}\n".encode())
    except OSError as error:
        warn(f"The run's id {run_id} cannot be written to {run_id_file}: {error.strerror}.")


def _prune(opened: Session, scope: Scope, executed: ExecutionResult, warn: Warn) -> None:
    """Remove results by `limits.keep`, after a run that nobody stopped."""
    age = scope.manifest.limits.keep
    if age is None or executed.stopped is not None:
        return
    from runner.app.state.prune import prune_after_run, results_of  # noqa: PLC0415 -- few manifests ask for it

    places = {(scope.service.name, name) for name in scope.manifest.models}
    for trouble in prune_after_run(results_of(opened.state), opened.recorder, age, places).refused:
        warn(f"limits.keep: {trouble}; it was not removed")


def _recorded(scope: Scope, document: PlanDocument | None, shard: Shard) -> RunOptions:
    choice = scope.choice
    return RunOptions(
        command="run",
        select=tuple(choice.select),
        force=choice.force,
        no_switch=choice.no_switch,
        emulator=choice.emulator,
        allow_service_change=choice.allow_service_change,
        quarantine_s=scope.manifest.service.quarantine.total_seconds(),
        plan_sha256=document.sha256 if document else None,
        shard=shard.text if shard.of > 1 else None,
    )


def _record_plans(opened: Session, manifest: Manifest, service: str, planned: Planned) -> None:
    """Write all plans in one transaction, after what moved."""
    facts: list[tuple[str | None, Fact]] = [(None, ModelsMoved(moves=planned.moves))] if planned.moves else []
    recorded = recorded_contents(planned.progress, service)
    for plan in planned.plans:
        before = planned.services_before.get(plan.model)
        if before is not None and plan.outcome != "failed":
            facts.append((plan.model, ServiceMoved(from_service=before)))
        contents = tuple(_new_contents(plan, planned.data[manifest.models[plan.model].dataset], recorded))
        facts.append((plan.model, _planned(manifest, plan, contents)))
    at = stamp(opened.clock.now())
    opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=model, fact=fact) for model, fact in facts])


def _planned(manifest: Manifest, plan: ModelPlan, contents: tuple[KnownContent, ...]) -> ModelPlanned:
    model = manifest.models[plan.model]
    policy = model.policy
    return ModelPlanned(
        action=plan.action,
        stages=tuple(plan.stages),
        reason=plan.reason,
        policy=policy,
        policy_sha256=policy_digest(manifest.policies[policy], manifest.metrics),
        dataset_sha256=plan.dataset_sha256,
        owner=model.owner,
        tags=model.tags,
        contents=contents,
    )


def _new_contents(
    plan: ModelPlan, data: DatasetDigest | UnreadDataset | ModelError, recorded: Collection[str]
) -> Iterator[KnownContent]:
    """Yield what was read for a plan that trains nothing, so that nobody reads it again; a training records its own."""
    if PlanStage.CHECK in plan.stages or not isinstance(data, DatasetDigest):
        return
    for file in filter(None, (data.train, data.eval)):
        if file.content_id is not None and file.content_id not in recorded:
            yield KnownContent(content_id=file.content_id, sha256=file.sha256, bytes=file.bytes)
