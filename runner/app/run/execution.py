"""Puts the executor together: client, keys, executors, signals, and the coordinator that runs the models' workflows."""

import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct, field

from emulator.launch import running_emulator
from runner.app.planning.scope import Scope
from runner.app.planning.service_access import EmulatorKeys, ManifestKeys
from runner.app.provenance import ApprovalProvenance
from runner.app.run.side_by_side import in_each
from runner.app.service import call_threads, connected
from runner.app.state.session import Session
from runner.datasets.file_cache import FileCache
from runner.errors import UsageError
from runner.execute.commands import Keys, Pool, Record
from runner.execute.coordinator import Coordinator, Known, Settings
from runner.execute.decisions import Decisions, watch_inbox
from runner.execute.model_identity import vanished_jobs
from runner.execute.model_run import Budget, ModelRun, RunContext
from runner.execute.polling import TrainingStats
from runner.execute.progress_events import Listener, Planned, Recorded, Starting, Stopping, redacted
from runner.execute.workflow import model_workflow
from runner.journal.events import DecisionTaken, ModelFinished
from runner.journal.folder import ANSWERS
from runner.journal.progress import Progress
from runner.lib.atomic_files import open_new, write_whole
from runner.lib.parallel import map_in_threads
from runner.lib.paths import refuse_link_out
from runner.lib.secrets import Redactor
from runner.plan.model_plan import ModelPlan, PlanStage
from runner.providers.base import Provider
from runner.providers.kept_answers import AnswerFile

_PARTITIONS_AT_ONCE = 16  # whose commits are requests at the same time
_STAGES = 2  # threads for heavy stages beside the uploads
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class ExecutionRequest(Struct, frozen=True, kw_only=True):
    """What the engine is to do.

    `homes` names the partition of each model, by the address of its session, and `fleet` is what all partitions showed;
    they are needed only where the state has several.
    """

    scope: Scope
    plans: Sequence[ModelPlan]
    parallel: int
    listener: Listener
    readings: FileCache = field(default_factory=FileCache)
    recording: Path | None = None  # a file for all that the service says
    decision: DecisionTaken | None = None  # the person's that the one plan carries out, where it came from the inbox
    inbox: "OpenInbox | None" = None
    homes: Mapping[str, str] = {}
    fleet: Progress | None = None
    budget: Budget | None = None  # what is left of the manifest's limits for this shard


OpenInbox = Callable[[Session, ExecutionRequest], Decisions[Any]]


class ExecutionResult(Struct, frozen=True, kw_only=True):
    """How it went: what happened to each session's models, the signal that stopped it, and bugs of ours.

    The models of one session are in the plans' order.
    """

    ends: tuple[tuple[ModelFinished, ...], ...]
    stopped: str | None
    internal_errors: tuple[Exception, ...]


def execute(
    sessions: Sequence[Session], job: ExecutionRequest, first: Callable[[Session], None] | None = None
) -> ExecutionResult:
    """Take every planned model to its outcome; each is in the session of its partition.

    `first` writes what a session's journal is to have before that.

    Raises:
        StateError: the journal cannot be written any more.
        RetrainError: the emulator cannot be started.
    """
    with ExitStack() as stack:
        for plan in job.plans:
            job.listener(plan.model, Planned(stages=plan.stages))
        inboxes = {session.partition: job.inbox(session, job) for session in sessions} if job.inbox is not None else {}
        waiting = in_each(sessions, partial(_begin, inboxes, first))
        needs_service = any(waiting) or any(plan.stages for plan in job.plans)
        url = stack.enter_context(_service_url(sessions[0], job)) if needs_service else ""
        redactor = Redactor()
        keeper = stack.enter_context(_answers(sessions[0], job)) if needs_service else None
        client = connected(job.scope.manifest.service, url, job.scope.service, redactor, keeper)
        stack.callback(client.close)
        keys = _keys(job, client, redactor)
        contexts = {session.partition: _context(session, job, client, keys, redactor) for session in sessions}
        stack.callback(_free_spool, sessions)
        executors = stack.enter_context(_executors(job))
        coordinator = Coordinator(
            executors=executors,
            clock=sessions[0].clock,
            commit=partial(_commit, sessions, job),
            committer=stack.enter_context(_committer(sessions[0])),
            settings=Settings(parallel=job.parallel, uploads=job.scope.manifest.limits.uploads, threads=_threads(job)),
            stopping=partial(_stop, list(contexts.values()), job),
            on_idle=partial(_use_idle, executors),
        )
        with _stopping(coordinator):
            desks = list(zip(inboxes.values(), contexts.values(), strict=False))
            watch = (
                watch_inbox(coordinator, desks, waiting) if desks and needs_service else None
            )  # else it ends at once
            alone = sessions[0].partition
            workflows = [
                (plan.model, model_workflow(_model_run(contexts[job.homes.get(plan.model, alone)], job, plan)))
                for plan in job.plans
            ]
            coordinator.run(workflows, watch)
    return ExecutionResult(
        ends=tuple(_ends(session, job) for session in sessions),
        stopped=coordinator.stopped,
        internal_errors=tuple(bug for context in contexts.values() for bug in context.internal_errors),
    )


