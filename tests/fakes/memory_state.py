"""A state in memory: the second store, which shows that nothing but `folder_store.py` needs a state folder."""

import hashlib
import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from runner.errors import LockedError, StateError
from runner.journal.chain import START, Link, Row, link, read_chain
from runner.journal.events import Draft
from runner.journal.folder import StateFolder
from runner.journal.lock import Held, this_holder
from runner.journal.state_store import MOST_PENDING, EventLog, GuardTakenError, HeadMovedError, StoreCheck


class MemoryEvents:
    """What became durable, in order: the rows as stored, and the events they are."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.links: list[Link] = []
        self.guards: set[str] = set()

    @property
    def head(self) -> tuple[int, str]:
        """Return the number and SHA-256 of the last event."""
        return (self.rows[-1].seq, self.rows[-1].sha256) if self.rows else START

    def clear(self) -> None:
        """Forget all events."""
        self.rows, self.links, self.guards = [], [], set()


class MemoryLog:
    """An open journal: one head, unique guards, whole transactions; the chain is the real one."""

    def __init__(self, events: MemoryEvents) -> None:
        self._events = events
        self._head: tuple[int, str] | None = None

    @property
    def head(self) -> tuple[int, str]:
        return self._head or START

    def read(self, after: tuple[int, str] = START) -> Generator[Link]:
        last = START
        for event_link in read_chain(self._events.rows[max(after[0] - 1, 0) :], after):
            last = (event_link.event.seq, event_link.sha256)
            if event_link.event.seq > after[0]:
                yield event_link
        if self._head is None:
            self._head = last

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        events, links = self._events, list[Link]()
        seq, prev = self.head
        for draft in drafts:
            links.append(link(draft, seq=seq + 1, prev=prev))
            seq, prev = links[-1].event.seq, links[-1].sha256
        guards = [one.event.guard for one in links if one.event.guard is not None]
        if len(set(guards)) < len(guards) or not events.guards.isdisjoint(guards):
            raise GuardTakenError
        if self.head != events.head:
            raise HeadMovedError
        events.guards |= set(guards)
        events.rows += [Row(seq=x.event.seq, body=x.body, sha256=x.sha256, guard=x.event.guard) for x in links]
        events.links += links
        self._head = (seq, prev)
        return links

    def take_over(self, links: Sequence[Link]) -> None:
        self._events.rows += [Row(seq=x.event.seq, body=x.body, sha256=x.sha256, guard=x.event.guard) for x in links]
        self._events.links += links

    def extent(self) -> tuple[int, str]:
        return len(self._events.rows), self.digest(1) or ""

    def digest(self, seq: int) -> str | None:
        return self._events.rows[seq - 1].sha256 if 0 < seq <= len(self._events.rows) else None

    def settle(self) -> None:
        """It keeps no notes of its end."""

    def close(self) -> None:
        """It holds nothing."""


class MemoryBlobs:
    """Files in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, name: str, pieces: Iterable[bytes]) -> str:
        content = b"".join(pieces)
        self.files[name] = content
        return hashlib.sha256(content).hexdigest()

    def put_all(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
        return {name: self.put(name, pieces) for name, pieces in files}

    def keep(self, name: str, file: Path) -> None:
        self.files[name] = file.read_bytes()

    def open(self, name: str) -> BinaryIO:
        if name not in self.files:
            raise FileNotFoundError(name)
        return io.BytesIO(self.files[name])

    def holds(self, name: str) -> bool:
        return name in self.files

    def names(self, folder: str, after: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(f"{folder}/") and name > f"{folder}/{after}")

    def remove(self, name: str) -> None:
        del self.files[name]

    def shown(self, name: str) -> str:
        return f"memory://{name}"


class MemoryInbox:
    """Entries in a dictionary."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.aside: dict[str, bytes] = {}

    def post(self, name: str, content: bytes) -> None:
        if name in self.entries:
            raise FileExistsError(name)
        self.entries[name] = content

    def pending(self) -> tuple[str, ...]:
        return tuple(sorted(self.entries)[:MOST_PENDING])

    def read(self, name: str, limit: int) -> bytes:
        if name not in self.entries:
            raise FileNotFoundError(name)
        return self.entries[name][:limit]

    def remove(self, name: str) -> None:
        self.entries.pop(name, None)

    def set_aside(self, name: str) -> str:
        self.aside[name] = self.entries.pop(name)
        return f"memory://aside/{name}"


class MemoryLease:
    """The right to write, while `owner` says so."""

    def __init__(self, state: "MemoryState", run_id: str) -> None:
        self._state = state
        self._run_id = run_id

    def lasts(self) -> bool:
        return self._state.owner == self._run_id

    def has_ended(self, run_id: str) -> bool:
        return run_id not in self._state.alive


class MemoryState:
    """The whole store; `work` is where its runs download and pack."""

    def __init__(self, work: Path) -> None:
        self.events = MemoryEvents()
        self.blobs = MemoryBlobs()
        self.inbox = MemoryInbox()
        self.work = StateFolder(work)
        self.folder = None
        self.address = "memory://state"
        self.partitions = 1
        self.number: int | None = None
        self.lineage = "0" * 32
        self.owner: str | None = None
        self.begun = False
        self.alive: set[str] = set()  # runs whose lease is young although they do not hold the state

    def part(self, number: int) -> str:
        return f"memory://state/{number}"

    def divide(self, partitions: int) -> None:
        self.partitions = partitions

    def begin(self, number: int | None = None) -> None:
        self.number = number
        if self.begun:
            raise StateError("There is a state already.", hint="Use it.")
        self.begun = True

    def checks(self) -> tuple[StoreCheck, ...]:
        return ()

    def is_begun(self) -> bool:
        return self.begun

    def arriving(self) -> "MemoryState":
        return self

    def arrive(self, number: int | None = None) -> None:
        self.number, self.begun = number, True

    def holder(self) -> Held | None:
        return None if self.owner is None else Held(holder=this_holder(self.owner))

    def require_journal(self) -> None:
        """A journal in memory is never missing."""

    def open_log(self, *, afresh: bool = False) -> MemoryLog:  # noqa: ARG002 -- there is no copy
        self.begun = True
        return MemoryLog(self.events)

    def read_log(self, *, afresh: bool = False) -> MemoryLog | None:  # noqa: ARG002 -- there is no copy
        return MemoryLog(self.events) if self.begun else None

    def lost_here(self, log: EventLog) -> None:
        """Return nothing: there is no copy."""

    def set_copy_aside(self) -> None:
        """Do nothing: there is no copy."""

    def snapshot(self) -> AbstractContextManager[None]:
        return nullcontext()

    def lease(self, run_id: str, *, timeout: float) -> AbstractContextManager[MemoryLease]:
        return self._held(run_id, timeout)

    @contextmanager
    def _held(self, run_id: str, _timeout: float) -> Iterator[MemoryLease]:
        if self.owner is not None:
            raise LockedError(f"Run {self.owner} holds the state.", hint="Wait for it to end.")
        self.owner = run_id
        try:
            yield MemoryLease(self, run_id)
        finally:
            self.owner = None
