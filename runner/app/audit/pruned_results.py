"""Results that are recorded as removed: no loss where they are gone, and nothing that hides another loss."""

from collections.abc import Iterable, Iterator, Mapping

from runner.app.audit.evidence import Evidence
from runner.app.audit.journal_summary import JournalSummary
from runner.app.state.unrecorded_files import Finding
from runner.journal.events import ResultDownloaded
from runner.journal.progress import Progress
from runner.journal.state_store import Blobs
from runner.journal.stored import Removal, removal_of


class Removed:
    """What a journal says was removed, beside what its evidence holds."""

    def __init__(self, evidence: Evidence, journal: JournalSummary) -> None:
        self._evidence = evidence
        self._journal = journal
        self._gone: dict[str, Removal | None] = {}

    def gone(self, result: ResultDownloaded) -> Removal | None:
        """Return the record that this result is removed, where nothing lies in its place."""
        if result.path not in self._gone:
            found = removal_of(self._journal.progress.removed, result)
            self._gone[result.path] = None if found is None or self._evidence.holds(result.path) else found
        return self._gone[result.path]

    def left(self, results: Iterable[ResultDownloaded]) -> list[ResultDownloaded]:
        """Return those of the results that must be there."""
        return [one for one in results if self.gone(one) is None]

    def findings(self) -> Iterator[Finding]:
        """Yield records of removal about files that the journal never had."""
        known = {(fact.path, fact.sha256) for _, fact in self._journal.stored}
        for path, one in self._journal.progress.removed.items():
            if (path, one.file.sha256) not in known:
                yield Finding(where=f"event {one.seq}", what=f"removes {path}, which was never stored with those bytes")

    def notes(self, results: Iterable[ResultDownloaded], beyond: Mapping[int, int], held: int) -> Iterator[Finding]:
        """Yield one note for each record: how many of these results it took, and how many decisions with them.

        `held` is the number of events that an anchor holds: a record after them may be anybody's.
        """
        taken: dict[int, list[Removal]] = {}
        for result in results:
            found = removal_of(self._journal.progress.removed, result)
            if found is None:
                continue
            if self.gone(result) is None:
                what = "is recorded as removed and still there; the next `retrain prune` removes it unless it is needed"
                yield Finding(where=self._evidence.shown(result.path), what=what)
            else:
                taken.setdefault(found.seq, []).append(found)
        for seq in sorted({*taken, *beyond}):
            decisions = f"{beyond.get(seq, 0)} decision(s) cannot be computed again"
            unheld = "; no anchor holds this record" if 0 < held < seq else ""
            yield Finding(where=f"event {seq}", what=f"{self._told(taken.get(seq, []), seq)}; {decisions}{unheld}")

    def _told(self, taken: list[Removal], seq: int) -> str:
        if len(taken) == 1:
            return f"{taken[0].file.path} {taken[0].told}: {taken[0].why}"
        one = next(one for one in self._journal.progress.removed.values() if one.seq == seq)
        return f"{len(taken)} result files were removed by prune on {one.at:%Y-%m-%d}: {one.why}"


def gone(blobs: Blobs, progress: Progress, result: ResultDownloaded | None) -> Removal | None:
    """Return the record that a stored result is removed, where nothing lies in its place."""
    found = removal_of(progress.removed, result) if result else None
    return None if found is None or blobs.holds(found.file.path) else found