def _begin(
    inboxes: Mapping[str, Decisions[Any]], first: Callable[[Session], None] | None, session: Session
) -> Sequence[Any]:
    """Let a session write what comes first, and return what waits in its inbox, which is looked at meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        inbox = inboxes.get(session.partition)
        waiting = pool.submit(inbox.pending) if inbox is not None else None
        if first is not None:
            first(session)
        return waiting.result() if waiting is not None else ()


def try_recording(path: Path) -> None:
    """Make the file of a recording and remove it again, so that a run that cannot write it does no work.

    Raises:
        UsageError: the file exists, or cannot be made.
    """
    _open_recording(path).close()
    path.unlink()


def _open_recording(path: Path) -> BinaryIO:
    refuse_link_out(path)
    try:
        return open_new(path)
    except OSError as error:
        raise UsageError(
            f"The recording {path} cannot be written: {error.strerror}.",
            hint="Name a file that does not exist yet, in a folder you may write to.",
        ) from None


@contextmanager
def _answers(session: Session, job: ExecutionRequest) -> Iterator[AnswerFile]:
    """Keep what the service says in the run's folder, and all of it in the recording.

    Raises:
        UsageError: the recording cannot be written.
    """
    path = session.folder.make("runs", session.run_id) / ANSWERS
    with ExitStack() as stack:
        recording = stack.enter_context(_open_recording(job.recording)) if job.recording is not None else None
        keeper = AnswerFile(path, write_whole, recording)
        yield keeper
        keeper.close()


def _commit(sessions: Sequence[Session], job: ExecutionRequest, records: Sequence[tuple[str, Record]]) -> Known:
    """Write the records, those of each partition in one transaction."""
    alone = sessions[0].partition
    of_each = [[record for record in records if job.homes.get(record[0], alone) == one.partition] for one in sessions]
    pairs = [(session, own) for session, own in zip(sessions, of_each, strict=True) if own]
    if len(pairs) > 1 and sessions[0].state.folder is None:  # then each is a request
        written = map_in_threads(lambda pair: pair[0].recorder.write(pair[1]), pairs, _PARTITIONS_AT_ONCE)
    else:
        written = [session.recorder.write(own) for session, own in pairs]

    def known() -> None:
        for (session, _), links in zip(pairs, written, strict=True):
            session.recorder.take_in(links)
        for model, record in records:
            for fact in record.facts:
                job.listener(model, Recorded(fact=str(fact.__struct_config__.tag)))

    return known


@contextmanager
def _committer(session: Session) -> Iterator[Executor | None]:
    """Give a thread for commits where each is a request; no commit is under way when it is over."""
    if session.state.folder is not None:
        yield None
        return
    with ThreadPoolExecutor(1, thread_name_prefix="commit") as thread:
        yield thread


def _stop(contexts: Sequence[RunContext], job: ExecutionRequest, why: str, effects: int) -> None:
    """Let no further model begin, and tell that the run is about to end."""
    for context in contexts:
        context.budget.stopped = why
    job.listener(None, Stopping(signal=why, effects=effects))


def _use_idle(executors: Mapping[Pool, Executor]) -> None:
    """While all models wait, load what the report will be rendered with."""
    executors[Pool.STAGE].submit(_make_report_ready)


def _make_report_ready() -> None:
    from runner.reports.formats.render import make_ready  # noqa: PLC0415 -- 4 MiB that are in no upload's way now

    make_ready()


def _keys(job: ExecutionRequest, client: Provider, redactor: Redactor) -> Keys:
    if job.scope.service.emulator:
        return EmulatorKeys()
    keys = ManifestKeys(client, redactor, host=job.scope.service.name)
    keys.learn_all(job.scope.manifest.models.values())
    return keys


@contextmanager
def _service_url(session: Session, job: ExecutionRequest) -> Iterator[str]:
    if job.scope.service.emulator:
        job.listener(None, Starting(what="the emulator"))
        with running_emulator(job.scope.choice.paths, session.whole.work.emulator) as url:
            yield url
    else:
        yield job.scope.manifest.service.url or ""


def _context(session: Session, job: ExecutionRequest, client: Provider, keys: Keys, redactor: Redactor) -> RunContext:
    manifest, service = job.scope.manifest, job.scope.service.name
    limits = manifest.limits
    session.folder.clear_spool()  # what a killed run left; the lock is ours
    return RunContext(
        run_id=session.run_id,
        service=service,
        manifest=manifest,
        choice=job.scope.choice,
        provider=client,
        keys=keys,
        clock=session.clock,
        rng=random.Random(),  # noqa: S311 -- jitter, not cryptography
        budget=job.budget or Budget(switches=limits.switches_per_run, failures=limits.stop_after_failures),
        progress=session.progress,
        blobs=session.state.blobs,
        address=session.whole.address,
        run_folder=session.folder.make("runs", session.run_id),
        spool=session.folder.make("spool", session.run_id),
        listener=lambda model, event: job.listener(model, redacted(event, redactor.redact)),
        internal_errors=[],
        provenance=ApprovalProvenance(Path(manifest.files[0].path).parent).trace,
        readings=job.readings,
        still_locked=session.lease.lasts,
        vanished=vanished_jobs(manifest, (job.fleet or session.progress).known(service)),
        elsewhere=job.fleet.known(service) if job.fleet is not None else {},
        training_stats=TrainingStats.known(session.progress.model(service, plan.model) for plan in job.plans),
    )


def _free_spool(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.folder.clear_spool(session.run_id)


def _model_run(context: RunContext, job: ExecutionRequest, plan: ModelPlan) -> ModelRun:
    # What the plan warns of comes again with the check of the data, where there is one.
    warnings = [] if PlanStage.CHECK in plan.stages else list(plan.warnings)
    model = job.scope.manifest.models[plan.model]
    return ModelRun(context=context, model=model, plan=plan, warnings=warnings, decision=job.decision)


@contextmanager
def _executors(job: ExecutionRequest) -> Iterator[Mapping[Pool, Executor]]:
    """Give the executors; what a stop abandoned is not waited for."""
    executors = {pool: ThreadPoolExecutor(size, thread_name_prefix=pool) for pool, size in _threads(job).items()}
    try:
        yield executors
    finally:
        for executor in executors.values():
            executor.shutdown(wait=False, cancel_futures=True)


def _threads(job: ExecutionRequest) -> Mapping[Pool, int]:
    return {Pool.CALL: call_threads(job.parallel), Pool.STAGE: job.scope.manifest.limits.uploads + _STAGES}


@contextmanager
def _stopping(coordinator: Coordinator) -> Iterator[None]:
    """Stop the coordinator at the first signal; the second one ends the process at once, which is as safe as a kill."""

    def stop(number: int, _frame: object) -> None:
        for handled in before:
            signal.signal(handled, signal.SIG_DFL)
        coordinator.stop(signal.Signals(number).name)

    # One that whoever started the run has it ignore stays ignored: `nohup` does so, and a shell for a background job.
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends(session: Session, job: ExecutionRequest) -> tuple[ModelFinished, ...]:
    """Return what happened to the session's models in the plans, and to others that people decided about meanwhile."""
    planned = [plan.model for plan in job.plans if job.homes.get(plan.model, session.partition) == session.partition]
    ours = [taken for taken in session.progress.decisions.values() if taken.run_id == session.run_id]
    found = [session.progress.model(job.scope.service.name, model).last_outcome for model in planned]
    found += [taken.end for taken in ours if taken.fact.about not in planned]
    return tuple(end for end in found if end is not None)
