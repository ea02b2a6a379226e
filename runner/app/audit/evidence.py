"""What an audit reads: a journal and the files it speaks of, in a state folder or in a bundle made from one."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import Struct

from runner.app.git_notes import note_place, repository, write_note
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.open_state import open_state
from runner.app.state.partitions import has_run
from runner.app.state.read_state import no_journal
from runner.app.state.unrecorded_files import Finding
from runner.audit.bundle_layout import (
    INDEX,
    JOURNAL,
    LARGEST_INDEX,
    STATEMENT,
    Container,
    DamagedError,
    Index,
    MalformedIndexError,
    read_index,
    sha256_of,
)
from runner.audit.statement import statement
from runner.errors import StateError, UsageError
from runner.journal.chain import START, EventBuffer, Link, read_lines
from runner.journal.events import ReportWritten, ResultDownloaded, ResultsPruned, RunFinished, RunStarted, StateMoved
from runner.journal.progress import Progress, RunRecord
from runner.journal.state_store import StateStore
from runner.lib.atomic_files import open_file


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
        """Return the SHA-256 of the last event, or an empty text for an empty journal."""
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


class Evidence(Protocol):
    """A journal and files by their paths relative to the state folder."""

    def journal_summary(self) -> JournalSummary:
        """Return the whole journal; raises StateError where its chain is broken."""

    def open(self, name: str) -> BinaryIO:
        """Open a file as a seekable stream; raises OSError when it is not there or cannot be read."""

    def holds(self, name: str) -> bool:
        """Return whether anything is at that name."""

    def shown(self, name: str) -> str:
        """Return how a finding names the file."""


class StateEvidence:
    """The state itself; `folder` is None if it is elsewhere than in a folder of this machine."""

    def __init__(self, state: StateStore) -> None:
        self.state = state
        self.folder = state.folder

    def links(self) -> list[Link]:
        """Return the whole journal as it was read.

        Raises:
            UsageError: there is none yet.
            StateError: it is missing, foreign or damaged.
        """
        with self._reading() as links:
            return list(links)

    def journal_summary(self) -> JournalSummary:
        """Return what an audit needs of the whole journal; raises as `links`."""
        with self._reading() as links:
            return hear(links)

    @contextmanager
    def _reading(self) -> Iterator[Iterator[Link]]:
        store = self.state.read_log(afresh=True)
        if store is None:
            raise no_journal(self.state)
        try:
            yield store.read()
        finally:
            store.close()

    def open(self, name: str) -> BinaryIO:
        """Open a file of the state."""
        return self.state.blobs.open(name)

    def holds(self, name: str) -> bool:
        """Return whether anything is at that name, a link that leads nowhere included."""
        return self.state.blobs.holds(name)

    def shown(self, name: str) -> str:
        """Return the file's path or address."""
        return self.state.blobs.shown(name)


class BundleEvidence:
    """A bundle: one zip file."""

    def __init__(self, path: Path, container: Container) -> None:
        self.path = path
        self.container = container

    def journal_summary(self) -> JournalSummary:
        """Return the journal from its first event to the one that recorded the bundled run's report.

        Raises:
            StateError: it is missing or its chain is broken.
        """
        try:
            with self.container.open(JOURNAL) as stream:
                return hear(read_lines(stream))
        except OSError as error:
            raise not_a_bundle(self.path, error) from None

    def open(self, name: str) -> BinaryIO:
        """Open a member."""
        return self.container.open(name)

    def holds(self, name: str) -> bool:
        """Return whether there is such a member."""
        return self.container.holds(name)

    def shown(self, name: str) -> str:
        """Return the bundle's path and the member's name."""
        return f"{self.path}:{name}"


def state_evidence(state: str) -> StateEvidence:
    """Return the evidence in a `--state` value."""
    return StateEvidence(open_state(state))


@contextmanager
def bundle_evidence(path: Path) -> Iterator[BundleEvidence]:
    """Open a bundle.

    Raises:
        UsageError: the file cannot be opened.
        StateError: it is not a bundle.
    """
    try:
        stream = open_file(path)
    except OSError as error:
        raise UsageError(
            f"The bundle {path} cannot be opened: {error.strerror}.", hint="Check the file's name."
        ) from None
    with stream:
        try:
            container = Container(stream)
        except DamagedError as error:
            raise not_a_bundle(path, error) from None
        yield BundleEvidence(path, container)


def not_a_bundle(path: Path, error: OSError) -> StateError:
    """Return the error that says why a file is not a bundle."""
    return StateError(
        f"{path} is not a bundle of a run, or it is damaged: {error.strerror or error}.",
        hint="Get the file again from where it is kept, or make it again (`retrain audit bundle --help`).",
    )


