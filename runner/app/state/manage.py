"""`retrain state init`, `show`, `pack` and `accept-loss`: begin a state, show it, pack it, continue after a loss."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.provenance import ci_actor, tool
from runner.app.state.loss import losses
from runner.app.state.open_state import open_state
from runner.app.state.partitions import each_progress, older_partitions, partitions_of
from runner.app.state.read_state import no_journal
from runner.app.state.session import Partition, Session, unchecked_session
from runner.app.state.unrecorded_files import Finding
from runner.errors import ExitCode, StateError, UsageError
from runner.execute.progress_events import Listener, unheard
from runner.journal.checkpoint import never, read_progress, show_checkpoint
from runner.journal.end_marks import require_writable
from runner.journal.events import Draft, Fact, LossAccepted, RunOptions
from runner.journal.lock import current_user
from runner.journal.progress import Progress, merged
from runner.journal.state_store import StateStore
from runner.lib.atomic_files import is_real_folder, make_folder, sync_folder
from runner.lib.timestamps import stamp

_PIECE = 1024 * 1024  # bytes


class ShownState(Struct, frozen=True, kw_only=True):
    """What a state is: its journal in numbers and by its head, the newest run, and who holds it."""

    address: str
    events: int
    head_sha256: str
    runs: int
    last_run: str | None
    last_at: str | None
    moved_to: str | None
    held_by: str | None
    partitions: tuple["ShownState", ...] = ()


def init_state(address: str, partitions: int = 1) -> None:
    """Begin a state; one with partitions is there when each of them is.

    Raises:
        StateError: there is one, or its place does not keep what it promises.
    """
    place = open_state(address)
    if partitions == 1:
        place.begin()
        return
    if place.is_begun():
        raise StateError(
            f"There is a state at {place.address} already.", hint="Use it, or begin a state at another address."
        )
    for number in range(partitions):
        _begin_part(open_state(place.part(number)), number)
    place.divide(partitions)


def _begin_part(part: StateStore, number: int) -> None:
    """Begin a partition, unless an interrupted command did.

    Raises:
        StateError: there is a journal with events.
    """
    if not part.is_begun():
        part.begin(number)
        return
    log = part.read_log()
    if log is not None:
        try:
            events, _ = log.extent()
        finally:
            log.close()
        if events:
            raise StateError(
                f"{part.address} has a journal of {events} events already.",
                hint="Begin the state at another address, or restore `format.json`, which marks this place as a state.",
            )


def show_state(address: str) -> ShownState:
    """Return what the state is, and each of its partitions.

    Raises:
        UsageError: there is none.
        StateError: it is missing, foreign or damaged.
    """
    partitions = partitions_of(address)
    if len(partitions) == 1:
        place = open_state(address)
        place.require_journal()
        if not place.is_begun():
            raise no_journal(place)
        return _shown(address, each_progress(partitions))
    progresses = each_progress(partitions)
    parts = tuple(_shown(part, [progress]) for part, progress in zip(partitions, progresses, strict=True))
    held = dict.fromkeys(part.held_by for part in parts if part.held_by)
    return replace(_shown(address, progresses), partitions=parts, held_by="; ".join(held) or None)


def _shown(address: str, progresses: Sequence[Progress]) -> ShownState:
    place, progress = open_state(address), merged(progresses)
    try:
        held = place.holder() if len(progresses) == 1 else None
        held_by = held.who if held else None
    except StateError:  # who may only read the state cannot ask for the store's time
        held_by = "nobody knows: these credentials may only read"
    events, head = progress.head or (0, "")
    return ShownState(
        address=place.address,
        events=events,
        head_sha256=head,
        runs=len(progress.run_ids),
        last_run=next(reversed(progress.runs), None),
        last_at=progress.last_at,
        moved_to=progress.moved_to,
        held_by=held_by,
    )


def pack_state(address: str) -> int:
    """Pack the events that are in no pack yet, and return how many the new packs have; 0 if there was nothing to pack.

    Raises:
        UsageError: the state is in a folder, whose journal is one file already.
        StateError: it cannot be read or written.
    """
    return sum(map(_packed, partitions_of(address)))


def _packed(address: str) -> int:
    place = open_state(address)
    log = place.open_log() if place.folder is None else None
    if log is None or not hasattr(log, "pack"):
        raise UsageError(f"The journal of {place.address} is not stored in parts.", hint="There is nothing to pack.")
    try:
        return int(log.pack(least=1))
    except OSError as error:
        raise StateError(
            f"The pack cannot be written: {error.strerror}.", hint="Nothing is lost; the journal is read without it."
        ) from None
    finally:
        log.close()


class AcceptLossRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain state accept-loss`."""

    reason: str
    state: str
    lock_timeout: timedelta = timedelta(0)
    listener: Listener = unheard


def missing_history(state: str) -> dict[str, tuple[Finding, ...]]:
    """Return by partition what shows that its journal has lost events. It is read only, and no lock is needed.

    Raises:
        UsageError: there is no journal, or nothing is missing.
        StateError: a journal is missing, foreign or damaged.
    """
    older = older_partitions(state)
    found = {part: _missing(part, older) for part in partitions_of(state)}
    if not any(found.values()):
        raise _nothing_missing()
    return {part: missing for part, missing in found.items() if missing}


def _nothing_missing() -> UsageError:
    return UsageError("Nothing is missing from the journal.", hint="No loss needs to be accepted; continue with `run`.")


