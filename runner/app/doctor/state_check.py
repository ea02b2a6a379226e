"""Whether a run could begin on this state: whose it is, who holds it, whether it can be written, how much room is left.

Nothing is written, and the lock is not taken.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from runner.app.state.open_state import open_state, require_trusted
from runner.app.state.partitions import partitions_of, what_next
from runner.errors import RetrainError, StateError
from runner.journal.folder import StateFolder
from runner.journal.lock import read_holder
from runner.journal.partitions import FOLDER
from runner.journal.state_store import StateStore
from runner.plan.model_plan import state_option
from runner.reports.diagnosis import Check
from runner.reports.text import counted

_OWN_PATH = re.compile(rf"/{FOLDER}/[0-9]{{4}}|/[0-9a-f]{{32}}")  # in a folder, and of a machine
_SPARE = 256 * 1024 * 1024  # bytes for results, reports and the journal


def state_checks(state: str, *, trusted: bool, uploads: int) -> Iterator[Check]:
    """Yield what is found of each partition; `uploads` is the size in bytes of the files that a run packs at once."""
    try:
        partitions = partitions_of(state)
    except RetrainError as error:
        yield Check(name="state", verdict="problem", seen=error.message, next=error.hint)
        return
    found = [check for part in partitions for check in _partition_checks(part, trusted=trusted, uploads=uploads)]
    alike: dict[str, dict[str, Check]] = {}  # by the sentence without the partition's own path
    for check in found:
        alike.setdefault(f"{check.verdict} {_OWN_PATH.sub('', check.seen)}", {}).setdefault(check.seen, check)
    for sentences in alike.values():
        first, *others = sentences.values()
        if first.verdict == "ok" and others:
            told = f"The same is true of {counted(len(others), 'other partition')}."
            yield replace(first, seen=f"{first.seen} {told}")
        else:
            yield from (first, *others)


def _partition_checks(state: str, *, trusted: bool, uploads: int) -> Iterator[Check]:
    place = open_state(state)
    if place.folder is None:
        yield from store_checks(place)
        return
    try:
        root = place.folder.root
        require_trusted(state, accepted=trusted)
        place.require_journal()
        _require_free(state, place.folder)
        _require_writable(root)
        room = _room(root)
    except RetrainError as error:
        yield Check(name="state", verdict="problem", seen=error.message, next=error.hint)
        return
    if room < uploads + _SPARE:
        yield Check(
            name="state",
            verdict="problem",
            seen=f"The disk of {root} has {_size(room)} left; a run may need {_size(uploads + _SPARE)}.",
            next=f"Make room, or give a folder of another disk with --state; `df -h {_nearest(root)}` shows the disk.",
        )
        return
    what = "can be written" if root.exists() else "does not exist yet and can be made"
    yield Check(name="state", verdict="ok", seen=f"{root} {what}; no run holds it; {_size(room)} are free.")


def store_checks(place: StateStore) -> Iterator[Check]:
    """Yield what is found of a state that is not in a folder: what its store promises, and who holds it."""
    try:
        found = place.checks()
        held = place.holder()
    except RetrainError as error:
        yield Check(name="state", verdict="problem", seen=error.message, next=error.hint)
        return
    if held is not None:
        who = held.holder.holds(place.address) if held.holder else f"Another command holds {place.address}."
        yield Check(name="state", verdict="problem", seen=who, next="Wait for it to end.")
    for check in found:
        yield Check(name="state", verdict=check.verdict, seen=check.seen, next=check.next)


def _require_free(state: str, folder: StateFolder) -> None:
    """Raise a StateError where a run holds the state."""
    if read_holder(folder) is None:
        return
    held = open_state(state).holder()
    if held is None:
        return
    if held.holder is None:
        raise StateError(
            f"Another retrain command holds the state {folder.root}.",
            hint=f"Wait for it to end; `retrain unlock{state_option(state)}` shows who it is.",
        )
    raise StateError(
        f"{held.holder.holds(str(folder.root))} A run that begins now ends with exit code 6.",
        hint=what_next(held.holder, state_option(state)),
    )


def _require_writable(root: Path) -> None:
    """Raise a StateError where nothing can be written into the folder, or it cannot be made."""
    place = _nearest(root)
    files = [path for path in (root, *root.glob("*")) if path.exists()] or [place]
    for path in files:
        needed = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
        if not os.access(path, needed):
            raise StateError(
                f"This user ({_user()}) may not write {path}.",
                hint="Run as the user that owns it, correct its permissions, or give another folder with --state.",
            )
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        raise StateError(
            f"The disk of {root} can only be read.", hint="Give a folder of a disk that can be written with --state."
        )


def _nearest(root: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    place = root.absolute()
    return next(path for path in (place, *place.parents) if path.exists())


def _room(root: Path) -> int:
    disk = os.statvfs(_nearest(root))
    return disk.f_bavail * disk.f_frsize


def _user() -> str:
    return f"uid {os.geteuid()}"


def _size(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:,} bytes"
