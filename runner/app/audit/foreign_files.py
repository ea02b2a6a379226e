"""What is in a state folder and was not put there by a run: links, special files, names of others, open modes."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from runner.app.state.unrecorded_files import Finding, unreadable
from runner.journal.entries import RUN_FILES, is_half, is_partial_download, is_upload_folder
from runner.journal.folder import StateFolder
from runner.journal.forms import is_run_id

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


class StateFiles(Struct, frozen=True, kw_only=True):
    """What does not belong into the state, and what is no reason for doubt."""

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
            elif _is_leftover(path):
                notes.append(Finding(where=str(path), what="is what a killed writer left; nothing reads it"))
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
        return "is a link; no run makes one there"
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return "is a special file; no run makes one"
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        return "has a second name elsewhere, through which it can be changed"
    if found.st_mode & _OTHERS_WRITE:
        return f"may be written by other users (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def _strange_names(folder: StateFolder) -> Iterator[Finding]:
    """Yield what is in the state or in its spool under a name that is none of ours; hidden names are told elsewhere."""
    for path in _listed(folder.root):
        if path.name not in folder.names and not path.name.startswith("."):
            yield Finding(where=str(path), what="was never recorded in the journal")
    for part in _listed(folder.spool):
        if not is_run_id(part.name) or not all(is_upload_folder(one.name) for one in _listed(part)):
            yield Finding(where=str(part), what="is no run's part of the spool")


def _is_leftover(path: Path) -> bool:
    """Return whether a killed writer leaves a file of this name."""
    names = (*RUN_FILES, "lock", "lock.json", "journal.head")
    whole = path.name.startswith(".latest.") or path.name == ".journal.sqlite3.new"
    return whole or is_partial_download(path.name) or is_half(path.name, names)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []  # that it cannot be read, or is no folder, is told elsewhere


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
            inside = sorted(top / one.name for one in entries)
    except OSError as error:
        findings.append(unreadable(top, error))
        return
    for path in inside:
        yield from _below(path, findings)
