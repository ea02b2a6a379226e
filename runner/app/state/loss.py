"""Whether events are missing from the journal: it was cut, restored from a copy, or another one was put in its place.

The chain of a cut journal is sound. What is missing shows by what remembers more than it: the note of its end beside
it, the user's own note outside of the state folder, and the files that runs left.
"""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from runner.app.state.open_state import local_state, open_state
from runner.app.state.partitions import partitions_of
from runner.app.state.unrecorded_files import Finding, unknown_runs, unrecorded_entries
from runner.errors import StateError
from runner.journal.checkpoint import LATEST, lost_mark
from runner.journal.end_marks import Head, HeadFile, outside
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderBlobs
from runner.journal.forms import is_run_id
from runner.journal.progress import Progress, RunRecord
from runner.journal.state_store import Blobs, EventLog, StateStore
from runner.journal.store import open_for_reading
from runner.lib.atomic_files import read_up_to
from runner.reports.build import LARGEST_REPORT
from runner.reports.text import counted

_SHOWN = 3  # findings in one message


class _JournalEnd(msgspec.Struct, frozen=True):
    events: int
    head_sha256: str


class _Report(msgspec.Struct, frozen=True):
    """What a report says of the journal it was rendered from."""

    journal: _JournalEnd


_REPORT = msgspec.json.Decoder(_Report)


def losses(state: StateStore, store: EventLog, progress: Progress, *, afresh: bool = False) -> tuple[Finding, ...]:
    """Return what shows that events are missing from the journal; nothing where it is whole.

    A journal that was opened `afresh` is compared with this machine's copy here; else its reading does that.

    Raises:
        StateError: the store cannot be asked.
    """
    folder = state.folder
    if folder is None:
        found = _store_losses(state, store, progress, progress.runs.values(), whole=False)
        lost = state.lost_here(store) if afresh else None
        return (*((Finding(where=state.address, what=lost),) if lost else ()), *found)
    entries = (entry for entry in unrecorded_entries(folder, progress) if is_run_id(Path(entry.where).name))
    return (*noted_losses(folder, store), *entries, *_report_losses(state, store, progress.runs.values()))


def noted_losses(folder: StateFolder, store: EventLog) -> Iterator[Finding]:
    """Yield how the journal falls short of the notes of its end. Each note is read before the journal is looked at."""
    where = str(folder.journal)
    try:
        beside = HeadFile(folder.head).read()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a note of a journal's end"
        yield Finding(where=str(folder.head), what=f"does not say where the journal ended: {why}")
        return
    events, lineage = store.extent()
    if beside is None:
        if events:
            yield Finding(
                where=str(folder.head), what=f"is gone, which says where the journal ended; that has {events} events"
            )
    else:
        yield from _behind(where, store, beside, lineage, "")
    kept = _outside(lineage)
    if kept is not None and kept != beside:
        yield from _behind(where, store, kept, lineage, ", as this user's note outside of the state says")
    mark = lost_mark(store, FolderBlobs(folder.root))
    if mark is not None and beside is not None and beside.events < mark.events:
        found = f"lacks event {mark.events}, with which {LATEST} ends, or has another event in its place"
        yield Finding(where=where, what=found)


def _store_losses(
    state: StateStore, store: EventLog, progress: Progress, runs: Iterable[RunRecord], *, whole: bool
) -> Iterator[Finding]:
    """Yield what a store's files know beyond its journal; the log itself compares it with this machine's copy."""
    try:
        yield from unknown_runs(state, progress, whole=whole)
        yield from _report_losses(state, store, runs)
    except OSError as error:
        raise StateError(
            f"The files of the state {state.address} cannot be listed: {error.strerror}.",
            hint="Nothing was started. Check the network and the credentials, then run the command again.",
        ) from None


def journal_losses(
    state: StateStore, progress: Progress, runs: Iterable[RunRecord], *, whole: bool
) -> Iterator[Finding]:
    """Yield what notes of the journal's end and the reports of these runs know beyond the journal.

    With `whole` it is also looked for runs that left files and are in no record.
    """
    store = state.read_log()
    if store is None:
        return
    try:
        if state.folder is None:
            yield from _store_losses(state, store, progress, runs, whole=whole)
            return
        yield from noted_losses(state.folder, store)
        yield from _report_losses(state, store, runs)
        if whole:
            yield from unrecorded_entries(state.folder, progress)
    finally:
        store.close()


