"""What an audit keeps of a journal: its events packed, and the runs that they make up."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from runner.journal.chain import Link
from runner.journal.event_buffer import EventBuffer
from runner.journal.events import ReportWritten, ResultDownloaded, ResultsPruned, RunFinished, RunStarted, StateMoved
from runner.journal.progress import Progress, RunRecord


class JournalSummary(Struct, frozen=True, kw_only=True):
    """A journal that was read once. `stored` are the results in it, each with the run that stored it, oldest first.

    `progress` knows the runs and the removals of results; models are not a part of it, as what is known of them takes
    much room.
    """

    links: EventBuffer
    progress: Progress
    stored: tuple[tuple[str, ResultDownloaded], ...]

    @property
    def head_sha256(self) -> str:
        """Return the SHA-256 of the last event, nothing where there is none."""
        return self.links.head_sha256

    @property
    def last_run(self) -> RunRecord | None:
        """Return the run that began last."""
        return next(reversed(self.progress.runs.values()), None)

    def results(self, run_ids: Iterable[str]) -> Iterator[ResultDownloaded]:
        """Yield the results that these runs stored."""
        ids = frozenset(run_ids)
        return (fact for run_id, fact in self.stored if run_id in ids)

    def newest_results(self) -> dict[tuple[str, str], ResultDownloaded]:
        """Return the last stored result of each retrain job and SHA-256: one that was lost may have come again."""
        return {(fact.retrain_job_id, fact.sha256): fact for _, fact in self.stored}


def hear(links: Iterable[Link]) -> JournalSummary:
    """Take in a whole journal, each event once.

    Raises:
        StateError: its chain is broken, or an event about a run does not fit to those before it.
    """
    packed, progress, stored = EventBuffer(), Progress(), list[tuple[str, ResultDownloaded]]()
    for link in links:
        packed.append(link)
        fact = link.event.fact
        if isinstance(fact, RunStarted | RunFinished | ReportWritten | ResultsPruned | StateMoved):
            progress.add(link)
        elif isinstance(fact, ResultDownloaded):
            stored.append((link.event.run_id, fact))
    return JournalSummary(links=packed, progress=progress, stored=tuple(stored))
