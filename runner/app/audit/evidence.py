"""What an audit reads: a journal and the files it speaks of, in a state folder or in a bundle made from one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from runner.app.audit.journal_summary import JournalSummary, hear
from runner.app.state.open_state import open_state
from runner.app.state.unrecorded_files import Finding
from runner.audit.bundle_layout import JOURNAL
from runner.audit.container import Container, DamagedError, sha256_of
from runner.errors import StateError, UsageError
from runner.journal.chain import Link, read_lines
from runner.journal.state_store import StateStore
from runner.lib.atomic_files import open_file


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
    """The state itself; `folder` is None where it is elsewhere than in a folder of this machine."""

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
            raise UsageError(
                f"There is no journal in {self.state.address}.", hint="Begin with `retrain run`, or check --state."
            )
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