def refuse(state: StateStore, found: Iterable[Finding]) -> None:
    """Raise a StateError where events are missing; nothing may be started that may have been started before."""
    told = list(found)
    if told:
        raise StateError(_told(told), hint=way_back(state))


def refuse_noted_loss(state: str) -> None:
    """Refuse a journal that falls short of the notes of its end, for commands that read it before they hold the state.

    Raises:
        StateError: it does, or it is missing, foreign or damaged.
    """
    refuse(open_state(state), _all_noted(state))


def loss_warning(state: str) -> str | None:
    """Return the warning for a reader of a journal whose end is not the one that was noted; the journal is not read.

    Raises:
        StateError: the journal is missing, foreign or damaged.
    """
    return _told(_all_noted(state)) or None


def _all_noted(state: str) -> list[Finding]:
    """Return how the journals of a state in a folder fall short of the notes; a state elsewhere keeps no notes."""
    parts = () if local_state(state) is None else partitions_of(state)
    folders = [open_state(part).folder for part in parts]
    return [finding for folder in folders if folder is not None for finding in _noted(folder)]


def way_back(place: StateStore) -> str:
    """Return what to do about a loss."""
    if place.folder is None:
        return (
            "Restore what its journal has lost: the objects that were removed or have expired, or the newest backup of "
            "the database. Where that is gone for good, look in the product for newer jobs, then run "
            f'`retrain state accept-loss --reason "..." --state {shlex.quote(place.address)}`.'
        )
    state = shlex.quote(str(place.folder.root))
    return (
        "Restore the newest copy of the whole state folder. Where that is gone for good, look in the product for newer "
        f'jobs, then run `retrain state accept-loss --reason "..." --state {state}`. '
        "If a copy of this state was used elsewhere, continue with that copy."
    )


def _noted(folder: StateFolder) -> list[Finding]:
    store = open_for_reading(folder)
    if store is None:
        return []
    try:
        return list(noted_losses(folder, store))
    finally:
        store.close()


def _told(found: list[Finding]) -> str:
    text = "; ".join(f"{finding.where} {finding.what}" for finding in found[:_SHOWN])
    more = len(found) - _SHOWN
    return f"{text}; and {more} more." if more > 0 else f"{text}." if text else ""


def _behind(where: str, store: EventLog, noted: Head, lineage: str, source: str) -> Iterator[Finding]:
    """Yield how the journal does not hold the event that was once its last."""
    if noted.events == 0:
        return
    event = f"event {noted.events} (run {noted.run_id or 'unknown'}, {noted.at or 'at an unknown time'})"
    found = store.digest(noted.events)
    events, _ = store.extent()
    if lineage not in ("", noted.lineage):
        yield Finding(
            where=where, what=f"is the journal of another state; this state's journal ended with {event}{source}"
        )
    elif found is None:
        missing = noted.events - events
        yield Finding(
            where=where,
            what=f"lacks its last {counted(missing, 'event')}: it ends at {events} and ended with {event}{source}",
        )
    elif found != noted.sha256:
        yield Finding(where=where, what=f"differs from the journal that had {event}{source}")


def _outside(lineage: str) -> Head | None:
    """Return the user's own note of the journal; one that cannot be read says nothing."""
    place = outside(lineage)
    try:
        return HeadFile(place).read() if place is not None else None
    except (OSError, ValueError):
        return None


def _report_losses(state: StateStore, store: EventLog, runs: Iterable[RunRecord]) -> Iterator[Finding]:
    for run in runs:
        if run.report is None:
            yield from _beyond(state.blobs, f"runs/{run.run_id}/report.json", store)


def _beyond(blobs: Blobs, name: str, store: EventLog) -> Iterator[Finding]:
    """Yield that a report which the journal does not know was rendered from events that it does not have."""
    report = blobs.shown(name)
    try:
        with blobs.open(name) as file:
            end = _REPORT.decode(read_up_to(file, LARGEST_REPORT)).journal
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a report"
        yield Finding(where=report, what=f"does not say which journal it was written from: {why}")
        return
    if store.digest(end.events) != end.head_sha256:
        events, _ = store.extent()
        what = f"was written from a journal with {end.events} events; this journal has only {events}, or other ones"
        yield Finding(where=report, what=what)
