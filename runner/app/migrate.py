"""`retrain state migrate`, `pull` and `push`: copy a state, byte for byte, and move it.

The order is what makes an interrupted migration safe. The copy is not a state until its last object, or the name of
its folder, makes it one, and before that the old journal says that it has moved: at no moment can both be written.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from shlex import quote

from msgspec import Struct

from runner.app.audit.verify import verify
from runner.app.state.loss import refuse
from runner.app.state.open_state import open_state
from runner.app.state.partitions import each_progress, has_run, partitions_of, refuse_part
from runner.app.state.session import Session, refuse_copy, refuse_moved, unchecked_session
from runner.errors import StateError, UsageError
from runner.execute.progress_events import Listener, Preparing, unheard
from runner.journal.chain import START, Link
from runner.journal.events import Draft, StateMoved
from runner.journal.folder import StateFolder
from runner.journal.lock import current_user
from runner.journal.progress import joined_end
from runner.journal.state_store import EventLog, StateStore
from runner.lib.atomic_files import write_whole
from runner.lib.timestamps import stamp
from runner.reports.text import counted

_EVENTS = 1000  # of a commit in the copy
_PIECE = 1024 * 1024
_RESULTS = "results"  # files below it never change


class _Source(Struct, frozen=True, kw_only=True):
    """What is copied: a state whose journal was read, up to an event of it."""

    place: StateStore
    log: EventLog
    head: tuple[int, str]


class Copied(Struct, frozen=True, kw_only=True):
    """How much was copied now, the head of the copy, and where it is."""

    address: str
    events: int
    files: int
    head_sha256: str


def migrate(source: str, target: str, *, lock_timeout: timedelta, listener: Listener = unheard) -> Copied:
    """Move a state to an empty place; an interrupted move is continued.

    Raises:
        UsageError: both are the same, or the state has no run.
        LockedError: a run holds the state.
        StateError: it does not verify, there is another state at the target, or one of them cannot be read or written.
    """
    refuse_part(source)
    goal = open_state(target)
    if open_state(source).address == goal.address:
        raise UsageError("Both addresses are the same.", hint="Give another target.")
    partitions, is_there = partitions_of(source), goal.is_begun()
    if is_there and goal.partitions != len(partitions):
        raise _is_there(goal)
    if len(partitions) == 1:
        return _migrate(source, goal, lock_timeout, listener)
    each_progress(partitions)  # so that one that is an older copy of itself is not moved
    copied = [
        _migrate(part, open_state(goal.part(number)), lock_timeout, listener, number)
        for number, part in enumerate(partitions)
    ]
    if not is_there:
        goal.divide(len(partitions))
    return _together(goal, copied)


def _together(goal: StateStore, copied: Sequence[Copied]) -> Copied:
    """Return what was copied of all partitions, under the head of all."""
    return Copied(
        address=goal.address,
        events=sum(part.events for part in copied),
        files=sum(part.files for part in copied),
        head_sha256=(joined_end([(part.events, part.head_sha256) for part in copied]) or START)[1],
    )


def _migrate(
    source: str, goal: StateStore, lock_timeout: timedelta, listener: Listener, number: int | None = None
) -> Copied:
    """Move a state, or the partition of that number, which may be without a run."""
    with unchecked_session(source, lock_timeout=lock_timeout, listener=listener) as opened:
        refuse_copy(opened.state)
        if opened.progress.moved_to not in (None, _named(goal)):
            refuse_moved(opened.progress, opened.state)
        if goal.is_begun():
            return _settled(opened, goal)
        if opened.progress.moved_to is None:
            _require_movable(opened, source, may_be_empty=number is not None)
        copied = _copy(opened, goal.arriving(), listener)
        if opened.progress.moved_to is None:
            moved = StateMoved(to=_named(goal), by=current_user())
            at = stamp(opened.clock.now())
            opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=None, fact=moved)])
        goal.arrive(number)
        return Copied(address=goal.address, events=copied.events, files=copied.files, head_sha256=copied.head_sha256)


def _named(goal: StateStore) -> str:
    """Return the address that leads to a place from everywhere: a folder's path from the root."""
    return goal.address if goal.folder is None else str(goal.folder.root.resolve())


