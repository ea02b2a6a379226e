"""Recorded decisions beside those that other policies draw from the same results. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct, to_builtins

from runner.journal.retrain_job import Decided, Review
from runner.lib.timestamps import stamp
from runner.policy.evaluation import Evaluation, RecordedPolicy, RuleResult
from runner.reports.build import approval_report
from runner.reports.table import Column, text_table
from runner.reports.text import counted, in_words, inline, markdown_cell, render_json

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
        """Return whether the other policy does something else with the candidate."""
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
        return [decision for decision in self.decisions if isinstance(decision, Judgeable) and decision.flips]

    @property
    def problems(self) -> list[NotJudgeable]:
        """Return the decisions that could not be judged."""
        return [decision for decision in self.decisions if isinstance(decision, NotJudgeable)]

    @property
    def same(self) -> int:
        """Return how many decisions come out as they did."""
        return len(self.decisions) - len(self.flips) - len(self.problems)


class Standard(Struct, frozen=True, kw_only=True):
    """The policy that results are judged by, as a decision's inputs hold it, and its digest."""

    policy: RecordedPolicy
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


def _rules(policy: RecordedPolicy, evaluation: Evaluation) -> list[tuple[Key, RuleResult]]:
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
    found = [rule for known, rule in rules if known == key]
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
            "decisions": [_record(decision) for decision in replay.decisions],
            "left_out": [{"model": model.model, "reason": model.why} for model in replay.left_out],
        }
    ).decode()


def _record(judgement: Judgeable | NotJudgeable) -> dict[str, object]:
    subject = judgement.subject
    return {
        "model": subject.model,
        "retrain_job_id": subject.retrain_job_id,
        "run_id": subject.decided.run_id,
        "decided_at": stamp(subject.decided.at),
        **(_problem(judgement) if isinstance(judgement, NotJudgeable) else _comparison(judgement)),
        "review": approval_report(subject.review) if subject.review else None,
    }


def _comparison(judgement: Judgeable) -> dict[str, object]:
    return {
        "flips": judgement.flips,
        "then": to_builtins(judgement.then),
        "now": to_builtins(judgement.now),
        "problem": None,
    }


def _problem(judgement: NotJudgeable) -> dict[str, object]:
    recorded = judgement.subject.decided.fact
    then = _side(recorded.policy, recorded.policy_sha256, recorded.evaluation, None)
    return {"flips": None, "then": to_builtins(then), "now": None, "problem": judgement.why}


def flip_counts(replay: Replay) -> dict[tuple[str, str], int]:
    """Return how often each action would become another, the most frequent first."""
    counts = Counter((flip.then.action, flip.now.action) for flip in replay.flips)
    return dict(counts.most_common())


_MOST_ROWS = 100  # of the Markdown table: a comment may have 65,536 characters
_MOST_LEFT_OUT = 20
_LONGEST_CELL = 300
_REVIEWED: Mapping[str, str] = {"approve": "approved", "reject": "rejected"}
_TITLES = ("decided", "model", "then", "now", "why", "job")


def replay_text(replay: Replay, *, width: int | None, everything: bool) -> str:
    """Return the decisions that would flip and those that cannot be judged, or all; then the counts."""
    rows = [_row(row) for row in _shown(replay, everything=everything)]
    columns = [Column(title=title, spare=title == "job") for title in _TITLES]
    table = [text_table(columns, rows, width=width), ""] if rows else []
    return "\n".join([*table, *(f"left out: {inline(line)}" for line in _left_out(replay)), _summary(replay)])


def replay_markdown(replay: Replay) -> str:
    """Return the decisions that would flip as a table that fits into a comment; names and numbers stay text."""
    shown = _shown(replay, everything=False)
    lines = [f"**{_summary(replay)}**"]
    if shown:
        lines += ["", f"| {' | '.join(_TITLES)} |", f"| {' | '.join('---' for _ in _TITLES)} |"]
        lines += [f"| {' | '.join(markdown_cell(_cut(cell)) for cell in _row(row))} |" for row in shown[:_MOST_ROWS]]
    if len(shown) > _MOST_ROWS:
        lines += ["", f"{len(shown) - _MOST_ROWS:,} more are not shown here; `--format json` has all."]
    left = [f"- Left out: {markdown_cell(_cut(line))}" for line in _left_out(replay)]
    return "\n".join([*lines, *([""] if left else []), *left])


def _left_out(replay: Replay) -> list[str]:
    lines = [f"{model.model}: {model.why}" for model in replay.left_out[:_MOST_LEFT_OUT]]
    more = len(replay.left_out) - _MOST_LEFT_OUT
    return [*lines, f"{more:,} more, which `--format json` names"] if more > 0 else lines


def _shown(replay: Replay, *, everything: bool) -> Sequence[Judgeable | NotJudgeable]:
    if everything:
        return replay.decisions
    return [decision for decision in replay.decisions if isinstance(decision, NotJudgeable) or decision.flips]


def _row(judgement: Judgeable | NotJudgeable) -> list[str]:
    subject, then = judgement.subject, ""
    if isinstance(judgement, NotJudgeable):
        then, now, why = subject.decided.action, "cannot be judged", judgement.why
    else:
        then, now, why = judgement.then.action, judgement.now.action if judgement.flips else "same", _why(judgement)
    if subject.review is not None:
        then = f"{then}, {_REVIEWED[subject.review.fact.action]}"
    return [stamp(subject.decided.at)[:10], subject.model, in_words(then), in_words(now), why, subject.retrain_job_id]


def _why(judgement: Judgeable) -> str:
    """Return the rule that made the difference with its numbers now and then, or the new decision's reason."""
    now, then = judgement.now.rule, judgement.then.rule
    if now is not None:
        before = f" (then: {then.formula} {then.verdict})" if then and judgement.flips else ""
        return f"{now.formula} {now.verdict}{before}"
    if then is not None:
        return f"this rule no longer exists (then: {then.formula} {then.verdict})"
    return judgement.now.reason


def _summary(replay: Replay) -> str:
    if not replay.decisions:
        return "No recorded decision to judge."
    flips = ", ".join(f"{count:,} {in_words(a)} to {in_words(b)}" for (a, b), count in flip_counts(replay).items())
    by = f"policy {inline(replay.policy)}" if replay.policy else "today's policies"
    counts = [
        f"{len(replay.flips):,} would flip{f' ({flips})' if flips else ''}",
        f"{replay.same:,} would not",
        *([f"{len(replay.problems):,} cannot be judged"] if replay.problems else []),
        *([f"{counted(len(replay.left_out), 'model')} left out"] if replay.left_out else []),
    ]
    return f"{counted(len(replay.decisions), 'recorded decision')} by {by}: {', '.join(counts)}."


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."
