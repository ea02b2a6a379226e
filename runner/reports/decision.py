"""One decision in full: what it was made from, what came of it, and whether it comes out the same today. Pure."""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct, field

from runner.journal.chain import Link
from runner.journal.events import (
    ADOPTED,
    ApprovalRecorded,
    CandidateEvaluated,
    FileRecord,
    ResultDownloaded,
    RollbackDecided,
    SwitchSucceeded,
)
from runner.journal.progress import Progress, RunRecord
from runner.journal.retrain_job import Decided, RetrainJob, Review, Rollback
from runner.lib.timestamps import moment, stamp
from runner.policy.evaluation import RecordedBaseline, RuleResult
from runner.policy.types import unread_clause
from runner.reports.build import approval_report, metrics_of, rollback_report, rules_of
from runner.reports.history_records import HISTORY_VERSION, decision_record, run_record
from runner.reports.text import acting, in_words, inline, number, render_json, short_digest, utc


class DecisionHistory(Struct, kw_only=True):
    """A decision, and what the journal says of it afterwards. Grows while the journal is read.

    `identity` is that of the model's history, whatever its name is now.
    `job` is the job as it was when it was decided about; `runs` are all runs that had to do with the decision.
    """

    run: RunRecord
    model: str
    identity: str
    job: RetrainJob
    decided: Decided
    result: ResultDownloaded | None
    reviews: list[Review] = field(default_factory=list)
    rollbacks: list[Rollback] = field(default_factory=list)
    switched_at: list[datetime] = field(default_factory=list)
    runs: set[str] = field(default_factory=set)


class Confirmation(Struct, frozen=True, kw_only=True):
    """What came of computing a decision again; `why` is a sentence's end, empty when the bytes are the same."""

    state: Literal["same", "different", "impossible"]
    why: str


class Explanation(Struct, frozen=True, kw_only=True):
    """A decision with what came of computing it again."""

    trail: DecisionHistory
    confirmation: Confirmation


def read_trails(links: Iterable[Link], names: Container[str]) -> tuple[Progress, list[DecisionHistory]]:
    """Return the progress of all models, and every decision about those of these names, oldest first."""
    progress = Progress()
    trails: list[DecisionHistory] = []
    last: dict[tuple[str, str], DecisionHistory] = {}
    for link in links:
        progress.add(link)
        event, fact = link.event, link.event.fact
        if (
            event.model is None
            or event.model not in names
            or not isinstance(fact, CandidateEvaluated | ApprovalRecorded | RollbackDecided | SwitchSucceeded)
        ):
            continue
        run = progress.runs[event.run_id]
        place = (run.started.service, fact.retrain_job_id)
        if isinstance(fact, CandidateEvaluated):
            last[place] = _trail(progress, run, event.model, fact)
            trails.append(last[place])
        elif place in last:
            _follow(last[place], link)
    return progress, trails


def _trail(progress: Progress, run: RunRecord, model: str, fact: CandidateEvaluated) -> DecisionHistory:
    known = progress.model(run.started.service, model)
    job = known.jobs[fact.retrain_job_id]
    if job.decided is None:
        raise LookupError(f"job {fact.retrain_job_id} was judged and has no decision")
    return DecisionHistory(
        run=run,
        model=model,
        identity=known.identity,
        job=job,
        decided=job.decided,
        result=job.result,
        runs={run.run_id},
    )


def _follow(trail: DecisionHistory, link: Link) -> None:
    fact, at = link.event.fact, moment(link.event.at)
    trail.runs.add(link.event.run_id)
    if isinstance(fact, ApprovalRecorded):
        trail.reviews.append(Review(fact=fact, at=at))
    elif isinstance(fact, RollbackDecided):
        trail.rollbacks.append(Rollback(fact=fact, at=at, event_sha256=link.sha256))
    else:
        trail.switched_at.append(at)


def explanations_json(explanations: Sequence[Explanation]) -> str:
    """Return explanations as a JSON document."""
    decisions = [explanation_record(explanation) for explanation in explanations]
    return render_json({"history_version": HISTORY_VERSION, "decisions": decisions}).decode()


def explanation_record(explanation: Explanation) -> dict[str, object]:
    """Return the explanation as JSON values with stable keys."""
    trail, fact = explanation.trail, explanation.trail.decided.fact
    return {
        **run_record(trail.run),
        "model": trail.model,
        "retrain_job_id": fact.retrain_job_id,
        "decision": decision_record(trail.decided),
        "verdict": fact.evaluation.verdict,
        "rules": rules_of(trail.decided),
        "metrics": metrics_of(trail.decided),
        "unread": trail.decided.unread,
        "policy": fact.inputs["policy"],
        "policy_sha256": fact.policy_sha256,
        "candidate_sha256": fact.candidate_sha256,
        "decision_sha256": trail.decided.event_sha256,
        "baseline": fact.inputs["baseline"],
        "eval_sha256": fact.inputs["eval_sha256"],
        "dataset": _dataset(trail.job),
        "result": msgspec.to_builtins(trail.result) if trail.result else None,
        "reviews": [approval_report(review) for review in trail.reviews],
        "rollbacks": [rollback_report(rollback) for rollback in trail.rollbacks],
        "switched_at": [stamp(at) for at in trail.switched_at],
        "computed_again": {"state": explanation.confirmation.state, "why": explanation.confirmation.why or None},
    }


