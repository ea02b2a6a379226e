"""What a place for the state must do: keep a log of events, let one run at a time hold it, and keep files.

A new kind of store is one module beside `folder_store.py` and an entry in `runner.app.state.open_state`. Each passes
`tests/unit/journal/test_journal_state_stores.py`.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from msgspec import Struct

from runner.errors import StateError
from runner.journal.chain import START, Link
from runner.journal.events import Draft
from runner.journal.folder import StateFolder
from runner.journal.lock import Held


class GuardTakenError(StateError):
    """Another runner has already written the event that may exist only once; its effect must not be repeated."""

    def __init__(self) -> None:
        super().__init__(
            "Another runner has already begun this step.", hint="Wait until it is done, then run `retrain run` again."
        )


class HeadMovedError(StateError):
    """Another runner has written to the journal since this one read it; nothing was written."""

    def __init__(self) -> None:
        super().__init__(
            "Another runner has written to the journal since this run read it, so this run stops.",
            hint="Run `retrain run` again; it continues from what is recorded.",
        )


class EventLog(Protocol):
    """An open journal. It is used by one thread at a time, and read to its end before the first append.

    Where the reading begins does not matter: a log that was read from a mark on may be appended to.
    """

    @property
    def head(self) -> tuple[int, str]:
        """Number of events and SHA-256 of the last one, as first read and then written by this object."""

    def read(self, after: tuple[int, str] = START) -> Generator[Link]:
        """Yield the events after the one whose number and SHA-256 are given, each checked against the chain.

        Raises:
            StateError: the journal cannot be read, an event in it cannot be believed, or the event of that number is
                missing or has another digest.
        """

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        """Write the drafts durably, all or none of them, if the last event is still the one that `head` names.

        Raises:
            GuardTakenError: one of them may exist only once and does; nothing was written.
            HeadMovedError: the journal has moved on under another writer; nothing was written.
            StateError: it cannot be written; nothing was written.
        """

    def take_over(self, links: Sequence[Link]) -> None:
        """Write events of another state's journal durably as they are, all or none; the first follows the last here.

        Raises:
            HeadMovedError: it does not; nothing was written.
            StateError: they cannot be written.
        """

    def extent(self) -> tuple[int, str]:
        """Return how many events there are now, and the SHA-256 of the first; nothing of it is checked."""

    def digest(self, seq: int) -> str | None:
        """Return the SHA-256 that is stored for an event, or None if the event does not exist."""

    def settle(self) -> None:
        """Note where the journal ends, where the store keeps such notes; from then on each commit is noted.

        Raises:
            StateError: the note cannot be written.
        """

    def close(self) -> None:
        """Free what it holds, also where a reading of it stopped half-way."""


class Lease(Protocol):
    """The right of one run to write to the state."""

    def lasts(self) -> bool:
        """Return whether the state is still held by this run; asked before what cannot be taken back."""

    def has_ended(self, run_id: str) -> bool:
        """Return whether another run can write no more: only then is one without an end closed as lost."""


class Blobs(Protocol):
    """The files that events speak of, by their names: results and reports. A name is a relative POSIX path."""

    def put(self, name: str, pieces: Iterable[bytes]) -> str:
        """Store a file whole or not at all, durably, in the place of an older one; return its hex SHA-256.

        Raises:
            OSError: it cannot be stored.
        """

    def put_all(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
        """Store several files as `put` does, in any order; return the hex SHA-256 of each by its name.

        Raises:
            OSError: one of them cannot be stored; others may be.
        """

    def keep(self, name: str, file: Path) -> None:
        """Store a file of the work folder durably under its name there.

        Raises:
            OSError: it cannot be stored.
        """

    def open(self, name: str) -> BinaryIO:
        """Open a file as a seekable stream.

        Raises:
            FileNotFoundError, NotADirectoryError: there is none.
            OSError: it cannot be read.
        """

    def holds(self, name: str) -> bool:
        """Return whether there is anything at that name."""

    def names(self, folder: str, after: str = "") -> Iterable[str]:
        """Return the names of the files below a folder, in order, that follow the name `after` in it.

        Raises:
            OSError: they cannot be listed.
        """

    def remove(self, name: str) -> None:
        """Remove a file.

        Raises:
            OSError: it cannot be removed.
        """

    def shown(self, name: str) -> str:
        """Return how messages name the file."""


MOST_PENDING = 1000  # names that a look at an inbox returns


class Inbox(Protocol):
    """What people leave for the run that holds the state: small files, made once and never changed.

    Whoever may write to the state may leave something here, so a reader checks all of it. No lease is needed. A name
    is one part of a path.
    """

    def post(self, name: str, content: bytes) -> None:
        """Store an entry durably, whole or not at all. Of several that post the same name, exactly one succeeds.

        Raises:
            FileExistsError: there is one of that name; it stays as it is.
            OSError: it cannot be stored.
        """

    def pending(self) -> tuple[str, ...]:
        """Return the entries' names in their order, at most `MOST_PENDING` of them, with whatever name they have.

        Raises:
            OSError: they cannot be listed.
        """

    def read(self, name: str, limit: int) -> bytes:
        """Return an entry's content, at most `limit` bytes of it.

        Raises:
            FileNotFoundError: no entry has that name.
            OSError: it cannot be read, or it is not what a poster makes there, such as a link or another user's file.
        """

    def remove(self, name: str) -> None:
        """Remove an entry durably; a missing one is accepted.

        Raises:
            OSError: it cannot be removed.
        """

    def set_aside(self, name: str) -> str:
        """Move what is not an entry out of the inbox, unread and without following it; return how messages name it.

        Raises:
            OSError: it cannot be moved.
        """


class StoreCheck(Struct, frozen=True, kw_only=True):
    """A promise of a place for the state: whether it is kept, as a sentence, and what to do where it is not."""

    verdict: Literal["ok", "note", "warning", "problem"]
    seen: str
    next: str | None = None


class StateStore(Protocol):
    """A place for the state: journal, lease, files and inbox, and a folder of this machine to work in."""

    @property
    def address(self) -> str:
        """Return the `--state` value that leads here."""

    @property
    def work(self) -> StateFolder:
        """Return the folder of this machine where runs work: downloads, packed uploads, the emulator."""

    @property
    def folder(self) -> StateFolder | None:
        """Return the folder that is the state, or None if the state is elsewhere.

        What only a folder has is looked for there: notes of the journal's end, and files that no event speaks of.
        """

    @property
    def blobs(self) -> Blobs:
        """Return the files."""

    @property
    def inbox(self) -> Inbox:
        """Return what people left for the run that holds the state."""

    @property
    def partitions(self) -> int:
        """Return the number of partitions of the state; 1 if it is not partitioned.

        Raises:
            StateError: that cannot be looked up, or no state was begun elsewhere than in a folder.
        """

    @property
    def lineage(self) -> str:
        """Return the random id of the state; "" where none was begun, and in a folder that is not a partition.

        Of a state with partitions it is `partitions.lineage_of` theirs.
        """

    @property
    def number(self) -> int | None:
        """Return which partition of a state this is, counted from 0; None of a state of its own.

        Raises:
            StateError: that cannot be looked up, or no state was begun elsewhere than in a folder.
        """

    def part(self, number: int) -> str:
        """Return the address of a partition."""

    def divide(self, partitions: int) -> None:
        """Make one state of that many partitions, which were begun before.

        Raises:
            StateError: there is a state here, or the place does not keep what it promises.
        """

    def begin(self, number: int | None = None) -> None:
        """Begin a state, or the partition of that number, in a fresh place; but for a folder nothing else does.

        Raises:
            StateError: there is one, or the place does not keep what it promises.
        """

    def is_begun(self) -> bool:
        """Return whether there is a state here.

        Raises:
            StateError: that cannot be looked up, or something else is here.
        """

    def arriving(self) -> "StateStore":
        """Return the place where a state is copied to before it is one here; what an earlier try copied is in it."""

    def arrive(self, number: int | None = None) -> None:
        """Make a state of what was copied, or the partition of that number.

        Raises:
            StateError: that cannot be done, or there is a state here by now.
        """

    def require_journal(self) -> None:
        """Raise a StateError where the journal is gone but what runs left is not, or no state was begun elsewhere."""

    def open_log(self, *, afresh: bool = False) -> EventLog:
        """Open the journal for writing; begin one where the place is fresh. `afresh` is as of `read_log`.

        Raises:
            StateError: it is missing, foreign, damaged or cannot be written.
        """

    def read_log(self, *, afresh: bool = False) -> EventLog | None:
        """Open the journal for reading, or return None before the first run. It creates nothing.

        With `afresh` it is read from the state itself, and from no copy that this machine may have of it.

        Raises:
            StateError: it is missing, foreign or damaged.
        """

    def lost_here(self, log: EventLog) -> str | None:
        """Return how a journal that was opened afresh falls short of this machine's copy of it, as a clause."""

    def set_copy_aside(self) -> None:
        """Keep that copy under another name, so that nothing is compared with it any more."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Show readers within the state as it is at the first look, where looking again would take time."""

    def lease(self, run_id: str, *, timeout: float) -> AbstractContextManager[Lease]:
        """Hold the state for one run; wait up to `timeout` seconds for it.

        Raises:
            LockedError: another run holds it; the message says who and since when.
            StateError: the place cannot be written, or does not keep what it promises.
        """

    def checks(self) -> Sequence[StoreCheck]:
        """Return what the place promises and whether it keeps it; a folder is looked at by `retrain doctor` itself.

        Raises:
            StateError: the place cannot be looked at, or no state was begun there.
        """

    def holder(self) -> Held | None:
        """Return who holds the state, or None if nobody does.

        Raises:
            StateError: that cannot be looked up.
        """
