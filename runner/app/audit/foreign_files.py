"""Files of a state folder that a run did not put there, and results that are recorded as removed."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from runner.app.audit.evidence import Evidence, JournalSummary
from runner.app.state.unrecorded_files import Finding, unreadable
from runner.journal.events import ResultDownloaded
from runner.journal.folder import (
    RUN_FILES,
    Removal,
    StateFolder,
    is_half,
    is_inbox_name,
    is_partial_download,
    is_upload_folder,
    removal_of,
)
from runner.journal.forms import is_run_id
from runner.journal.partitions import part_name
from runner.journal.progress import Progress
from runner.journal.state_store import Blobs
from runner.reports.text import counted

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


class StateFiles(Struct, frozen=True, kw_only=True):
    """Files that do not belong in the state, and files that are expected there."""

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def look_through(folder: StateFolder, run_ids: Iterable[str] | None) -> StateFiles:
    """Look through the whole state, or only through these runs' folders; links are not followed."""
    findings, notes, readable = list[Finding](), list[Finding](), list[Path]()
    tops = [folder.root] if run_ids is None else [folder.run_folder(run_id) for run_id in run_ids]
    if run_ids is None:
        findings += _strange_names(folder)
    for top in tops:
        for path, found in _below(top, findings):
            if path == folder.latest:
                continue
            what = _oddity(found)
            if what is not None:
                findings.append(Finding(where=str(path), what=what))
            elif (known := _passing(path, folder)) is not None:
                notes.append(Finding(where=str(path), what=known))
            elif path.name.startswith(".") and path != top and folder.emulator not in path.parents:
                findings.append(Finding(where=str(path), what="was never recorded in the journal"))
            if found.st_mode & _OTHERS_READ and not stat.S_ISLNK(found.st_mode):
                readable.append(path)
    if readable:
        more = f", and {len(readable) - 1} more" if len(readable) > 1 else ""
        notes.append(Finding(where=str(readable[0]), what=f"may be read by other users{more}"))
    return StateFiles(findings=tuple(findings), notes=tuple(notes))


def _oddity(found: os.stat_result) -> str | None:
    """Return what is wrong with an entry whatever its name is, or None."""
    if stat.S_ISLNK(found.st_mode):
        return "is a link, which no run creates there"
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return "is a special file, which no run creates"
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        return "has a second name elsewhere, through which it can be changed"
    if found.st_mode & _OTHERS_WRITE:
        return f"may be written by other users (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def _strange_names(folder: StateFolder) -> Iterator[Finding]:
    """Yield what is in the state or in its spool under a foreign name; hidden names are reported elsewhere."""
    for path in _listed(folder.root):
        if path.name not in {*folder.names, folder.format.name} and not path.name.startswith("."):
            yield Finding(where=str(path), what="was never recorded in the journal")
    for path in _listed(folder.inbox):
        if not is_inbox_name(path.name):
            yield Finding(where=str(path), what="is not a decision; the next run sets it aside")
    for part in _listed(folder.spool):
        if not is_run_id(part.name) or not all(is_upload_folder(child.name) for child in _listed(part)):
            yield Finding(where=str(part), what="is not a run's part of the spool")


def beside_partitions(folder: StateFolder, partitions: int) -> Iterator[Finding]:
    """Yield what is in a folder with partitions and belongs to none: each of them is looked through by itself."""
    kept = (folder.format, folder.parts, folder.runs, folder.spool, folder.emulator, folder.internal_errors)
    own = {*kept, *(folder.parts / part_name(number) for number in range(partitions))}
    for path in (*_listed(folder.root), *_listed(folder.parts)):
        if path not in own or path.is_symlink():
            yield Finding(where=str(path), what="was never recorded in the journal")


def _passing(path: Path, folder: StateFolder) -> str | None:
    """Return what an expected file that no event mentions is, else None."""
    if path.parent == folder.inbox and is_inbox_name(path.name):
        return "is a decision that waits in the inbox, or what is left of one"
    return "is what a killed writer left; nothing reads it" if _is_leftover(path) else None


