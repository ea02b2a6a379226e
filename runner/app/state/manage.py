"""`retrain state init`, `show` and `pack`: begin a state, say what it is, pack its journal."""

from msgspec import Struct

from runner.app.state.open_state import open_state
from runner.errors import StateError, UsageError
from runner.journal.checkpoint import read_progress
from runner.journal.progress import Progress


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


def init_state(address: str) -> None:
    """Begin a state.

    Raises:
        StateError: there is one, or its place does not keep what it promises.
    """
    open_state(address).begin()


def show_state(address: str) -> ShownState:
    """Return what the state is.

    Raises:
        StateError: it is missing, foreign or damaged.
    """
    place = open_state(address)
    place.require_journal()
    log = place.read_log()
    progress = Progress()
    if log is not None:
        try:
            progress = read_progress(log, place.blobs)
        finally:
            log.close()
    try:
        held = place.holder()
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
    """Pack what is in no pack yet, and return how many events the new pack has; 0 where there is nothing to pack.

    Raises:
        UsageError: the state is in a folder, whose journal is one file already.
        StateError: it cannot be read or written.
    """
    place = open_state(address)
    log = place.open_log() if place.folder is None else None
    if log is None or not hasattr(log, "pack"):
        raise UsageError(f"The journal of {place.address} is in one piece already.", hint="There is nothing to pack.")
    try:
        return int(log.pack(least=1))
    except OSError as error:
        raise StateError(
            f"The pack cannot be written: {error.strerror}.", hint="Nothing is lost; the journal is read without it."
        ) from None
    finally:
        log.close()
