"""Runs as they were at their ends, without reading more of the journal than the runs themselves and what came since."""

from collections.abc import Collection, Iterator, Sequence
from copy import copy

from msgspec.structs import replace

from runner.app.state.open_state import open_state
from runner.app.state.partitions import each_progress, partitions_of
from runner.app.state.read_state import full_run_id, no_journal, opened_log
from runner.errors import ExitCode, StateError, UsageError
from runner.journal.chain import START, Link
from runner.journal.checkpoint import Enough, always, continued
from runner.journal.events import RunFinished
from runner.journal.progress import Progress, joined_run, merged, newest_run, worst
from runner.journal.state_store import Blobs, EventLog
from runner.reports.run_history import RunHistory, ended_histories

LATEST = "latest"  # instead of a run's id


def history_of(log: EventLog, progress: Progress, run_id: str) -> RunHistory:
    """Return a run whose end the progress has just taken in; its own events are read again.

    Raises:
        StateError: they cannot be read.
    """
    history = RunHistory(run_id=run_id, progress=progress)
    before = progress.runs[run_id].began - 1
    links = log.read((before, log.digest(before) or "") if before else START)
    for link in links:
        history.collect(link)
        if history.ended and link.event.seq == (history.record.head or START)[0]:
            break
    links.close()
    return history


def ended_history(log: EventLog, blobs: Blobs, run_id: str) -> RunHistory:
    """Return a run that has ended, as it was at its end.

    Raises:
        StateError: the journal cannot be read, or it has no end of the run.
    """
    progress, links = continued(log, blobs)
    try:
        known = progress.runs.get(run_id)
        if progress.has_run(run_id) and (known is None or (known.finished and known.head != progress.head)):
            progress, links = Progress(), log.read()
        _read_to_end(progress, links, run_id)
    except StateError:
        if progress.checkpoint_at is None:
            raise
        progress = Progress()
        _read_to_end(progress, log.read(), run_id)
    return history_of(log, progress, run_id)


def joined(run_id: str, histories: Sequence[RunHistory], *, finished: bool = True) -> RunHistory:
    """Return runs of several partitions or machines, the newest last, as one that is told as the run of that id.

    If others have not `finished`, the exit code is not better than that of unfinished work.
    """
    progress = copy(merged([history.progress for history in reversed(histories)]))
    record = joined_run(run_id, [history.record for history in histories])
    if not finished and record.finished is not None:
        record = replace(record, finished=worst([record.finished, RunFinished(exit_code=int(ExitCode.UNFINISHED))]))
    progress.runs = {**progress.runs, run_id: record}
    whole = RunHistory(run_id=run_id, progress=progress)
    for history in histories:
        whole.plans |= history.plans
        whole.ends |= history.ends
        whole.jobs |= history.jobs
        for link in history.links:
            whole.links.append(link)
            whole.timelines.add(link.event)
    return whole


def _read_to_end(progress: Progress, links: Iterator[Link], run_id: str) -> None:
    """Take in events until the run has ended."""
    while run_id not in progress.runs or progress.runs[run_id].finished is None:
        link = next(links, None)
        if link is None:
            raise StateError(
                f"The journal has no finished run {run_id}.", hint="`retrain status` shows the last run; check --state."
            )
        progress.add(link)


def last_histories(log: EventLog, blobs: Blobs, run_ids: Collection[str]) -> Iterator[RunHistory]:
    """Yield runs, each the last one that ended for the models it is asked for, as those were at its end.

    They share one progress, so a history is to be used before the next is asked for. With a checkpoint, runs before it
    are told with its progress: nothing has happened to their models since.

    Raises:
        StateError: the journal cannot be read.
    """
    progress, links = continued(log, blobs)
    if progress.checkpoint_at is None:
        yield from ended_histories(links, run_ids)
        return
    left = set(run_ids)
    while left:
        for run_id in [run_id for run_id in left if (run := progress.runs.get(run_id)) and run.finished]:
            left.remove(run_id)
            yield history_of(log, progress, run_id)
        link = next(links, None)
        if link is None:
            return
        progress.add(link)


def partitions_with(state: str, run_id: str | None) -> tuple[Sequence[str], str | None]:
    """Return the partitions that have a run, or all of the state; and its whole id.

    Raises:
        UsageError: no run has been yet, or none of that id.
        StateError: a journal is missing, foreign or damaged.
    """
    if run_id is None or len(partitions_of(state)) == 1:
        return partitions_of(state), run_id
    partitions, progresses = begun_partitions(state, always)
    progress = merged(progresses)
    latest = newest_run({name: run.started for name, run in progress.runs.items()})
    chosen = latest if run_id == LATEST and latest else full_run_id(progress.run_ids, run_id)
    return [part for part, known in zip(partitions, progresses, strict=True) if known.has_run(chosen)], chosen


def reported_in(state: str, run_id: str | None) -> tuple[Sequence[str], str | None]:
    """Return the same of a run that is signed or packed: the last one that has ended, where none is named."""
    if run_id is None and len(partitions_of(state)) > 1:
        runs = merged(begun_partitions(state, always)[1]).runs
        run_id = next((name for name, run in reversed(runs.items()) if run.finished is not None), LATEST)
    return partitions_with(state, run_id)


def begun_partitions(state: str, enough: Enough) -> tuple[Sequence[str], Sequence[Progress]]:
    """Return the partitions of a state that have runs, and what their journals show.

    Raises:
        UsageError: none has.
    """
    partitions = partitions_of(state)
    found = list(zip(partitions, each_progress(partitions, enough), strict=True))
    begun = [(part, progress) for part, progress in found if progress.head is not None]
    if not begun:
        if not (place := open_state(state)).is_begun():
            raise no_journal(place)
        raise UsageError("No run of this state has ended.", hint="`retrain run` makes one; check --state.")
    return [part for part, _ in begun], [progress for _, progress in begun]


def ended_run(partitions: Sequence[str], run_id: str) -> RunHistory:
    """Return a run as it was at its end in these partitions, which all have it.

    Raises:
        StateError: their journals cannot be read, or one has no end of the run.
    """
    histories = [ended_in(part, run_id) for part in partitions]
    return histories[0] if len(histories) == 1 else joined(run_id, histories)


def ended_in(partition: str, run_id: str) -> RunHistory:
    """Return the same of one partition."""
    with opened_log(partition) as (place, log):
        return ended_history(log, place.blobs, run_id)
