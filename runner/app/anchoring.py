"""How far a journal is held by something outside it: a head kept elsewhere, or a signature by a trusted key.

Whoever can write the state can rewrite the whole chain. What an anchor covers, the events up to its own, can then no
longer be changed unseen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from runner.app.evidence import Evidence
from runner.app.git_notes import DEFAULT_REF, noted_heads, repository_of
from runner.app.strangers import Finding
from runner.app.testimony import Testimony
from runner.audit.envelope import LARGEST, Envelope, MalformedError, Proven, Wrong, check_signatures, read_envelope
from runner.audit.head import Head, parse_head, places_of, read_head
from runner.audit.keys import PublicKey
from runner.audit.layout import ATTESTATION
from runner.audit.statement import by_run, recorded, statement
from runner.durable import open_file
from runner.errors import UsageError
from runner.journal.chain import GENESIS, Link
from runner.journal.events import ReportWritten
from runner.journal.progress import RunRecord

_GIT = "git"
_LARGEST_HEAD_FILE = 64 * 1024 * 1024


class Anchor(Struct, frozen=True, kw_only=True):
    """Something outside the journal that holds its events up to `events`."""

    by: str
    events: int


class Anchoring(Struct, frozen=True, kw_only=True):
    """What holds, what does not, and signatures that prove nothing to whoever verifies."""

    anchors: tuple[Anchor, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def __add__(self, other: "Anchoring") -> "Anchoring":
        return Anchoring(
            anchors=self.anchors + other.anchors,
            findings=self.findings + other.findings,
            notes=self.notes + other.notes,
        )

    @property
    def events(self) -> int:
        """Return how many events are held."""
        return max((one.events for one in self.anchors), default=0)


def check_head(wanted: str, journal: Testimony, *, part: bool) -> Anchoring:
    """Look for a head kept elsewhere in the journal: SHA256, SHA256@EVENTS, a file, or `git` for the git notes.

    Git notes hold many heads: of those after the end of a bundle, which is a part of its journal, nothing is asked.

    Raises:
        UsageError: it is none of these, or the file or the notes cannot be read.
    """
    name, _, ref = wanted.partition(":")
    repository = repository_of(journal.last_run.started if journal.last_run else None)
    if name == _GIT:
        heads, by = noted_heads(repository, ref or DEFAULT_REF, next(journal.links.digests(), GENESIS)), "a git note"
        heads = [one for one in heads if (one.events or 0) <= len(journal.links)] if part else heads
    else:
        heads, by = [parse_head(wanted) or _head_in_file(wanted)], "--head"
    if not heads:
        what = "hold no head of this journal: it is another one, or it was rewritten from its start"
        return Anchoring(findings=(Finding(where=f"the git notes of {repository}", what=what),))
    found, places = Anchoring(), places_of(heads, journal.links.digests())
    for head in heads:
        found += _compared(head, places.get(head), by)
    return found


def _compared(head: Head, place: int | None, by: str) -> Anchoring:
    if place is not None:
        return Anchoring(anchors=(Anchor(by=f"{by} {head.sha256[:12]}", events=place),))
    what = f"does not contain the head {head} of {by}: it was cut, rewritten, ends before it, or is another one"
    return Anchoring(findings=(Finding(where="the journal", what=what),))


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
) -> Anchoring:
    """Check every signature that lies beside the runs."""
    signed = {run.run_id for run in runs if _lies_there(evidence, run.run_id)}
    own = by_run(one for one in links if one.event.run_id in signed) if signed else {}
    found = Anchoring()
    for run in runs:
        if run.run_id in signed:
            found += _attestation(evidence, own[run.run_id], run.run_id, trusted)
    return found


def uncovered(anchoring: Anchoring, links: Iterable[Link], runs: Iterable[RunRecord]) -> Iterator[Finding]:
    """Yield the runs that no trusted signature holds: neither their own nor that of a later run."""
    ends = {one.event.run_id: one.event.seq for one in links if isinstance(one.event.fact, ReportWritten)}
    for run in runs:
        if ends.get(run.run_id, 0) > anchoring.events:
            yield Finding(where=f"run {run.run_id}", what="is covered by no signature of a trusted key")


def read_attestation(evidence: Evidence, run_id: str) -> Envelope | None:
    """Return the signatures beside a run, None where there are none.

    Raises:
        MalformedError: what lies there is no attestation.
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
    """Tell whether there is an attestation of a run, sound or not."""
    try:
        return read_attestation(evidence, run_id) is not None
    except MalformedError:
        return True


def _attestation(evidence: Evidence, own: Sequence[Link], run_id: str, trusted: Mapping[str, PublicKey]) -> Anchoring:
    where, end = evidence.shown(f"runs/{run_id}/{ATTESTATION}"), recorded(own)
    try:
        envelope = read_attestation(evidence, run_id)
        if envelope is None:
            return Anchoring()
        if end is None or envelope.content != statement(own, run_id):
            return Anchoring(findings=(Finding(where=where, what="is not about the run as the journal has it"),))
    except MalformedError as error:
        return Anchoring(findings=(Finding(where=where, what=f"is no attestation: {error}"),))
    return _signatures(where, envelope, trusted, end.event.seq)


def _signatures(where: str, envelope: Envelope, trusted: Mapping[str, PublicKey], end: int) -> Anchoring:
    anchors, findings, notes = list[Anchor](), list[Finding](), list[Finding]()
    for check in check_signatures(envelope, trusted):
        if isinstance(check, Proven):
            anchors.append(Anchor(by=f"a signature of key {check.key_id}", events=end))
        elif isinstance(check, Wrong):
            findings.append(Finding(where=where, what=f"has a signature that key {check.key_id} did not make"))
        else:
            what = f"has a signature that says it is of key {check.key_id}; unproven, since no such key is trusted"
            notes.append(Finding(where=where, what=what))
    return Anchoring(anchors=tuple(anchors), findings=tuple(findings), notes=tuple(notes))
