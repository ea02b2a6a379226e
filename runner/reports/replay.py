"""Recorded decisions beside those that other policies draw from the same results. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from runner.journal.retrain_job import Decided, Review
from runner.lib.timestamps import stamp
from runner.policy.evaluation import Evaluation, RuleResult
from runner.reports.build import approval_report
from runner.reports.json_text import render_json

REPLAY_VERSION = 1


class DecidingRule(Struct, frozen=True, kw_only=True):
    """The rule a verdict rests on; `margin` is a decimal text, None where nothing was measured."""

    metric: str
    formula: str
    verdict: str
    margin: str | None


class Side(Struct, frozen=True, kw_only=True):
    """A decision by one policy. `rule` is None where no rule made the difference."""

    policy: str
    policy_sha256: str
    action: str
    verdict: str
    reason: str
    rule: DecidingRule | None


class Subject(Struct, frozen=True, kw_only=True):
    """The recorded decision that is replayed, and the person's word on it, if any."""

    model: str
    retrain_job_id: str
    decided: Decided
    review: Review | None


class Judgeable(Struct, frozen=True, kw_only=True):
    """A decision that was drawn again."""

    subject: Subject
    then: Side
    now: Side

    @property
    def flips(self) -> bool:
        """Tell whether the other policy does something else with the candidate."""
        return self.then.action != self.now.action


class NotJudgeable(Struct, frozen=True, kw_only=True):
    """A decision whose stored result can no longer be judged, and why not."""

    subject: Subject
    why: str


class LeftOut(Struct, frozen=True, kw_only=True):
    """A model of which nothing was replayed, and why."""

    model: str
    why: str


class Replay(Struct, frozen=True, kw_only=True):
    """All decisions replayed, by model and then by time; `policy` is the one given instead of the models' own."""

    service: str
    policy: str | None
    decisions: tuple[Judgeable | NotJudgeable, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def flips(self) -> list[Judgeable]:
        """Return the decisions that would come out otherwise."""
        return [one for one in self.decisions if isinstance(one, Judgeable) and one.flips]

    @property
    def problems(self) -> list[NotJudgeable]:
        """Return the decisions that could not be judged."""
        return [one for one in self.decisions if isinstance(one, NotJudgeable)]

    @property
    def same(self) -> int:
        """Return how many decisions come out as they did."""
        return len(self.decisions) - len(self.flips) - len(self.problems)


class Standard(Struct, frozen=True, kw_only=True):
    """The policy that results are judged by, as a decision's inputs hold it, and its digest."""

    policy: Mapping[str, Any]
    policy_sha256: str


def sides(subject: Subject, standard: Standard, evaluation: Evaluation) -> tuple[Side, Side]:
    """Return the recorded decision and the one by the standard, each with the rule that made the difference."""
    fact = subject.decided.fact
    then, now = _rules(fact.inputs["policy"], fact.evaluation), _rules(standard.policy, evaluation)
    key = _leading(now, evaluation.verdict) or _leading(then, fact.evaluation.verdict)
    return (
        _side(fact.policy, fact.policy_sha256, fact.evaluation, _partner(then, key)),
        _side(standard.policy["name"], standard.policy_sha256, evaluation, _partner(now, key)),
    )


Key = tuple[str, str, str]


def _rules(policy: Mapping[str, Any], evaluation: Evaluation) -> list[tuple[Key, RuleResult]]:
    """Return what came of each rule, by metric, kind and level; a policy's rules and their results have one order."""
    pairs = zip(policy.get("rules", ()), evaluation.rules, strict=True)
    return [((rule["metric"], rule["kind"], rule["level"]), found) for rule, found in pairs]


def _leading(rules: Sequence[tuple[Key, RuleResult]], verdict: str) -> Key | None:
    """Return the key of the first rule that keeps the verdict from being `passed`."""
    if verdict == "passed":
        return None
    found = (key for key, rule in rules if rule.level == "decide" and rule.verdict == verdict)
    return next(found, None)


def _partner(rules: Sequence[tuple[Key, RuleResult]], key: Key | None) -> RuleResult | None:
    """Return the rule of this key that matters most: one that did not pass, else the first."""
    found = [rule for one, rule in rules if one == key]
    return next((rule for rule in found if rule.verdict != "passed"), found[0] if found else None)


def _side(policy: str, policy_sha256: str, evaluation: Evaluation, rule: RuleResult | None) -> Side:
    return Side(
        policy=policy,
        policy_sha256=policy_sha256,
        action=evaluation.decision.action,
        verdict=evaluation.verdict,
        reason=evaluation.decision.reason,
        rule=_deciding(rule) if rule else None,
    )


def _deciding(rule: RuleResult) -> DecidingRule:
    return DecidingRule(metric=rule.metric, formula=rule.formula, verdict=rule.verdict, margin=rule.margin)


def replay_json(replay: Replay) -> str:
    """Return all of it as a JSON document; times are RFC 3339 in UTC, numbers of rules decimal texts."""
    return render_json(
        {
            "replay_version": REPLAY_VERSION,
            "service": replay.service,
            "policy": replay.policy,
            "summary": {
                "decisions": len(replay.decisions),
                "flips": len(replay.flips),
                "same": replay.same,
                "not_judged": len(replay.problems),
            },
            "decisions": [_record(one) for one in replay.decisions],
            "left_out": [{"model": one.model, "reason": one.why} for one in replay.left_out],
        }
    ).decode()


def _record(one: Judgeable | NotJudgeable) -> dict[str, Any]:
    subject = one.subject
    return {
        "model": subject.model,
        "retrain_job_id": subject.retrain_job_id,
        "run_id": subject.decided.run_id,
        "decided_at": stamp(subject.decided.at),
        **(_problem(one) if isinstance(one, NotJudgeable) else _comparison(one)),
        "review": approval_report(subject.review) if subject.review else None,
    }


def _comparison(one: Judgeable) -> dict[str, Any]:
    return {"flips": one.flips, "then": to_builtins(one.then), "now": to_builtins(one.now), "problem": None}


def _problem(one: NotJudgeable) -> dict[str, Any]:
    recorded = one.subject.decided.fact
    then = _side(recorded.policy, recorded.policy_sha256, recorded.evaluation, None)
    return {"flips": None, "then": to_builtins(then), "now": None, "problem": one.why}


def flip_counts(replay: Replay) -> dict[tuple[str, str], int]:
    """Return how often each action would become another, the most frequent first."""
    counts = Counter((one.then.action, one.now.action) for one in replay.flips)
    return dict(counts.most_common())
