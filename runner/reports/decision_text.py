"""One decision in full, as text for a terminal."""

from collections.abc import Iterator
from typing import Any

from runner.journal.events import ADOPTED, FileRecord
from runner.lib.timestamps import stamp
from runner.policy.evaluation import RuleResult
from runner.policy.phrases import unread_clause
from runner.reports.build import metrics_of
from runner.reports.decision import DecisionHistory, Explanation
from runner.reports.text import acting, inline, number, short_digest, utc, words


def explanation_text(one: Explanation) -> str:
    """Return the decision, its rules with their numbers, what it was made from, and what came of it."""
    trail = one.trail
    decision = trail.decided.fact.evaluation.decision
    head = f"{trail.model} ({trail.run.started.realm}), job {trail.decided.fact.retrain_job_id}"
    facts = [
        ("decision", f"{words(decision.action)}, {utc(stamp(trail.decided.at))}: {decision.reason}"),
        *(("rule", _rule(rule)) for rule in trail.decided.fact.evaluation.rules),
        *_made_from(trail),
        *_came_of_it(trail),
        ("computed again", _confirmed(one)),
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


def _baseline(baseline: dict[str, Any] | None) -> str:
    if baseline is None:
        return "none, there was no incumbent"
    metrics = ", ".join(f"{name} {text}" for name, text in baseline["metrics"].items())
    return f"job {baseline['retrain_job_id']}: {metrics}"


def _file(record: FileRecord) -> str:
    return f"{record.source}, {record.bytes:,} bytes, SHA-256 {short_digest(record.sha256)}"


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
        word = rollback.fact
        yield (
            "rolled back to",
            f"from {word.from_job_id or ADOPTED} by {word.by}, {utc(stamp(rollback.at))}: {word.reason}",
        )
    for at in trail.switched_at:
        yield "switched", utc(stamp(at))
    if not trail.switched_at:
        yield "switched", "never by this decision"


def _confirmed(one: Explanation) -> str:
    match one.confirmation.state:
        case "same":
            return "the same bytes"
        case "different":
            return f"NOT the same: the decision {one.confirmation.why}"
        case "impossible":
            return f"not possible: the decision {one.confirmation.why}"
