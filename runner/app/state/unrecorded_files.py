"""What is in the state folder and is in no record: traces of a journal that was cut or replaced by an older one.

The chain of a cut journal is sound. That runs are missing from it shows by the folders those runs left.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from runner.audit.bundle_layout import ATTESTATION
from runner.journal.events import ResultDownloaded
from runner.journal.folder import UNRECORDED, StateFolder
from runner.journal.progress import Progress, RunRecord
from runner.journal.state_store import StateStore

_LATEST = "latest"
_RESULTS = "results"


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is not what the journal recorded: where, and what is wrong."""

    where: str
    what: str


def unrecorded_entries(folder: StateFolder, progress: Progress) -> Iterator[Finding]:
    """Yield what is among the run folders and belongs to no run of the journal, and a `latest` without a target."""
    try:
        for entry in _entries(folder.runs):
            if entry.name == _LATEST:
                yield from _latest(Path(entry.path), progress)
            elif not entry.is_dir(follow_symlinks=False):
                yield Finding(where=entry.path, what="is not a folder, and every run has a folder")
            elif not progress.has_run(entry.name):
                what = "belongs to no run in the journal: it was put there, or the journal is cut or an older copy"
                yield Finding(where=entry.path, what=what)
    except OSError as error:
        yield unreadable(folder.runs, error)


def unrecorded_files(
    folder: StateFolder, runs: Iterable[RunRecord], stored: Iterable[ResultDownloaded]
) -> Iterator[Finding]:
    """Yield files in the folders of finished runs that were never recorded.

    A run that a kill or a signal ended may have left a result that it had no time to record; nothing reads such a file.
    """
    results = {folder.root / fact.path for fact in stored}
    for run in runs:
        if run.report is None or run.finished is None:
            continue
        where = folder.run_folder(run.run_id)
        known = (*run.report.files, ATTESTATION, *UNRECORDED)  # the attestation is judged apart, the others by nobody
        rendered = {where / name for name in known}
        try:
            for path in _files_below(where):
                leftover = run.finished.stopped is not None and path.is_relative_to(where / _RESULTS)
                if not leftover and path not in rendered and path not in results:
                    yield Finding(where=str(path), what="was never recorded in the journal")
        except OSError as error:
            yield unreadable(where, error)


def unrecorded_objects(
    state: StateStore, runs: Iterable[RunRecord], stored: Iterable[ResultDownloaded]
) -> Iterator[Finding]:
    """Yield the same of a state that is not in a folder."""
    results = {fact.path for fact in stored}
    for run in runs:
        if run.report is None or run.finished is None:
            continue
        place = f"runs/{run.run_id}"
        known = {f"{place}/{name}" for name in (*run.report.files, ATTESTATION, *UNRECORDED)} | results
        try:
            for name in state.blobs.names(place):
                leftover = run.finished.stopped is not None and name.startswith(f"{place}/{_RESULTS}/")
                if not leftover and name not in known:
                    yield Finding(where=state.blobs.shown(name), what="was never recorded in the journal")
        except OSError as error:
            yield unreadable(Path(state.blobs.shown(place)), error)


def unknown_runs(state: StateStore, progress: Progress, *, whole: bool) -> Iterator[Finding]:
    """Yield the runs that left files in a store and are in no record; without `whole` only newer ones than all known.

    Raises:
        OSError: they cannot be listed.
    """
    after = "" if whole else f"{max(progress.run_ids, default='')}0"  # what follows all names below a run's
    names = state.blobs.names("runs", after if progress.run_ids else "")
    found = dict.fromkeys(name.split("/")[1] for name in names)
    for run_id in found:
        if not progress.has_run(run_id):
            what = "belongs to no run in the journal: it was put there, or the journal is cut or an older copy"
            yield Finding(where=state.blobs.shown(f"runs/{run_id}"), what=what)


def unreadable(folder: Path, error: OSError) -> Finding:
    """Return the finding about a folder that cannot be looked through; the error knows best which one it is."""
    return Finding(where=str(error.filename or folder), what=f"cannot be read: {error.strerror or error}")


def _latest(path: Path, progress: Progress) -> Iterator[Finding]:
    if not path.is_symlink():
        yield Finding(where=str(path), what="is not a link to a run's folder")
    elif not progress.has_run(target := str(path.readlink())):
        yield Finding(where=str(path), what=f"points at {target}, which is not a run in the journal")
    elif not path.is_dir():
        yield Finding(where=str(path), what=f"points at {target}, whose folder is gone")


def _files_below(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir() and not path.is_symlink():
            yield from _files_below(path)
        else:
            yield path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the folder's entries by name as `_visible` does; of thousands none is looked at by itself."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _visible(folder: Path) -> list[Path]:
    """Return the folder's entries by name, without what a killed writer left beside its file: that is hidden."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
