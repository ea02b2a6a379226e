"""`retrain audit bundle`: one file with all that is needed to check a run elsewhere."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from msgspec import Struct
from msgspec.structs import replace

from runner.app.audit.anchors import read_attestation
from runner.app.audit.evidence import StateEvidence, state_evidence
from runner.app.audit.key_files import signing_key
from runner.app.audit.verify import is_bundle, stored_results, verify
from runner.app.provenance import tool
from runner.app.state.read_state import full_run_id
from runner.audit.bundle_layout import (
    ATTESTATION,
    INDEX,
    JOURNAL,
    README,
    STATEMENT,
    Index,
    JournalEnd,
    ManifestFile,
    Member,
    bytes_member,
    index_bytes,
    manifest_member,
    pack,
    readme_bytes,
    sha256_of,
)
from runner.audit.envelope import envelope_bytes, signed
from runner.audit.statement import by_run, latest, recorded, statement
from runner.errors import StateError, UsageError
from runner.journal.chain import Link
from runner.journal.events import CandidateEvaluated, ReportWritten, ResultDownloaded, ResultsPruned, RunStarted
from runner.lib.atomic_files import open_file, replacing
from runner.plan.model_plan import state_option


class Signed(Struct, frozen=True, kw_only=True):
    """A signature that was written: of which run and key, into which file, and how many events it leaves out."""

    run_id: str
    key_id: str
    path: str
    events: int
    later: int


class ReportedRun(Struct, frozen=True, kw_only=True):
    """A run whose report is recorded: its own events, the journal up to that record, and what came later."""

    run_id: str
    own: list[Link]
    links: list[Link]
    later: list[Link]


def sign(state: str, run: str | None, key: Path) -> Signed:
    """Sign a run that verifies, and keep the signature beside it; other keys' signatures stay.

    Raises:
        UsageError: the run does not exist or has no report yet, or the key cannot be used.
        StateError: the run does not verify.
    """
    signer, evidence = signing_key(key), state_evidence(state)
    found = reported_run(evidence, run)
    refuse_unverified(state, found.run_id, "signed")
    before = read_attestation(evidence, found.run_id)
    envelope = signed(statement(found.own, found.run_id), signer, before=before.signatures if before else ())
    name = f"runs/{found.run_id}/{ATTESTATION}"
    where = evidence.shown(name)
    try:
        evidence.state.blobs.put(name, [envelope_bytes(envelope)])
    except OSError as error:
        raise StateError(
            f"The signature {where} cannot be written: {error.strerror}.", hint="Make room or correct the permissions."
        ) from error
    return Signed(
        run_id=found.run_id, key_id=signer.key_id, path=where, events=len(found.links), later=len(found.later)
    )


def statement_of(state: str, run: str | None) -> bytes:
    """Return the statement about a run: the very bytes a signature is made over.

    Raises:
        UsageError: the run does not exist or has no report yet.
    """
    found = reported_run(state_evidence(state), run)
    return statement(found.own, found.run_id)


def reported_run(evidence: StateEvidence, run: str | None) -> ReportedRun:
    """Return a run, by default the last one with a report, whatever command it was: `latest` is the newest run proper.

    Raises:
        UsageError: there is none, or it has no report yet.
    """
    if run is not None and is_bundle(run):
        raise UsageError(f"{run} is a file, not a run.", hint="Name a run of the state by its id, or `latest`.")
    links = evidence.links()
    runs = by_run(links)
    if run is None:
        run = next((run_id for run_id in reversed(runs) if recorded(runs[run_id]) is not None), None)
    elif run == "latest":
        run = latest(runs)
    if run is None:
        raise UsageError("No run of this state has a report yet.", hint="`retrain run` makes one; check --state.")
    run = full_run_id(runs, run)
    last = recorded(runs[run])
    if last is None:
        raise UsageError(
            f"Run {run} has no recorded report yet.",
            hint="Wait until it ends; the next run ends runs that were cut off.",
        )
    end = last.event.seq
    return ReportedRun(run_id=run, own=runs[run], links=links[:end], later=links[end:])


def refuse_unverified(state: str, run_id: str, what: str) -> None:
    """Raise a StateError unless the run verifies: nothing damaged is vouched for."""
    findings = verify(state, run_id).findings
    if findings:
        first = findings[0]
        raise StateError(
            f"Run {run_id} does not verify, so it is not {what}: {first.where} {first.what}.",
            hint=f"`retrain verify {run_id}{state_option(state)}` shows every finding; restore the files from a copy.",
        )


_IN_MEMORY = 1024 * 1024


class Bundled(Struct, frozen=True, kw_only=True):
    """A bundle that was written: its head, and manifest files whose content was no longer what the run read."""

    path: Path
    run_id: str
    sha256: str
    events: int
    head_sha256: str
    missing: tuple[str, ...]


def bundle(state: str, run: str | None, out: Path | None) -> Bundled:
    """Write the bundle of a run that verifies, and verify the bundle.

    Raises:
        UsageError: the run does not exist or has no report yet, or the file cannot be written.
        StateError: the run, or what happened to it while it was packed, does not verify.
    """
    evidence = state_evidence(state)
    found = _with_removals(evidence, reported_run(evidence, run))
    refuse_unverified(state, found.run_id, "bundled")
    path = out or Path(f"{found.run_id}.zip")
    end = JournalEnd(events=len(found.links), head_sha256=found.links[-1].sha256)
    manifest = _manifest_files(found)
    members = list(_members(evidence, found, end, manifest))
    index = Index(
        run_id=found.run_id,
        tool=_tool(),
        journal=end,
        manifest=manifest,
        files={member.name: _sha256(member) for member in members},
    )
    _write(path, [bytes_member(INDEX, index_bytes(index)), *members])
    _refuse_changed(path)
    return Bundled(
        path=path,
        run_id=found.run_id,
        sha256=_sha256(_file_member(path.name, path)),
        events=end.events,
        head_sha256=end.head_sha256,
        missing=tuple(entry.path for entry in manifest if entry.member is None),
    )


def _with_removals(evidence: StateEvidence, found: ReportedRun) -> ReportedRun:
    """Let the journal reach to the last record that removes a file of the run: it says why the bundle lacks it."""
    names, end = _state_files(evidence, found), 0
    for number, link in enumerate(found.later, start=1):
        fact = link.event.fact
        if isinstance(fact, ResultsPruned) and any(file.path in names for file in fact.files):
            end = number
    return replace(found, links=[*found.links, *found.later[:end]], later=found.later[end:])


def _removed(evidence: StateEvidence, links: Sequence[Link]) -> set[str]:
    """Return the paths that are recorded as removed and hold nothing."""
    facts = [link.event.fact for link in links]
    paths = {file.path for fact in facts if isinstance(fact, ResultsPruned) for file in fact.files}
    return {path for path in paths if not evidence.holds(path)}


def _tool() -> dict[str, str]:
    """Return name and version; the Python that packs changes nothing, and the same run is to give the same bytes."""
    made_by = tool()
    return {"name": made_by.name, "version": made_by.version}


def _members(
    evidence: StateEvidence, found: ReportedRun, end: JournalEnd, manifest: Sequence[ManifestFile]
) -> Iterator[Member]:
    """Yield all members but the index, in their order."""
    yield bytes_member(README, readme_bytes(found.run_id, end))
    yield bytes_member(STATEMENT, statement(found.own, found.run_id))
    yield Member(name=JOURNAL, open=lambda: _journal(found.links))
    for manifest_file in manifest:
        if manifest_file.member is not None:
            yield _file_member(manifest_file.member, Path(manifest_file.path))
    for name in sorted(_state_files(evidence, found) - _removed(evidence, found.links)):
        yield _state_member(evidence, name)


def _state_member(evidence: StateEvidence, name: str) -> Member:
    return Member(name=name, open=lambda: evidence.open(name))


def _file_member(name: str, path: Path) -> Member:
    return Member(name=name, open=lambda: open_file(path))


def _state_files(evidence: StateEvidence, found: ReportedRun) -> set[str]:
    """Return the run's files, its results, results of earlier runs that it judged, and its signatures if any."""
    folder, names, stored = f"runs/{found.run_id}", set[str](), stored_results(found.links)
    for link in found.own:
        match link.event.fact:
            case ReportWritten(files=files):
                names |= {f"{folder}/{name}" for name in files}
            case ResultDownloaded(path=path):
                names.add(path)
            case CandidateEvaluated(retrain_job_id=job, result_sha256=sha256) if (job, sha256) in stored:
                names.add(stored[job, sha256].path)
            case _:
                pass
    if evidence.holds(f"{folder}/{ATTESTATION}"):
        names.add(f"{folder}/{ATTESTATION}")
    return names


