"""How far a journal is held by something outside it: a head kept elsewhere, or a signature by a trusted key.

Whoever can write the state can rewrite the whole chain. What an anchor covers, the events up to its own, can then no
longer be changed unseen.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from runner.app.audit.evidence import Evidence, JournalSummary
from runner.app.git_notes import (
    DEFAULT_REF,
    NotedHead,
    NotedIn,
    commit_of,
    note_place,
    noted_heads,
    repository,
)
from runner.app.state.unrecorded_files import Finding
from runner.audit.bundle_layout import ATTESTATION, Head, parse_head, places_of, read_head
from runner.audit.envelope import (
    LARGEST,
    Envelope,
    InvalidSignature,
    MalformedError,
    PublicKey,
    ValidSignature,
    check_signatures,
    read_envelope,
)
from runner.audit.statement import by_run, recorded, statement
from runner.errors import UsageError
from runner.journal.chain import GENESIS, Link
from runner.journal.events import ReportWritten, RunStarted
from runner.journal.progress import RunRecord
from runner.lib.atomic_files import open_file

_NOTES = re.compile(r"git(:(?P<repository>.+?))?(@(?P<ref>[A-Za-z0-9_/-]+))?", re.DOTALL)
_LARGEST_HEAD_FILE = 64 * 1024 * 1024


class Anchor(Struct, frozen=True, kw_only=True):
    """Something outside the journal that vouches for its events up to `events`; `by` says what it is.

    A git note is in `repository`, under `ref`, on `commit`; `remote` is the repository's origin. A head was read from
    `file`, unless it was given itself. A signature is of the key `key_id`.
    """

    kind: Literal["git_note", "head", "signature"]
    events: int
    by: str
    repository: str | None = None
    ref: str | None = None
    commit: str | None = None
    remote: str | None = None
    file: str | None = None
    key_id: str | None = None


class AnchorCheck(Struct, frozen=True, kw_only=True):
    """What holds, what does not, and signatures that prove nothing to whoever verifies."""

    anchors: tuple[Anchor, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def __add__(self, other: "AnchorCheck") -> "AnchorCheck":
        return AnchorCheck(
            anchors=self.anchors + other.anchors,
            findings=self.findings + other.findings,
            notes=self.notes + other.notes,
        )

    @property
    def events(self) -> int:
        """Return how many events are held."""
        return max((anchor.events for anchor in self.anchors), default=0)


def check_head(wanted: str, journal: JournalSummary, *, evidence: Path | None) -> AnchorCheck:
    """Look for a head kept elsewhere in the journal: SHA256, SHA256@EVENTS, a file, or `git[:REPO][@REF]`.

    `evidence` is the state folder, None for a bundle, which is a part of its journal: git notes hold many heads, and
    of those after its end nothing is asked.

    Raises:
        UsageError: it is none of these, or the file or the notes cannot be read.
    """
    notes = _NOTES.fullmatch(wanted)
    if notes:
        return _check_notes(Path(notes["repository"] or "."), notes["ref"] or DEFAULT_REF, journal, evidence)
    head, by = parse_head(wanted), "the head that was given"
    if head is None:
        head, by = _head_in_file(wanted), f"the head in {wanted}"
    place = places_of([head], journal.links.digests()).get(head)
    if place is None:
        return _missing(head, by)
    if parse_head(wanted) is None and evidence is not None and lies_in(Path(wanted), evidence):
        what = "is in the state that is verified and vouches for itself: it anchors nothing; give a head kept elsewhere"
        return AnchorCheck(notes=(Finding(where=wanted, what=what),))
    file = None if parse_head(wanted) else str(Path(wanted).absolute())
    return AnchorCheck(anchors=(Anchor(kind="head", events=place, by=f"{by}, {head.sha256[:12]}", file=file),))


def _check_notes(folder: Path, ref: str, journal: JournalSummary, evidence: Path | None) -> AnchorCheck:
    """Compare the journal with each of its heads in the git notes of the verifier's repository."""
    checkout = repository(folder, foreign_to=evidence)
    place, length = note_place(checkout, ref), len(journal.links)
    noted = noted_heads(checkout, ref, next(journal.links.digests(), GENESIS))
    if evidence is None:
        noted = [note for note in noted if (note.head.events or 0) <= length]
    shown = f"{place.ref} of {place.repository}"
    if not noted:
        what = "hold no head of this journal: they belong to another journal, or this one was rewritten from its start"
        return AnchorCheck(findings=(Finding(where=f"the git notes {shown}", what=what),))
    found, places = AnchorCheck(), places_of({note.head for note in noted}, journal.links.digests())
    commits = _commits(journal.links)
    for note in noted:
        events = places.get(note.head)
        if events is None:
            found += _missing(note.head, f"the note on commit {note.commit[:12]} in {shown}")
        else:
            found += _noted(note, events, place, _commit_at(commits, events))
    if not found.anchors and not found.findings:
        what = "hold no head on the commit of the manifest that its run recorded"
        found += AnchorCheck(findings=(Finding(where=f"the git notes {shown}", what=what),))
    return found


