"""`retrain verify`: the chain, the digests of every file, the schemas, and every decision computed again."""

from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, structs

from runner.app.audit.anchors import Anchor, AnchorCheck, check_attestations, check_head, uncovered
from runner.app.audit.evidence import (
    BundleEvidence,
    Evidence,
    JournalSummary,
    StateEvidence,
    bundle_evidence,
    bundle_findings,
    bundled_run,
    other_content,
    state_evidence,
)
from runner.app.audit.foreign_files import Removed, StateFiles, beside_partitions, look_through
from runner.app.audit.key_files import trusted_keys
from runner.app.audit.recompute import SameBytes, SwitchAudit, check_rendering, check_schemas, recompute_from
from runner.app.state.loss import journal_losses
from runner.app.state.open_state import open_state
from runner.app.state.partitions import each_progress, has_run, partitions_of
from runner.app.state.read_state import full_run_id
from runner.app.state.run_histories import partitions_with
from runner.app.state.unrecorded_files import Finding, unreadable, unrecorded_files, unrecorded_objects
from runner.errors import StateError, UsageError, too_large
from runner.journal.chain import Link
from runner.journal.checkpoint import FILES, LATEST, file_sha256, read_mark
from runner.journal.events import CandidateEvaluated, ResultDownloaded
from runner.journal.progress import Progress, RunRecord, newest_run
from runner.journal.state_store import Blobs
from runner.lib.atomic_files import open_file, read_up_to

_IGNORED = "commands ignore it and read the whole journal; the next run writes a new one"


def checkpoint_findings(blobs: Blobs, runs: Collection[RunRecord]) -> Iterator[Finding]:
    """Yield which files of the checkpoint no run recorded; a run that was cut off had no time to."""
    if any(run.report is None for run in runs):
        return
    recorded = {run.report.checkpoint: run for run in runs if run.report is not None and run.report.checkpoint}
    for name in FILES:
        if blobs.holds(name) and file_sha256(blobs, name) not in recorded:
            yield Finding(where=blobs.shown(name), what=f"is not as a run recorded it: {_IGNORED}")
    mark = read_mark(blobs)
    run = recorded.get(mark.sha256) if mark is not None else None
    sound = mark is not None and run is not None and run.head == (mark.events, mark.head_sha256)
    if blobs.holds(LATEST) and not (sound and mark is not None and file_sha256(blobs, mark.file) == mark.sha256):
        yield Finding(where=blobs.shown(LATEST), what=f"does not name the checkpoint of a run: {_IGNORED}")


_BUNDLE_SUFFIX = ".zip"
_RECORDED = "the journal recorded"  # the SHA-256 of a file


class Demands(Struct, frozen=True, kw_only=True):
    """What the evidence must agree with from outside: a head kept elsewhere, and public keys that must have signed."""

    head: str | None = None
    keys: Sequence[Path] = ()


