"""`retrain verify`: the chain, the digests of every file, and every decision computed again."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.app.strangers import Finding, strange_entries, strange_files
from runner.canonical import canonical_bytes
from runner.errors import ModelError, StateError, UsageError
from runner.execute.candidate import evaluate_file
from runner.journal.chain import Link
from runner.journal.events import Judged, ResultStored
from runner.journal.folder import StateFolder, state_folder
from runner.journal.progress import Progress, RunRecord
from runner.journal.store import open_for_reading
from runner.plan.inputs import candidate_digest
from runner.policy.record import inputs_from_json, policy_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was checked, in numbers, the journal's head, and what does not hold; notes are no reason for doubt."""

    events: int
    runs: int
    files: int
    decisions: int
    head_sha256: str
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def verify(state: str, run_id: str | None) -> Verification:
    """Check one run, or all of them; all together also for what lies beside them and was never recorded.

    Raises:
        StateError: the journal itself is missing or its chain is broken; the message names the event.
        UsageError: there is no such run.
    """
    folder = state_folder(state)
    store = open_for_reading(folder)
    if store is None:
        raise UsageError(f"There is no journal in {folder.root}.", hint="Run `retrain run` first, or check --state.")
    try:
        links = list(store.read())
    finally:
        store.close()
    progress = Progress(links)
    chosen = _chosen(progress, folder, run_id)
    ids = {run.run_id for run in chosen}
    own = [one for one in links if one.event.run_id in ids]
    findings = [
        *(strange_entries(folder, progress) if run_id is None else ()),
        *(finding for run in chosen for finding in _run_files(folder, run)),
        *strange_files(folder, chosen, own),
        *_results(folder, own),
        *_decisions(folder, own, _stored(links)),
    ]
    return Verification(
        events=len(links),
        runs=len(chosen),
        files=sum(len(run.report.files) for run in chosen if run.report) + _count(own, ResultStored),
        decisions=_count(own, Judged),
        head_sha256=links[-1].sha256 if links else "",
        findings=tuple(findings),
        notes=tuple(_unfinished(folder, run) for run in chosen if run.report is None),
    )


def _chosen(progress: Progress, folder: StateFolder, run_id: str | None) -> list[RunRecord]:
    if run_id is None:
        return list(progress.runs.values())
    if run_id == "latest":
        run_id = next(reversed(progress.runs), "")
    if run_id not in progress.runs:
        raise UsageError(f"The journal has no run {run_id}.", hint=f"The runs lie in {folder.runs}.")
    return [progress.runs[run_id]]


def _run_files(folder: StateFolder, run: RunRecord) -> Iterator[Finding]:
    where = folder.run_folder(run.run_id)
    if run.report is None:
        if (where / "report.json").exists():
            what = "holds a report the journal does not know: it was cut, or a kill came before the record"
            yield Finding(where=str(where), what=what)
        return
    for name, sha256 in run.report.files.items():
        yield from _file(where / name, sha256)


def _unfinished(folder: StateFolder, run: RunRecord) -> Finding:
    what = "is under way or was cut off; its files are not written yet"
    return Finding(where=str(folder.run_folder(run.run_id)), what=what)


def _results(folder: StateFolder, links: Sequence[Link]) -> Iterator[Finding]:
    for one in links:
        if isinstance(one.event.fact, ResultStored):
            yield from _file(folder.root / one.event.fact.path, one.event.fact.sha256)


def _file(path: Path, sha256: str) -> Iterator[Finding]:
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        yield Finding(where=str(path), what=f"cannot be read: {error.strerror}")
        return
    if found != sha256:
        yield Finding(where=str(path), what=f"has SHA-256 {found[:12]}, the journal recorded {sha256[:12]}")


def _stored(links: Sequence[Link]) -> dict[str, ResultStored]:
    facts = [one.event.fact for one in links]
    return {fact.retrain_job_id: fact for fact in facts if isinstance(fact, ResultStored)}


def _decisions(folder: StateFolder, links: Sequence[Link], stored: dict[str, ResultStored]) -> Iterator[Finding]:
    """Compute every decision again from its result file and its recorded inputs, and compare the bytes."""
    for one in links:
        fact = one.event.fact
        if isinstance(fact, Judged):
            what = _difference(folder, fact, stored.get(fact.retrain_job_id))
            if what:
                yield Finding(where=f"event {one.event.seq}, decision about {one.event.model}", what=what)


def _difference(folder: StateFolder, fact: Judged, result: ResultStored | None) -> str | None:
    if result is None or result.sha256 != fact.result_sha256:
        return "refers to a result file that is not in the journal"
    try:
        inputs = inputs_from_json(dict(fact.inputs))
        again = evaluate_file(folder.root / result.path, inputs)
    except (OSError, ModelError, StateError) as error:
        return f"cannot be computed again: {error}"
    if canonical_bytes(again) != canonical_bytes(dict(fact.evaluation)):
        return "comes out differently when it is computed again"
    policy_sha256 = policy_digest(inputs.policy, inputs.definitions)
    candidate_sha256 = candidate_digest(fact.retrain_job_id, fact.result_sha256, policy_sha256)
    if (policy_sha256, candidate_sha256) != (fact.policy_sha256, fact.candidate_sha256):
        return "carries digests that are not those of its policy and candidate"
    return None


def _count(links: Sequence[Link], kind: type) -> int:
    return sum(isinstance(one.event.fact, kind) for one in links)