def _dataset(job: RetrainJob) -> dict[str, object] | None:
    if job.data is None:
        return None
    return {
        "sha256": job.data.dataset_sha256,
        "train": msgspec.to_builtins(job.data.train),
        "eval": msgspec.to_builtins(job.data.eval),
    }


def explanation_text(explanation: Explanation) -> str:
    """Return the decision, its rules with their numbers, what it was made from, and what came of it."""
    trail = explanation.trail
    decision = trail.decided.fact.evaluation.decision
    head = f"{trail.model} ({trail.run.started.service}), job {trail.decided.fact.retrain_job_id}"
    facts = [
        ("decision", f"{in_words(decision.action)}, {utc(stamp(trail.decided.at))}: {decision.reason}"),
        *(("rule", _rule(rule)) for rule in trail.decided.fact.evaluation.rules),
        *_made_from(trail),
        *_came_of_it(trail),
        ("computed again", _confirmed(explanation)),
    ]
    width = max(len(title) for title, _ in facts)
    return "\n".join([inline(head), *(f"  {title:{width}}  {inline(text)}" for title, text in facts)])


def _rule(rule: RuleResult) -> str:
    level = " (warns only)" if rule.level == "warn" else ""
    return f"{rule.verdict}{level}: {rule.formula}; {rule.reason}"


def _made_from(trail: DecisionHistory) -> Iterator[tuple[str, str]]:
    fact, job = trail.decided.fact, trail.job
    problems = fact.evaluation.problems
    if trail.decided.unread is not None:
        yield "metrics", unread_clause(trail.decided.unread)
    for name, value in metrics_of(trail.decided).items():
        yield "metric", f"{name} {problems.get(name) or number(value)}"
    yield "policy", f"{fact.policy}, {fact.inputs['policy']['type']}, SHA-256 {short_digest(fact.policy_sha256)}"
    yield "baseline", _baseline(fact.inputs["baseline"])
    if job.data is not None:
        yield "trained on", _file(job.data.train)
        yield "scored on", _file(job.data.eval) if job.data.eval else "rows the service held out"
    if trail.result is not None:
        result = trail.result
        yield "result", f"{result.path}, {result.bytes:,} bytes, SHA-256 {short_digest(result.sha256)}"
    yield "run", _run(trail)


def _baseline(baseline: RecordedBaseline | None) -> str:
    if baseline is None:
        return "none, there was no incumbent"
    metrics = ", ".join(f"{name} {text}" for name, text in baseline["metrics"].items())
    return f"job {baseline['retrain_job_id']}: {metrics}"


def _file(record: FileRecord) -> str:
    version = f", {record.version}" if record.version else ""
    return f"{record.source}{version}, {record.bytes:,} bytes, SHA-256 {short_digest(record.sha256)}"


def _run(trail: DecisionHistory) -> str:
    started = trail.run.started
    manifest, git = started.manifest, started.manifest.git
    dirty = " with changes that were not committed" if git and git.dirty else ""
    commit = f", commit {short_digest(git.commit)}{dirty}" if git else ""
    who = acting(started.actor, started.ci_actor)
    return f"{trail.run.run_id} by {who}, manifest SHA-256 {short_digest(manifest.sha256)}{commit}"


def _came_of_it(trail: DecisionHistory) -> Iterator[tuple[str, str]]:
    for review in trail.reviews:
        fact = review.fact
        yield "review", f"{fact.action} by {fact.by}, {utc(stamp(review.at))}: {fact.reason or 'no reason given'}"
    for rollback in trail.rollbacks:
        approval = rollback.fact
        yield (
            "rolled back to",
            f"from {approval.from_job_id or ADOPTED} by {approval.by}, {utc(stamp(rollback.at))}: {approval.reason}",
        )
    for at in trail.switched_at:
        yield "switched", utc(stamp(at))
    if not trail.switched_at:
        yield "switched", "never by this decision"


def _confirmed(explanation: Explanation) -> str:
    match explanation.confirmation.state:
        case "same":
            return "the same bytes"
        case "different":
            return f"NOT the same: the decision {explanation.confirmation.why}"
        case "impossible":
            return f"not possible: the decision {explanation.confirmation.why}"
