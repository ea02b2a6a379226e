"""`retrain audit head`: the journal's head, to be kept where whoever writes the state cannot change it."""

from msgspec import Struct

from runner.app.evidence import state_evidence
from runner.app.git_notes import repository_of, write_note
from runner.errors import UsageError
from runner.journal.events import RunStarted


class KeptHead(Struct, frozen=True, kw_only=True):
    """The number of events, the SHA-256 of the last, and the commit it was noted on, if it was."""

    events: int
    head_sha256: str
    commit: str | None = None


def head(state: str, *, git_note: str | None = None) -> KeptHead:
    """Return the head of a journal whose chain holds; write it as a git note of this name if one is given.

    Raises:
        UsageError: there is no journal or no event in it, or git refuses the note.
        StateError: the journal is foreign or damaged.
    """
    links = state_evidence(state).links()
    if not links:
        raise UsageError("The journal has no event yet.", hint="Run `retrain run` first, or check --state.")
    started = next((one.event.fact for one in reversed(links) if isinstance(one.event.fact, RunStarted)), None)
    commit = None if git_note is None else write_note(repository_of(started), git_note, links)
    return KeptHead(events=len(links), head_sha256=links[-1].sha256, commit=commit)
