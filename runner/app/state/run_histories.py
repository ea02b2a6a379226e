"""Runs as they were at their ends, without reading more of the journal than the runs themselves and what came since."""

from collections.abc import Collection, Iterator

from runner.errors import StateError
from runner.journal.chain import START, Link
from runner.journal.checkpoint import continued
from runner.journal.progress import Progress
from runner.journal.state_store import Blobs, EventLog
from runner.reports.run_history import RunHistory, ended_histories


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