def _manifest_files(found: ReportedRun) -> tuple[ManifestFile, ...]:
    """Return the run's manifest files; a member for those that still have the content the run read."""
    started = next(link.event.fact for link in found.own if isinstance(link.event.fact, RunStarted))
    return tuple(
        ManifestFile(
            path=file.path,
            sha256=file.sha256,
            member=manifest_member(number) if _still(Path(file.path), file.sha256) else None,
        )
        for number, file in enumerate(started.manifest.files, start=1)
    )


def _still(path: Path, sha256: str) -> bool:
    try:
        with open_file(path) as stream:
            return sha256_of(stream) == sha256
    except OSError:
        return False


def _journal(links: Sequence[Link]) -> BinaryIO:
    stream = cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 -- the packer closes it
    for link in links:
        stream.write(link.body + b"\n")
    stream.seek(0)
    return stream


def _sha256(member: Member) -> str:
    with member.open() as stream:
        return sha256_of(stream)


def _write(path: Path, members: Sequence[Member]) -> None:
    try:
        with replacing(path) as target:
            pack(target, members)
    except OSError as error:
        raise UsageError(
            f"The bundle {path} cannot be written: {error.strerror or error}.",
            hint="Give a file in a folder you may write to with --out.",
        ) from error


def _refuse_changed(path: Path) -> None:
    """Take the bundle away again when a file changed while it was packed."""
    findings = verify("", str(path.absolute())).findings  # with a slash it is a file, whatever its end
    if findings:
        path.unlink(missing_ok=True)
        raise StateError(
            f"A file changed while the bundle was packed: {findings[0].where} {findings[0].what}.",
            hint="Let nothing write into the run's folder, then bundle it again.",
        )
