"""Journals of simulated runs: the real store, or one in memory that keeps to the same rules and costs nothing."""

import shutil
from collections.abc import Generator, Sequence
from pathlib import Path

from runner.errors import StateError
from runner.journal.chain import GENESIS, Link, Row, link, read_chain
from runner.journal.events import Draft
from runner.journal.folder import StateFolder
from runner.journal.store import GuardTakenError, Store, open_store


class Ledger:
    """What became durable, in order: the judge's view, kept apart from what runners read."""

    def __init__(self, folder: Path, *, on_disk: bool) -> None:
        self.state = StateFolder(folder)
        self.on_disk = on_disk
        self.links: list[Link] = []
        self.rows: list[Row] = []
        self.guards: set[str] = set()

    def lose(self) -> None:
        """Forget everything, as when the state folder is gone."""
        self.links, self.rows, self.guards = [], [], set()
        shutil.rmtree(self.state.root, ignore_errors=True)
        self.state.root.mkdir()

    def open(self) -> Store:
        """Open the journal as a runner does."""
        if not self.on_disk:
            return MemoryStore(self)
        open_store(self.state).close()
        return WatchedStore(self)


class WatchedStore(Store):
    """The real store; what it has made durable is told to the judge."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger.state.journal, writable=True)
        self._ledger = ledger

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        links = super().append(drafts)
        self._ledger.links += links
        return links


class MemoryStore(Store):
    """A journal in memory: one head, unique guards, whole transactions; the chain is the real one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._head: tuple[int, str] | None = None
        self._guards: set[str] = set()

    def read(self) -> Generator[Link]:
        last = (0, GENESIS)
        for one in read_chain(list(self._ledger.rows)):
            last = (one.event.seq, one.sha256)
            yield one
        if self._head is None:
            self._head = last

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        ledger, links = self._ledger, list[Link]()
        seq, prev = self.head
        for draft in drafts:
            links.append(link(draft, seq=seq + 1, prev=prev))
            seq, prev = links[-1].event.seq, links[-1].sha256
        if self.head != ((ledger.rows[-1].seq, ledger.rows[-1].sha256) if ledger.rows else (0, GENESIS)):
            raise StateError("Another runner has written to the journal.", hint="Run again.")
        guards = [one.event.guard for one in links if one.event.guard is not None]
        if len(set(guards)) < len(guards) or not ledger.guards.isdisjoint(guards):
            raise GuardTakenError
        ledger.guards |= set(guards)
        ledger.rows += [Row(seq=x.event.seq, body=x.body, sha256=x.sha256, guard=x.event.guard) for x in links]
        ledger.links += links
        self._head = (seq, prev)
        return links

    def close(self) -> None:
        """Nothing is held."""
