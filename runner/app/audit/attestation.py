"""`retrain audit sign` and `statement`: what is signed about a run, and where the signature is kept."""

from pathlib import Path

from msgspec import Struct

from runner.app.audit.anchors import read_attestation
from runner.app.audit.evidence import StateEvidence, state_evidence
from runner.app.audit.key_files import signing_key
from runner.app.audit.verify import is_bundle, verify
from runner.app.state.read_state import full_run_id
from runner.audit.bundle_layout import ATTESTATION
from runner.audit.envelope import envelope_bytes, signed
from runner.audit.statement import by_run, latest, recorded, statement
from runner.errors import StateError, UsageError
from runner.journal.chain import Link
from runner.plan.model_plan import state_option


class Signed(Struct, frozen=True, kw_only=True):
    """A signature that was written: of which run and key, into which file, over how many events."""

    run_id: str
    key_id: str
    path: str
    events: int


class ReportedRun(Struct, frozen=True, kw_only=True):
    """A run whose report is recorded: its own events, the journal up to that record, and what came later."""

    run_id: str
    own: list[Link]
    links: list[Link]
    later: list[Link]


def sign(state: str, run: str | None, key: Path) -> Signed:
    """Sign a run that verifies, and keep the signature beside it; other keys' signatures stay.

    Raises:
        UsageError: there is no such run, it has no report yet, or the key cannot be used.
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
    return Signed(run_id=found.run_id, key_id=signer.key_id, path=where, events=len(found.links))


def statement_of(state: str, run: str | None) -> bytes:
    """Return the statement about a run: the very bytes a signature is made over.

    Raises:
        UsageError: there is no such run, or it has no report yet.
    """
    found = reported_run(state_evidence(state), run)
    return statement(found.own, found.run_id)


def reported_run(evidence: StateEvidence, run: str | None) -> ReportedRun:
    """Return a run, by default the last one with a report.

    Raises:
        UsageError: there is none, or it has no report yet.
    """
    if run is not None and is_bundle(run):
        raise UsageError(f"{run} is a file, not a run.", hint="Name a run of the state by its id, or `latest`.")
    links = evidence.links()
    runs = by_run(links)
    if run in (None, "latest"):
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
