"""What a signature over a run says: an in-toto Statement, version 1, as a pure function of the journal.

Its subjects are the files the run read and wrote, by their SHA-256; its predicate is the run itself: who, by which tool
and manifest, with which decisions, and the journal's head once the run's report was recorded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import to_builtins

from runner.journal.chain import Link
from runner.journal.events import (
    CandidateEvaluated,
    DataChecked,
    Event,
    ReportWritten,
    ResultDownloaded,
    RollbackDecided,
    RunFinished,
    RunStarted,
    SwitchSucceeded,
)
from runner.journal.progress import newest_run
from runner.lib.canonical_json import canonical_bytes

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:retrain-runner:run:1"


def by_run(links: Iterable[Link]) -> dict[str, list[Link]]:
    """Return each run's own events, in order."""
    runs: dict[str, list[Link]] = {}
    for link in links:
        runs.setdefault(link.event.run_id, []).append(link)
    return runs


def latest(runs: Mapping[str, Sequence[Link]]) -> str | None:
    """Return the newest `retrain run` whose report is recorded; a person's decision only where there is no other."""
    facts = {run_id: link.event.fact for run_id, own in runs.items() if recorded(own) for link in own[:1]}
    return newest_run({run_id: fact for run_id, fact in facts.items() if isinstance(fact, RunStarted)})


def recorded(own: Sequence[Link]) -> Link | None:
    """Return the event among a run's own that recorded its report."""
    return next((link for link in reversed(own) if isinstance(link.event.fact, ReportWritten)), None)


def statement(own: Sequence[Link], run_id: str) -> bytes:
    """Return the RFC 8785 bytes of the statement about a run whose report is recorded, given its own events."""
    last = recorded(own)
    if last is None:
        raise LookupError(f"run {run_id} has no recorded report")
    head: dict[str, object] = {"events": last.event.seq, "head_sha256": last.sha256}
    return canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": _unique(_subjects(own, run_id)),
            "predicateType": PREDICATE_TYPE,
            "predicate": _run(own) | {"journal": head},
        }
    )


def _subjects(own: Iterable[Link], run_id: str) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each file the run's events speak of."""
    for link in own:
        match link.event.fact:
            case RunStarted(manifest=manifest):
                yield from ((f"manifest:{file.path}", file.sha256) for file in manifest.files)
            case DataChecked(train=train, eval=evaluation):
                yield from ((f"dataset:{file.source}", file.sha256) for file in (train, evaluation) if file)
            case ResultDownloaded(path=path, sha256=sha256):
                yield path, sha256
            case CandidateEvaluated(result_sha256=sha256, retrain_job_id=job):
                yield f"result:{job}", sha256
            case ReportWritten(files=files):
                yield from ((f"runs/{run_id}/{name}", sha256) for name, sha256 in files.items())
            case _:
                pass


def _unique(subjects: Iterable[tuple[str, str]]) -> list[dict[str, object]]:
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in sorted(set(subjects))]


def _run(own: Sequence[Link]) -> dict[str, object]:
    """Return what the predicate says of the run; its events are those from its start to its report."""
    run: dict[str, object] = {"run_id": own[0].event.run_id}
    decisions, rollbacks, switches = list[object](), list[object](), list[object]()
    for link in own:
        match link.event.fact:
            case RunStarted() as fact:
                run |= _started(fact, link.event.at)
            case RunFinished() as fact:
                run |= {"finished_at": link.event.at, "exit_code": fact.exit_code, "stopped": fact.stopped}
            case CandidateEvaluated() as fact:
                decisions.append(_decision(link, fact))
            case RollbackDecided() as fact:
                rollbacks.append(_rollback(link, fact))
            case SwitchSucceeded(retrain_job_id=job):
                switches.append({**_place(link.event), "retrain_job_id": job})
            case _:
                pass
    return {**run, "decisions": decisions, "rollbacks": rollbacks, "switches": switches}


def _started(fact: RunStarted, at: str) -> dict[str, object]:
    return {
        "started_at": at,
        "actor": fact.actor,
        "ci_actor": to_builtins(fact.ci_actor),
        "service": fact.service,
        "command": fact.command,
        "tool": to_builtins(fact.tool),
        "manifest": {"sha256": fact.manifest.sha256, "git": to_builtins(fact.manifest.git)},
    }


def _decision(link: Link, fact: CandidateEvaluated) -> dict[str, object]:
    return {
        **_place(link.event),
        "event_sha256": link.sha256,
        "retrain_job_id": fact.retrain_job_id,
        "verdict": fact.evaluation.verdict,
        "action": fact.evaluation.decision.action,
        "result_sha256": fact.result_sha256,
        "policy_sha256": fact.policy_sha256,
        "candidate_sha256": fact.candidate_sha256,
    }


def _rollback(link: Link, fact: RollbackDecided) -> dict[str, object]:
    return {
        **_place(link.event),
        "event_sha256": link.sha256,
        "retrain_job_id": fact.retrain_job_id,
        "from_job_id": fact.from_job_id,
        "by": fact.by,
    }


def _place(event: Event) -> dict[str, object]:
    return {"model": event.model, "event": event.seq}