def _settled(opened: Session, goal: StateStore) -> Copied:
    """Return the state that was moved before; raises a StateError where another state is there."""
    last = opened.store.head[0] - 1  # before the event that says it has moved
    head, digest = _head_of(goal, last)
    if opened.progress.moved_to != _named(goal) or digest != opened.store.digest(last):
        raise _is_there(goal)
    return Copied(address=goal.address, events=0, files=0, head_sha256=head[1])


def _is_there(goal: StateStore) -> StateError:
    return StateError(
        f"There is a state at {goal.address} already.",
        hint="Name a place without a state. A place that a state was moved away from still has that state, closed.",
    )


def _require_movable(opened: Session, source: str, *, may_be_empty: bool) -> None:
    """Raise an error where the state is not whole, or somebody waits for what was left in it."""
    if not opened.progress.runs and may_be_empty:
        return
    if not opened.progress.runs:
        raise UsageError(
            f"The state {opened.state.address} has no run yet.",
            hint="There is nothing to move: begin a state at the new place (`retrain state init --help`).",
        )
    refuse(opened.state, opened.missing)
    opened.store.settle()
    opened.close_lost_runs()
    try:
        waiting = opened.state.inbox.pending()
    except OSError as error:
        raise StateError(f"The inbox cannot be read: {error.strerror}.", hint="Run the command again.") from error
    if waiting:
        raise StateError(
            f"A run must first take up {counted(len(waiting), 'decision')} in the inbox of {opened.state.address}.",
            hint="Run `retrain run`, then move the state.",
        )
    found = verify(source, None).findings
    if found:
        raise StateError(
            f"The state does not verify, so it is not moved: {found[0].where} {found[0].what}.",
            hint=f"`retrain verify --state {quote(source)}` shows everything.",
        )


def pull(source: str, folder: str) -> Copied:
    """Copy a state into a folder of this machine, or what is new of it since the last time; nothing writes to the copy.

    Raises:
        UsageError: the folder is not a state, or the source has no run.
        StateError: the folder has another journal, or one of them cannot be read or written.
    """
    refuse_part(source)
    goal, partitions = open_state(folder), partitions_of(source)
    if goal.folder is None:
        raise UsageError(
            "A state is pulled into a folder.", hint="`retrain state migrate --help` says how it moves elsewhere."
        )
    is_there = goal.is_begun()
    if is_there and goal.partitions != len(partitions):
        raise _is_there(goal)
    if len(partitions) == 1:
        return _pull(source, goal)
    copied = list[Copied]()
    for number, part in enumerate(partitions):
        into = open_state(goal.part(number))
        if has_run(part):
            copied.append(_pull(part, into, number))
            continue
        if not into.is_begun():
            into.begin(number)
        _mark_copy(into.work, open_state(part))
    if not is_there:
        goal.divide(len(partitions))
    return _together(goal, copied)


def _pull(source: str, goal: StateStore, number: int | None = None) -> Copied:
    with _read_whole(source) as found:
        into = goal if goal.is_begun() else goal.arriving()
        events, files = _copied(found, into)
        _mark_copy(into.work, found.place)
        if into is not goal:
            goal.arrive(number)
        return Copied(address=goal.address, events=events, files=files, head_sha256=found.head[1])


@contextmanager
def _read_whole(address: str) -> Iterator[_Source]:
    """Read a journal to its end without holding the state, and give it; raises as `pull`."""
    place = open_state(address)
    log = place.read_log()
    if log is None:
        raise UsageError(f"The state {place.address} has no run yet.", hint="There is nothing to copy.")
    try:
        for _ in log.read():
            pass
        yield _Source(place=place, log=log, head=log.head)
    finally:
        log.close()


def _mark_copy(folder: StateFolder, place: StateStore) -> None:
    try:
        write_whole(folder.origin, f"{_named(place)}\n".encode())
    except OSError as error:
        raise StateError(
            f"{folder.origin} cannot be written: {error.strerror}.", hint="Make room, then run the command again."
        ) from error


