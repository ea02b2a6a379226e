"""Journals of simulated runs: the real store, or one in memory that keeps to the same rules and costs nothing."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from runner.journal.chain import Link
from runner.journal.events import Draft
from runner.journal.folder import StateFolder
from runner.journal.state_store import EventLog
from runner.journal.store import Store, open_store
from tests.fakes.memory_state import MemoryEvents, MemoryLog


class Ledger(MemoryEvents):
    """What became durable, in order: the judge's view, kept apart from what runners read."""

    def __init__(self, folder: Path, *, on_disk: bool) -> None:
        super().__init__()
        self.state = StateFolder(folder)
        self.on_disk = on_disk

    def lose(self) -> None:
        """Forget everything, as when the state folder is gone."""
        self.clear()
        shutil.rmtree(self.state.root, ignore_errors=True)
        self.state.root.mkdir()

    def open(self) -> EventLog:
        """Open the journal as a runner does."""
        if not self.on_disk:
            return MemoryLog(self)
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
