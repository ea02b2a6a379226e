"""The result files that the journal knows of: which were stored, and which of them were removed later."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from runner.journal.events import Event, PrunedFile, ResultDownloaded, ResultsPruned
from runner.lib.timestamps import moment


class StoredFile(Struct, frozen=True, kw_only=True):
    """A result as it was stored: when, by which run, for which model under its name at that time.

    Its path is where that run stores that model's result: an event with another one is refused.
    """

    fact: ResultDownloaded
    at: datetime
    run_id: str
    realm: str
    model: str


class Removal(Struct, frozen=True, kw_only=True):
    """The record that a result is removed: the number of its event, and what that says."""

    seq: int
    at: datetime
    by: str
    why: str
    file: PrunedFile

    @property
    def told(self) -> str:
        """Return what became of the file, to follow its name."""
        return f"was removed by prune on {self.at:%Y-%m-%d} (sha256 {self.file.sha256[:12]})"


def stored(event: Event, fact: ResultDownloaded, realm: str) -> StoredFile:
    """Return the file that an event says was stored."""
    return StoredFile(fact=fact, at=moment(event.at), run_id=event.run_id, realm=realm, model=event.model or "")


def removals(event: Event, fact: ResultsPruned) -> dict[str, Removal]:
    """Return the records of an event by path."""
    at = moment(event.at)
    return {file.path: Removal(seq=event.seq, at=at, by=fact.by, why=fact.why, file=file) for file in fact.files}


def removal_of(removed: Mapping[str, Removal], result: ResultDownloaded) -> Removal | None:
    """Return the record that this very file is removed; one about other bytes at its path is none."""
    found = removed.get(result.path)
    return found if found is not None and found.file.sha256 == result.sha256 else None