def other_content(evidence: Evidence, name: str, sha256: str, recorded: str) -> Iterator[Finding]:
    """Yield that a file cannot be read, or is not what a record says; `recorded` names the record in the sentence."""
    try:
        with evidence.open(name) as stream:
            found = sha256_of(stream)
    except OSError as error:
        yield Finding(where=evidence.shown(name), what=f"cannot be read: {error.strerror or error}")
        return
    if found != sha256:
        yield Finding(where=evidence.shown(name), what=f"has SHA-256 {found[:12]}, {recorded} {sha256[:12]}")


class KeptHead(Struct, frozen=True, kw_only=True):
    """The number of events, the SHA-256 of the last, and where it was noted, if it was."""

    events: int
    head_sha256: str
    commit: str | None = None
    repository: str | None = None
    ref: str | None = None


class Note(Struct, frozen=True, kw_only=True):
    """Where a head is noted: the name of the notes, and a folder in the operator's repository."""

    name: str
    repository: Path = Path()


def head(state: str, *, note: Note | None = None, may_be_empty: bool = False) -> KeptHead:
    """Return the head of a journal whose chain holds; write it as a git note if one is named.

    With `may_be_empty`, the head of a journal without events is 0 and the digest before the first event.

    Raises:
        UsageError: there is no journal or no event in it, or git refuses the note.
        StateError: the journal is foreign or damaged, or events are missing that a note would have to vouch for.
    """
    evidence = state_evidence(state)
    if may_be_empty and not has_run(state):
        return KeptHead(events=START[0], head_sha256=START[1])
    links = evidence.links()
    if not links:
        raise UsageError("The journal has no event yet.", hint="Begin with `retrain run`, or check --state.")
    if note is None:
        return KeptHead(events=len(links), head_sha256=links[-1].sha256)
    refuse_noted_loss(state)
    checkout = repository(note.repository, foreign_to=evidence.folder.root if evidence.folder else None)
    place, commit = note_place(checkout, note.name), write_note(checkout, note.name, links)
    return KeptHead(
        events=len(links), head_sha256=links[-1].sha256, commit=commit, repository=place.repository, ref=place.ref
    )


def bundled_run(evidence: BundleEvidence, progress: Progress) -> RunRecord:
    """Return the run a bundle was made of.

    Raises:
        StateError: the index cannot be read, or the journal does not have its run.
    """
    run = progress.runs.get(_index(evidence).run_id)
    if run is None or run.report is None:
        raise StateError(
            f"The journal in {evidence.path} has no recorded report of the run the bundle names.",
            hint="The bundle was changed or cut; get it again from where it is kept.",
        )
    return run


def bundle_findings(evidence: BundleEvidence, journal: JournalSummary, run: RunRecord) -> Iterator[Finding]:
    """Yield what is wrong with the bundle as such."""
    index = _index(evidence)
    yield from _members(evidence, index)
    events, head = len(journal.links), journal.head_sha256
    if (index.journal.events, index.journal.head_sha256) != (events, head):
        what = f"ends with event {events}, {head[:12]}; the index names another end"
        yield Finding(where=f"the journal in {evidence.path}", what=what)
    recorded = [(file.path, file.sha256) for file in run.started.manifest.files]
    if [(file.path, file.sha256) for file in index.manifest] != recorded:
        yield Finding(where=evidence.shown(INDEX), what="names other manifest files than the run read")
    for entry in index.manifest:
        if entry.member is not None and index.files.get(entry.member) != entry.sha256:
            yield Finding(where=evidence.shown(entry.member), what=f"is not {entry.path} as the run read it")
    own = [link for link in journal.links if link.event.run_id == run.run_id]
    if index.files.get(STATEMENT) != hashlib.sha256(statement(own, run.run_id)).hexdigest():
        yield Finding(where=evidence.shown(STATEMENT), what="is not what the journal says of the run")
    if not evidence.container.is_as_packed():
        what = "was packed again or changed outside its members; only the file as it was made is evidence"
        yield Finding(where=str(evidence.path), what=what)


def _members(evidence: BundleEvidence, index: Index) -> Iterator[Finding]:
    """Compare each member with the index, by name and by content."""
    for name in evidence.container.names:
        if name != INDEX and name not in index.files:
            yield Finding(where=evidence.shown(name), what="is not in the bundle's index")
    for name, sha256 in index.files.items():
        yield from other_content(evidence, name, sha256, "the bundle's index says")


def _index(evidence: BundleEvidence) -> Index:
    try:
        with evidence.open(INDEX) as stream:
            return read_index(stream.read(LARGEST_INDEX + 1))
    except OSError as error:
        raise not_a_bundle(evidence.path, error) from None
    except MalformedIndexError:
        raise not_a_bundle(evidence.path, OSError(f"its {INDEX} is not one that this version writes")) from None