def _noted(noted: NotedHead, events: int, place: NotedIn, recorded: str | None) -> AnchorCheck:
    """Return the anchor that a note is; a note on another commit than that of the run's manifest is not an anchor."""
    shown = f"{place.ref} of {place.repository}"
    if recorded not in (None, noted.commit):
        where = f"the note on commit {noted.commit[:12]} in {shown}"
        what = f"is about a run whose manifest is of commit {(recorded or '')[:12]}: it anchors nothing"
        return AnchorCheck(notes=(Finding(where=where, what=what),))
    remote = f", remote {place.remote}" if place.remote else ""
    by = f"a git note on commit {noted.commit[:12]}, {shown}{remote}"
    return AnchorCheck(
        anchors=(
            Anchor(
                kind="git_note",
                events=events,
                by=by,
                repository=place.repository,
                ref=place.ref,
                commit=noted.commit,
                remote=place.remote,
            ),
        )
    )


def _commits(links: Iterable[Link]) -> list[tuple[int, str | None]]:
    """Return where each run begins, and the commit of its manifest."""
    return [(link.event.seq, commit_of(link.event.fact)) for link in links if isinstance(link.event.fact, RunStarted)]


def _commit_at(commits: Sequence[tuple[int, str | None]], events: int) -> str | None:
    """Return the commit of the manifest of the run that an event belongs to."""
    return next((commit for begin, commit in reversed(commits) if begin <= events), None)


def _missing(head: Head, by: str) -> AnchorCheck:
    what = (
        f"does not contain the head {head} of {by}: it was cut or rewritten, ends before that event, or is another "
        "journal"
    )
    return AnchorCheck(findings=(Finding(where="the journal", what=what),))


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a file is inside a folder, whatever links lead to it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _head_in_file(wanted: str) -> Head:
    try:
        with open_file(Path(wanted)) as stream:
            head = read_head(stream.read(_LARGEST_HEAD_FILE))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{wanted} is neither a SHA-256 nor a file that can be read: {getattr(error, 'strerror', error)}.",
            hint="Give SHA256, SHA256@EVENTS, a file with a kept head or report.json, or `git`.",
        ) from None
    if head is None:
        raise UsageError(
            f"{wanted} holds no head of a journal.",
            hint="Keep what `retrain audit head` prints, or a run's report.json.",
        )
    return head


def check_attestations(
    evidence: Evidence, links: Iterable[Link], runs: Sequence[RunRecord], trusted: Mapping[str, PublicKey]
) -> AnchorCheck:
    """Check every signature that is beside the runs."""
    signed = {run.run_id for run in runs if _lies_there(evidence, run.run_id)}
    own = by_run(link for link in links if link.event.run_id in signed) if signed else {}
    found = AnchorCheck()
    for run in runs:
        if run.run_id in signed:
            found += _attestation(evidence, own[run.run_id], run.run_id, trusted)
    return found


def uncovered(anchoring: AnchorCheck, links: Iterable[Link], runs: Iterable[RunRecord]) -> Iterator[Finding]:
    """Yield the runs that no trusted signature holds: neither their own nor that of a later run."""
    ends = {link.event.run_id: link.event.seq for link in links if isinstance(link.event.fact, ReportWritten)}
    for run in runs:
        if ends.get(run.run_id, 0) > anchoring.events:
            yield Finding(where=f"run {run.run_id}", what="is covered by no signature of a trusted key")


def read_attestation(evidence: Evidence, run_id: str) -> Envelope | None:
    """Return the signatures beside a run, or None without any.

    Raises:
        MalformedError: the file there is not an attestation.
    """
    try:
        with evidence.open(f"runs/{run_id}/{ATTESTATION}") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MalformedError(f"it cannot be read: {error.strerror or error}") from None
    return read_envelope(content)


def _lies_there(evidence: Evidence, run_id: str) -> bool:
    """Return whether there is an attestation of a run, sound or not."""
    try:
        return read_attestation(evidence, run_id) is not None
    except MalformedError:
        return True


def _attestation(evidence: Evidence, own: Sequence[Link], run_id: str, trusted: Mapping[str, PublicKey]) -> AnchorCheck:
    where, end = evidence.shown(f"runs/{run_id}/{ATTESTATION}"), recorded(own)
    try:
        envelope = read_attestation(evidence, run_id)
        if envelope is None:
            return AnchorCheck()
        if end is None or envelope.content != statement(own, run_id):
            return AnchorCheck(findings=(Finding(where=where, what="is not about the run as the journal has it"),))
    except MalformedError as error:
        return AnchorCheck(findings=(Finding(where=where, what=f"is not an attestation: {error}"),))
    return _signatures(where, envelope, trusted, end.event.seq)


def _signatures(where: str, envelope: Envelope, trusted: Mapping[str, PublicKey], end: int) -> AnchorCheck:
    anchors, findings, notes = list[Anchor](), list[Finding](), list[Finding]()
    for check in check_signatures(envelope, trusted):
        if isinstance(check, ValidSignature):
            by = f"a signature of key {check.key_id}"
            anchors.append(Anchor(kind="signature", events=end, by=by, key_id=check.key_id))
        elif isinstance(check, InvalidSignature):
            findings.append(Finding(where=where, what=f"has a signature that key {check.key_id} did not make"))
        else:
            what = f"has a signature that says it is of key {check.key_id}; unproven, since no such key is trusted"
            notes.append(Finding(where=where, what=what))
    return AnchorCheck(anchors=tuple(anchors), findings=tuple(findings), notes=tuple(notes))