class Verification(Struct, frozen=True, kw_only=True):
    """What was checked, in numbers, the journal's head, and what does not hold; notes do not fail the check.

    `removed_files` are results that are recorded as removed and gone, `beyond_recomputing` the decisions about them.
    `anchors` are what holds the journal from outside; without one, whoever can write the state can rewrite all of it.
    """

    events: int
    runs: int
    files: int
    decisions: int
    removed_files: int
    beyond_recomputing: int
    head_sha256: str
    anchors: tuple[Anchor, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def anchored_events(self) -> int:
        """Return how many events, from the first, are held by an anchor."""
        return max((anchor.events for anchor in self.anchors), default=0)


NO_DEMANDS = Demands()
_LARGEST_HEADS = 1024 * 1024


def verify(state: str, run: str | None, demands: Demands = NO_DEMANDS) -> Verification:
    """Check a run, a bundle of one, or all runs; all together also for what is beside them and was never recorded.

    Raises:
        StateError: the journal itself is missing or its chain is broken; the message names the event.
        UsageError: the run or bundle does not exist, or a head or key cannot be read.
    """
    if run is not None and is_bundle(run):
        with bundle_evidence(Path(run)) as bundle, _believable(bundle.path):
            return _verify_bundle(bundle, demands)
    evidence = state_evidence(state)
    with _believable(evidence.state.work.journal if evidence.folder else Path(evidence.state.address)):
        return _verify_state(evidence, run, demands)


def verify_each(state: str, run: str | None, demands: Demands = NO_DEMANDS) -> Mapping[str, Verification]:
    """Check the same in each partition of a state that has it, by the partition's address; raises as `verify`.

    A kept head is a line for each partition then, in a file.
    """
    partitions = (state,) if run is not None and is_bundle(run) else partitions_of(state)
    if len(partitions) == 1:
        return {state: verify(state, run, demands)}
    heads = _heads_of(demands.head, partitions)
    each_progress(partitions)  # so that one that is an older copy of itself is refused
    chosen, run = partitions_with(state, run)
    found = {
        part: verify(part, run, structs.replace(demands, head=heads.get(part)))
        for part in chosen
        if run is not None or has_run(part)
    }
    folder = open_state(state).folder
    strange = tuple(beside_partitions(folder, len(partitions))) if folder is not None and run is None else ()
    for part, each in list(found.items())[: bool(strange)]:
        found[part] = structs.replace(each, findings=(*strange, *each.findings))
    return found


def _heads_of(kept: str | None, partitions: Sequence[str]) -> Mapping[str, str]:
    """Return the kept head of each partition that had events, as `retrain audit head` printed them."""
    if kept is None:
        return {}
    try:
        with open_file(Path(kept)) as file:
            lines = read_up_to(file, _LARGEST_HEADS).decode("ascii").splitlines()
    except (OSError, ValueError):
        lines = []
    if len(lines) != len(partitions):
        raise UsageError(
            f"The state has {len(partitions)} partitions with a head each, so {kept} must be a file with one line for "
            "each.",
            hint="Keep what `retrain audit head` prints; or verify one partition with --state.",
        )
    found = {part: line.split() for part, line in zip(partitions, lines, strict=True)}
    return {part: f"{words[1]}@{words[0]}" for part, words in found.items() if len(words) == 2 and words[0] != "0"}


@contextmanager
def _believable(journal: Path) -> Iterator[None]:
    """Turn what unreadable files and a made-up journal do to their readers into an error of ours.

    The chain of a made-up journal can be sound anyway.
    """
    try:
        yield
    except OSError as error:
        raise StateError(
            f"{error.filename or journal} cannot be read: {error.strerror or error}.",
            hint="Verify as a user who may read the whole state folder.",
        ) from error
    except MemoryError:
        raise too_large(journal) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StateError(
            f"The journal in {journal} holds events that no run of this version writes ({type(error).__name__}).",
            hint="It was made up or written by a newer version; restore it from a copy, or verify with that version.",
        ) from error


def _verify_state(evidence: StateEvidence, run: str | None, demands: Demands) -> Verification:
    journal = evidence.journal_summary()
    with _journal_first(journal):
        return _verify_runs(evidence, journal, run, demands)


@contextmanager
def _journal_first(journal: JournalSummary) -> Iterator[None]:
    """Let an event that does not fit to those before it be told before what was asked for wrongly."""
    try:
        yield
    except UsageError:
        Progress(journal.links)
        raise


def _verify_runs(evidence: StateEvidence, journal: JournalSummary, run: str | None, demands: Demands) -> Verification:
    chosen = _chosen(journal.progress, run)
    unrecorded = (
        *journal_losses(evidence.state, journal.progress, chosen, whole=run is None),
        *(checkpoint_findings(evidence.state.blobs, journal.progress.runs.values()) if run is None else ()),
        *(finding for record in chosen for finding in _unrecorded_report(evidence, record)),
        *_unrecorded(evidence, journal, chosen),
    )
    ids = None if run is None else [record.run_id for record in chosen]
    files = look_through(evidence.folder, ids) if evidence.folder else StateFiles(findings=(), notes=())
    anchoring = _anchoring(evidence, journal, list(journal.progress.runs.values()), chosen, demands)
    found = _verification(evidence, journal, chosen, anchoring, (*unrecorded, *files.findings))
    return structs.replace(found, notes=(*files.notes, *found.notes))


def _unrecorded(evidence: StateEvidence, journal: JournalSummary, chosen: Sequence[RunRecord]) -> Iterator[Finding]:
    results = journal.results(record.run_id for record in chosen)
    if evidence.folder is not None:
        return unrecorded_files(evidence.folder, chosen, results)
    return unrecorded_objects(evidence.state, chosen, results)


def is_bundle(run: str) -> bool:
    """Return whether the argument names a bundle's file; the id of a run has neither that end nor a slash."""
    return run.endswith(_BUNDLE_SUFFIX) or "/" in run


def _verify_bundle(evidence: BundleEvidence, demands: Demands) -> Verification:
    journal = evidence.journal_summary()
    chosen = [bundled_run(evidence, journal.progress)]
    with _journal_first(journal):
        anchoring = _anchoring(evidence, journal, chosen, chosen, demands)
    return _verification(evidence, journal, chosen, anchoring, tuple(bundle_findings(evidence, journal, chosen[0])))


def _anchoring(
    evidence: Evidence,
    journal: JournalSummary,
    runs: Sequence[RunRecord],
    chosen: Sequence[RunRecord],
    demands: Demands,
) -> AnchorCheck:
    """Check signatures and the kept head. With trusted keys, a later run's signature holds the earlier ones too."""
    folder = evidence.folder.root if isinstance(evidence, StateEvidence) and evidence.folder else None
    trusted = trusted_keys(demands.keys, foreign_to=folder)
    found = check_attestations(evidence, journal.links, runs if demands.keys else chosen, trusted)
    if demands.keys:
        reported = [run for run in chosen if run.report is not None]
        found += AnchorCheck(findings=tuple(uncovered(found, journal.links, reported)))
    if demands.head is not None:
        found += check_head(demands.head, journal, evidence=folder)
    return found


def _verification(
    evidence: Evidence,
    journal: JournalSummary,
    chosen: Sequence[RunRecord],
    anchoring: AnchorCheck,
    unrecorded: Sequence[Finding],
) -> Verification:
    """Check what an audit of a state and of a bundle have in common, and sum up."""
    links, ids = journal.links, {run.run_id for run in chosen}
    results, removed = list(journal.results(ids)), Removed(evidence, journal)
    left = removed.left(results)
    decided, switched = _decisions_and_switches(evidence, journal, ids, removed)
    rendered = check_rendering(evidence, links, chosen)
    findings = (
        *unrecorded,
        *(finding for run in chosen for finding in _run_files(evidence, run)),
        *(finding for fact in left for finding in other_content(evidence, fact.path, fact.sha256, _RECORDED)),
        *removed.findings(),
        *check_schemas(evidence, links, chosen),
        *rendered.findings,
        *decided.findings,
        *switched,
        *anchoring.findings,
    )
    return Verification(
        events=len(links),
        runs=len(chosen),
        files=sum(len(run.report.files) for run in chosen if run.report) + len(left),
        decisions=decided.count,
        removed_files=len(results) - len(left),
        beyond_recomputing=sum(decided.beyond.values()),
        head_sha256=journal.head_sha256,
        anchors=anchoring.anchors,
        findings=findings,
        notes=(
            *_unfinished(evidence, chosen),
            *removed.notes(results, decided.beyond, anchoring.events),
            *rendered.notes,
            *anchoring.notes,
        ),
    )


def _chosen(progress: Progress, run_id: str | None) -> list[RunRecord]:
    if run_id is None:
        return list(progress.runs.values())
    if run_id == "latest":
        run_id = newest_run({name: run.started for name, run in progress.runs.items()}) or ""
    return [progress.runs[full_run_id(progress.runs, run_id)]]


def _unrecorded_report(evidence: StateEvidence, run: RunRecord) -> Iterator[Finding]:
    where = f"runs/{run.run_id}"
    try:
        if run.report is None and evidence.holds(f"{where}/report.json"):
            what = "holds a report the journal does not know: it was cut, or a kill came before the record"
            yield Finding(where=evidence.shown(where), what=what)
    except OSError as error:
        yield unreadable(Path(evidence.shown(where)), error)


def _run_files(evidence: Evidence, run: RunRecord) -> Iterator[Finding]:
    for name, sha256 in run.report.files.items() if run.report else ():
        yield from other_content(evidence, f"runs/{run.run_id}/{name}", sha256, _RECORDED)


def _unfinished(evidence: Evidence, runs: Sequence[RunRecord]) -> Iterator[Finding]:
    for run in runs:
        if run.report is None:
            what = "is running or was cut off; its files are not written yet"
            yield Finding(where=evidence.shown(f"runs/{run.run_id}"), what=what)


def stored_results(links: Sequence[Link]) -> dict[tuple[str, str], ResultDownloaded]:
    """Return the last stored result of each retrain job and SHA-256."""
    facts = [link.event.fact for link in links]
    return {(fact.retrain_job_id, fact.sha256): fact for fact in facts if isinstance(fact, ResultDownloaded)}


class _Decided(Struct, frozen=True):
    """How many decisions were computed again, those that did not come out the same, and by removal those beyond it."""

    count: int
    findings: tuple[Finding, ...]
    beyond: Counter[int]


def _decisions_and_switches(
    evidence: Evidence, journal: JournalSummary, run_ids: Container[str], removed: Removed
) -> tuple[_Decided, Sequence[Finding]]:
    """Compute the runs' decisions again, and follow their switches, in one going through the events."""
    stored, audit, count, findings = journal.newest_results(), SwitchAudit(run_ids), 0, list[Finding]()
    beyond = Counter[int]()
    for link in journal.links:
        audit.take(link)
        fact = link.event.fact
        if not isinstance(fact, CandidateEvaluated) or link.event.run_id not in run_ids:
            continue
        result = stored.get((fact.retrain_job_id, fact.result_sha256))
        gone = removed.gone(result) if result else None
        if gone is not None:
            beyond[gone.seq] += 1
            continue
        count += 1
        findings.extend(_decision(evidence, link, fact, result))
    return _Decided(count, tuple(findings), beyond), audit.findings


def _decision(
    evidence: Evidence, link: Link, fact: CandidateEvaluated, result: ResultDownloaded | None
) -> Iterator[Finding]:
    """Compute a decision again from its result file and its recorded inputs, and compare the bytes."""
    found = recompute_from(evidence.open, fact, result)
    if not isinstance(found, SameBytes):
        yield Finding(where=f"event {link.event.seq}, decision about {link.event.model}", what=found.why)
