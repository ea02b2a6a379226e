"""`retrain audit head`: the journal's head, to be kept where whoever writes the state cannot change it."""

from pathlib import Path

from msgspec import Struct

from runner.app.audit.evidence import state_evidence
from runner.app.git_notes import note_place, repository, write_note
from runner.app.state.loss import refuse_noted_loss
from runner.errors import UsageError


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


def head(state: str, *, note: Note | None = None) -> KeptHead:
    """Return the head of a journal whose chain holds; write it as a git note if one is named.

    Raises:
        UsageError: there is no journal or no event in it, or git refuses the note.
        StateError: the journal is foreign or damaged, or events are missing that a note would have to vouch for.
    """
    evidence = state_evidence(state)
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
