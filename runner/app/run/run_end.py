"""The end of whatever holds the state: exit code, record and files; and a person's decision from plan to end."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from msgspec import Struct

from runner.app.planning.scope import Scope
from runner.app.run.execution import ExecutionRequest, ExecutionResult, execute
from runner.app.run.side_by_side import in_each
from runner.app.service import TargetService
from runner.app.state.run_histories import history_of, joined
from runner.app.state.session import Session
from runner.datasets.file_cache import FileCache
from runner.datasets.source import DataAccess
from runner.errors import PRECEDENCE, ExitCode
from runner.execute.progress_events import Listener
from runner.journal.events import DecisionTaken, ModelFinished
from runner.journal.outcomes import OUTCOMES
from runner.plan.model_plan import ModelPlan
from runner.reports.build import build_report
from runner.reports.model import Report

_BY_SIGNAL = {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.UNFINISHED}


def exit_code(
    ends: Iterable[ModelFinished], *, internal_errors: bool, stopped: str | None, allow_held: bool
) -> ExitCode:
    """Return the exit code of a run; a signal's own code is above all but a bug of ours."""
    if internal_errors:
        return ExitCode.BUG
    if stopped in _BY_SIGNAL:
        return _BY_SIGNAL[stopped]
    codes = {ExitCode.OK if end.still_held else OUTCOMES[end.outcome].exit_code for end in ends}
    if allow_held:
        codes.discard(ExitCode.HELD)
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)


class RunResult(Struct, frozen=True, kw_only=True):
    """What a run left: its report, its folder on this machine, its exit code, and bugs to trace.

    `where` is how its files are named to people, or None for a run over several partitions.
    """

    report: Report
    folder: Path
    where: str | None
    exit_code: ExitCode
    internal_errors: tuple[Exception, ...]


def carry_out(
    opened: Session, scope: Scope, plan: ModelPlan, listener: Listener, decision: DecisionTaken | None = None
) -> RunResult:
    """Do what a person decided about one model, and end the run; `decision` is there where it came from the inbox."""
    job = ExecutionRequest(
        scope=scope,
        plans=[plan],
        parallel=1,
        listener=listener,
        readings=readings_of(opened, scope.service),
        decision=decision,
    )
    return finish_run([opened], execute([opened], job), allow_held=False)


def readings_of(opened: Session, service: TargetService) -> FileCache:
    """Return what reads a run's data: it may start the manifest's commands, and keeps copies in the run's spool."""
    access = DataAccess(
        trusted_hosts=service.trusted_hosts,
        starts_commands=True,
        spool=lambda: opened.folder.make("spool", opened.run_id),
    )
    return FileCache(access)


def finish_run(sessions: Sequence[Session], executed: ExecutionResult, *, allow_held: bool) -> RunResult:
    """End the run: its exit code, its record, its files; in each partition by the models there, and then of all."""

    def code(ends: Iterable[ModelFinished]) -> ExitCode:
        bugs = bool(executed.internal_errors)
        return exit_code(ends, internal_errors=bugs, stopped=executed.stopped, allow_held=allow_held)

    ends_of = {opened.partition: ends for opened, ends in zip(sessions, executed.ends, strict=True)}
    reports = in_each(sessions, lambda opened: opened.finish(code(ends_of[opened.partition]), executed.stopped))
    first = sessions[0]
    is_whole = first.partition == first.whole.address or first.command != "run"
    return RunResult(
        report=reports[0] if is_whole else _joined_report(sessions),
        folder=first.run_folder,
        where=first.state.blobs.shown(f"runs/{first.run_id}") if is_whole else None,
        exit_code=code(chain.from_iterable(executed.ends)),
        internal_errors=executed.internal_errors,
    )


def _joined_report(sessions: Sequence[Session]) -> Report:
    """Return the report of all partitions, which is rendered from their journals whenever somebody asks for it."""
    histories = [history_of(opened.store, opened.progress, opened.run_id) for opened in sessions]
    return build_report(joined(sessions[0].run_id, histories))
