"""Writes what drives record into the journal, and keeps the progress in step with it."""

from collections.abc import Sequence

from msgspec import Struct

from runner.execute.commands import Record
from runner.execute.ports import Clock
from runner.journal.events import Draft, Fact
from runner.journal.progress import Progress
from runner.journal.state_store import EventLog
from runner.lib.timestamps import stamp


class Recorder(Struct, frozen=True, kw_only=True):
    """The only writer of a run. After `commit` returns, the facts are on disk and `progress` knows them."""

    store: EventLog
    progress: Progress
    clock: Clock
    run_id: str

    def commit(self, records: Sequence[tuple[str, Record]]) -> None:
        """Write the records of several models in one transaction.

        Raises:
            StateError: they could not be written; none of them was.
        """
        self.append([draft for model, one in records for draft in self._drafts(model, one)])

    def run_fact(self, fact: Fact) -> None:
        """Write a fact about the run itself."""
        self.run_fact_for(self.run_id, fact)

    def run_fact_for(self, run_id: str, fact: Fact) -> None:
        """Write a fact about a run, this one or an earlier one that was lost."""
        self.append([Draft(at=stamp(self.clock.now()), run_id=run_id, model=None, fact=fact)])

    def _drafts(self, model: str, one: Record) -> list[Draft]:
        *others, last = one.facts
        return [*(self._draft(model, fact, None) for fact in others), self._draft(model, last, one.guard)]

    def _draft(self, model: str | None, fact: Fact, guard: str | None) -> Draft:
        return Draft(at=stamp(self.clock.now()), run_id=self.run_id, model=model, fact=fact, guard=guard)

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write drafts in one transaction and let the progress follow."""
        for one in self.store.append(drafts):
            self.progress.add(one)