def _missing(partition: str, older: Mapping[int, str]) -> tuple[Finding, ...]:
    place = open_state(partition)
    store = place.read_log(afresh=True)
    if store is None and place.number is not None:
        return _known_to_others(place, older)
    if store is None:
        raise no_journal(place)
    try:
        found = losses(place, store, read_progress(store, place.blobs, never), afresh=True)
        return (*found, *_known_to_others(place, older))
    finally:
        store.close()


def _known_to_others(place: StateStore, older: Mapping[int, str]) -> tuple[Finding, ...]:
    lost = None if place.number is None else older.get(place.number)
    return () if lost is None else (Finding(where=place.address, what=lost),)


def accept_loss(request: AcceptLossRequest, partitions: Iterable[str]) -> list[str]:
    """Record that events of these partitions are lost; nothing is recorded before all of them are held.

    Return where files lie now that the journals do not know.

    Raises:
        UsageError: the reason is empty, nothing is missing, or a journal has no run to continue from.
        LockedError, StateError: as for each command that changes something.
    """
    if not request.reason.strip():
        raise UsageError("A loss needs a reason.", hint='Say what happened: --reason "the disk failed".')
    with ExitStack() as stack:
        held = [
            stack.enter_context(
                unchecked_session(
                    request.state,
                    lock_timeout=request.lock_timeout,
                    listener=request.listener,
                    enough=never,
                    partition=Partition(address=part),
                    afresh=True,
                )
            )
            for part in partitions
        ]
        older = older_partitions(request.state)
        known = [replace(opened, missing=(*opened.missing, *_known_to_others(opened.state, older))) for opened in held]
        sessions = [opened for opened in known if opened.missing]
        if not sessions:
            raise _nothing_missing()
        for opened in sessions:
            _require_continuable(opened)
        return [aside for aside in (_accept(opened, request.reason) for opened in sessions) if aside is not None]


def _require_continuable(opened: Session) -> None:
    if not opened.progress.runs:
        raise UsageError(
            f"The journal in {opened.state.address} has no run to continue from.",
            hint="Restore the newest copy of the state, or start again in another place with --state.",
        )
    if opened.state.folder is not None:
        require_writable(opened.progress.lineage or "")


def _accept(opened: Session, reason: str) -> str | None:
    """Record the loss, and return where files lie now that the journal does not know; None without any."""
    _record(opened, reason)
    aside = _set_aside(opened) if opened.state.folder is not None else _set_aside_elsewhere(opened)
    show_checkpoint(opened.state.blobs, None)
    opened.store.settle()
    if opened.state.folder is not None:
        opened.state.folder.become_its_own()  # the original lost the same, or is gone
    opened.close_lost_runs()
    opened.finish(ExitCode.OK, None)
    opened.state.set_copy_aside()
    return aside


def _record(opened: Session, reason: str) -> None:
    """Write the run's begin and the loss in one transaction."""
    last = next(reversed(opened.progress.runs.values()))
    facts: tuple[Fact, ...] = (
        replace(
            last.started,
            tool=tool(),
            actor=current_user(),
            ci_actor=ci_actor(),
            options=RunOptions(command="state accept-loss"),
        ),
        LossAccepted(
            missing=tuple(f"{finding.where} {finding.what}" for finding in opened.missing),
            by=current_user(),
            reason=reason,
        ),
    )
    at = stamp(opened.clock.now())
    opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=None, fact=fact) for fact in facts])


def _set_aside_elsewhere(opened: Session) -> str | None:
    """Do the same in an object store or a database: each file is copied, then removed where it was."""
    blobs, progress, aside = opened.state.blobs, opened.progress, f"lost/{opened.run_id}"
    unknown = list[str]()
    try:
        for name in blobs.names("runs"):
            _, run_id, rest = name.split("/", 2)
            run = progress.runs.get(run_id)
            unrecorded = run is not None and run.report is None and run_id != opened.run_id
            if not progress.has_run(run_id) or (unrecorded and not rest.startswith("results/")):
                unknown.append(name)
        for name in unknown:
            with blobs.open(name) as stream:
                blobs.put(name.replace("runs", aside, 1), iter(lambda: stream.read(_PIECE), b""))
            blobs.remove(name)
    except OSError as error:
        raise StateError(
            f"Files of runs that the journal does not know cannot be moved to {blobs.shown(aside)}: {error.strerror}.",
            hint="Correct the permissions (to put, and to delete below runs/), then run the command again.",
        ) from error
    return blobs.shown(aside) if unknown else None


def _set_aside(opened: Session) -> str | None:
    """Move what the journal does not know, and what is not a folder, out of the run folders; nothing is removed."""
    folder, progress = opened.folder, opened.progress
    aside = folder.lost / opened.run_id
    unknown = [
        path
        for path in _entries(folder.runs)
        if path != folder.latest and (path.name not in progress.runs or not is_real_folder(path))
    ]
    reports = [
        path
        for run in progress.runs.values()
        if run.report is None and run.run_id != opened.run_id
        for path in _entries(folder.run_folder(run.run_id))
        if path.name != "results"
    ]
    try:
        for path in (*unknown, *reports):
            target = make_folder(aside / path.parent.relative_to(folder.runs)) / path.name
            path.rename(target)
            sync_folder(target.parent)
    except OSError as error:
        raise StateError(
            f"{error.filename} cannot be moved to {aside}: {error.strerror}.",
            hint="Correct the permissions, then run the command again.",
        ) from error
    return str(aside) if unknown or reports else None


def _entries(folder: Path) -> list[Path]:
    """Return what can be seen in a folder; nothing of a link, whose target is not ours."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if is_real_folder(folder) else []