def _is_leftover(path: Path) -> bool:
    """Return whether a killed writer leaves a file of this name."""
    names = (*RUN_FILES, "lock", "lock.json", "journal.head")
    whole = path.name.startswith(".latest.") or path.name == ".journal.sqlite3.new"
    return whole or is_partial_download(path.name) or is_half(path.name, names)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []  # that it cannot be read, or is not a folder, is told elsewhere


def _below(top: Path, findings: list[Finding]) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield a folder and all that is below it, with what it is; say which folder cannot be read."""
    try:
        found = top.lstat()
    except FileNotFoundError:
        return
    yield top, found
    if not stat.S_ISDIR(found.st_mode):
        return
    try:
        with os.scandir(top) as entries:
            inside = sorted(top / entry.name for entry in entries)
    except OSError as error:
        findings.append(unreadable(top, error))
        return
    for path in inside:
        yield from _below(path, findings)


class Removed:
    """What a journal says was removed, beside what its evidence holds."""

    def __init__(self, evidence: Evidence, journal: JournalSummary) -> None:
        self._evidence = evidence
        self._journal = journal
        self._gone: dict[str, Removal | None] = {}

    def gone(self, result: ResultDownloaded) -> Removal | None:
        """Return the record that this result is removed, where nothing is in its place."""
        if result.path not in self._gone:
            found = removal_of(self._journal.progress.removed, result)
            self._gone[result.path] = None if found is None or self._evidence.holds(result.path) else found
        return self._gone[result.path]

    def left(self, results: Iterable[ResultDownloaded]) -> list[ResultDownloaded]:
        """Return those of the results that must be there."""
        return [result for result in results if self.gone(result) is None]

    def findings(self) -> Iterator[Finding]:
        """Yield records of removal about files that the journal never had."""
        known = {(fact.path, fact.sha256) for _, fact in self._journal.stored}
        for path, removed in self._journal.progress.removed.items():
            if (path, removed.file.sha256) not in known:
                yield Finding(
                    where=f"event {removed.seq}", what=f"removes {path}, which was never stored with those bytes"
                )

    def notes(self, results: Iterable[ResultDownloaded], beyond: Mapping[int, int], held: int) -> Iterator[Finding]:
        """Yield one note for each record: how many of these results it took, and how many decisions with them.

        `held` is the number of events that an anchor holds: a record after them may be anybody's.
        """
        taken: dict[int, list[Removal]] = {}
        for result in results:
            found = removal_of(self._journal.progress.removed, result)
            if found is None:
                continue
            if self.gone(result) is None:
                what = "is recorded as removed and still there; the next removal takes it unless it is needed"
                yield Finding(where=self._evidence.shown(result.path), what=what)
            else:
                taken.setdefault(found.seq, []).append(found)
        for seq in sorted({*taken, *beyond}):
            decisions = f"{counted(beyond.get(seq, 0), 'decision')} cannot be computed again"
            unheld = "; no anchor holds this record" if 0 < held < seq else ""
            yield Finding(where=f"event {seq}", what=f"{self._told(taken.get(seq, []), seq)}; {decisions}{unheld}")

    def _told(self, taken: list[Removal], seq: int) -> str:
        if len(taken) == 1:
            return f"{taken[0].file.path} {taken[0].told}: {taken[0].why}"
        removed = next(result for result in self._journal.progress.removed.values() if result.seq == seq)
        return f"{len(taken)} result files were removed by prune on {removed.at:%Y-%m-%d}: {removed.why}"


def gone(blobs: Blobs, progress: Progress, result: ResultDownloaded | None) -> Removal | None:
    """Return the record that a stored result is removed, where nothing is in its place."""
    found = removal_of(progress.removed, result) if result else None
    return None if found is None or blobs.holds(found.file.path) else found