def push(folder: str, target: str, *, lock_timeout: timedelta, listener: Listener = unheard) -> Copied:
    """Bring what a folder has beyond a state elsewhere to that state.

    Raises:
        UsageError: the folder has no run.
        LockedError: a run holds the state.
        StateError: the folder's journal does not continue the state's, or one of them cannot be read or written.
    """
    refuse_part(folder)
    partitions, goals = partitions_of(folder), partitions_of(target)
    if len(partitions) != len(goals):
        raise UsageError(
            f"{folder} and {target} have {len(partitions)} and {len(goals)} partitions.",
            hint="Name the folder that was pulled from there.",
        )
    pairs = [(part, goal) for part, goal in zip(partitions, goals, strict=True) if len(goals) == 1 or has_run(part)]
    copied = [_push(part, goal, lock_timeout, listener) for part, goal in pairs]
    return copied[0] if len(goals) == 1 else _together(open_state(target), copied)


def _push(folder: str, target: str, lock_timeout: timedelta, listener: Listener) -> Copied:
    opening = unchecked_session(target, lock_timeout=lock_timeout, listener=listener)
    with _read_whole(folder) as source, opening as opened:
        refuse_moved(opened.progress, opened.state)
        refuse_copy(opened.state)
        events, files = _copied(source, opened.state, listener, into_log=opened.store)
        return Copied(address=opened.state.address, events=events, files=files, head_sha256=source.head[1])


def _copy(opened: Session, goal: StateStore, listener: Listener) -> Copied:
    """Copy a state that is held, without the event that says it has moved."""
    head = opened.store.head
    if opened.progress.moved_to is not None:
        head = (head[0] - 1, opened.store.digest(head[0] - 1) or "")
    source = _Source(place=opened.state, log=opened.store, head=head)
    events, files = _copied(source, goal, listener)
    found, _ = _head_of(goal)
    if found != head:
        raise StateError(
            f"The copy in {goal.address} has another head than the state: {found[1][:12]} and {head[1][:12]}.",
            hint="Nothing was moved; use the state where it is, and run the command again with a fresh target.",
        )
    return Copied(address=goal.address, events=events, files=files, head_sha256=head[1])


def _copied(
    source: _Source, goal: StateStore, listener: Listener = unheard, into_log: EventLog | None = None
) -> tuple[int, int]:
    """Copy files and then events up to a head; return how many of each were new."""
    log = source.log
    listener(None, Preparing(what=f"copying files to {goal.address}"))
    into = into_log or goal.open_log()
    try:
        if into_log is None:
            for _ in into.read():
                pass
        known = into.head
        if known != START and log.digest(known[0]) != known[1]:
            raise StateError(
                f"{goal.address} holds another journal, or differs from this one up to event {known[0]}.",
                hint="Nothing was copied. Name a fresh place.",
            )
        files = sum(_files(source.place, goal))
        events = 0
        new = _up_to(log, known, source.head[0])
        while links := list(islice(new, _EVENTS)):
            into.take_over(links)
            events += len(links)
        return events, files
    finally:
        if into_log is None:
            into.close()


def _up_to(log: EventLog, after: tuple[int, str], last: int) -> Iterator[Link]:
    for link in log.read(after):
        if link.event.seq > last:
            return
        yield link


def _files(place: StateStore, goal: StateStore) -> Iterator[int]:
    """Copy the files of runs; yield for each whether it is new. Results never change, the others are written anew."""
    try:
        there = set(goal.blobs.names("runs"))
        for name in place.blobs.names("runs"):
            if name in there and f"/{_RESULTS}/" in name:
                continue
            with place.blobs.open(name) as stream:
                goal.blobs.put(name, iter(lambda: stream.read(_PIECE), b""))
            yield name not in there
    except OSError as error:
        raise StateError(
            f"A file of the state cannot be copied: {error.strerror or error}.",
            hint="Nothing was moved. Correct the cause and run the command again; it continues.",
        ) from error


def _head_of(place: StateStore, seq: int = 0) -> tuple[tuple[int, str], str | None]:
    """Return the head of a state's journal, and the digest of the event of a number in it."""
    log = place.read_log(afresh=True)
    if log is None:
        return START, None
    try:
        for _ in log.read():
            pass
        return log.head, log.digest(seq)
    finally:
        log.close()
