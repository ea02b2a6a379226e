"""A replay as a table for a terminal, and as Markdown for a pull request's comment."""

from collections.abc import Mapping, Sequence

from runner.lib.timestamps import stamp
from runner.reports.replay import Judgeable, NotJudgeable, Replay, flip_counts
from runner.reports.table import Column, text_table
from runner.reports.text import inline, markdown_cell, words

_MOST_ROWS = 100  # of the Markdown table: a comment may have 65,536 characters
_MOST_LEFT_OUT = 20
_LONGEST_CELL = 300
_REVIEWED: Mapping[str, str] = {"approve": "approved", "reject": "rejected"}
_TITLES = ("decided", "model", "then", "now", "why", "job")


def replay_text(replay: Replay, *, width: int | None, everything: bool) -> str:
    """Return the decisions that would flip and those that cannot be judged, or all; then the counts."""
    rows = [_row(one) for one in _shown(replay, everything=everything)]
    columns = [Column(title=title, spare=title == "job") for title in _TITLES]
    table = [text_table(columns, rows, width=width), ""] if rows else []
    return "\n".join([*table, *(f"left out: {inline(line)}" for line in _left_out(replay)), _summary(replay)])


def replay_markdown(replay: Replay) -> str:
    """Return the decisions that would flip as a table that fits into a comment; names and numbers stay text."""
    shown = _shown(replay, everything=False)
    lines = [f"**{_summary(replay)}**"]
    if shown:
        lines += ["", f"| {' | '.join(_TITLES)} |", f"| {' | '.join('---' for _ in _TITLES)} |"]
        lines += [f"| {' | '.join(markdown_cell(_cut(cell)) for cell in _row(one))} |" for one in shown[:_MOST_ROWS]]
    if len(shown) > _MOST_ROWS:
        lines += ["", f"{len(shown) - _MOST_ROWS:,} more are not shown here; `--format json` has all."]
    left = [f"- Left out: {markdown_cell(_cut(line))}" for line in _left_out(replay)]
    return "\n".join([*lines, *([""] if left else []), *left])


def _left_out(replay: Replay) -> list[str]:
    lines = [f"{one.model}: {one.why}" for one in replay.left_out[:_MOST_LEFT_OUT]]
    more = len(replay.left_out) - _MOST_LEFT_OUT
    return [*lines, f"{more:,} more, which `--format json` names"] if more > 0 else lines


def _shown(replay: Replay, *, everything: bool) -> Sequence[Judgeable | NotJudgeable]:
    if everything:
        return replay.decisions
    return [one for one in replay.decisions if isinstance(one, NotJudgeable) or one.flips]


def _row(one: Judgeable | NotJudgeable) -> list[str]:
    subject, then = one.subject, ""
    if isinstance(one, NotJudgeable):
        then, now, why = subject.decided.action, "cannot be judged", one.why
    else:
        then, now, why = one.then.action, one.now.action if one.flips else "same", _why(one)
    if subject.review is not None:
        then = f"{then}, {_REVIEWED[subject.review.fact.action]}"
    return [stamp(subject.decided.at)[:10], subject.model, words(then), words(now), why, subject.retrain_job_id]


def _why(one: Judgeable) -> str:
    """Return the rule that made the difference with its numbers now and then, or the new decision's reason."""
    now, then = one.now.rule, one.then.rule
    if now is not None:
        before = f" (then: {then.formula} {then.verdict})" if then and one.flips else ""
        return f"{now.formula} {now.verdict}{before}"
    if then is not None:
        return f"no such rule any more (then: {then.formula} {then.verdict})"
    return one.now.reason


def _summary(replay: Replay) -> str:
    if not replay.decisions:
        return "No recorded decision to judge."
    flips = ", ".join(f"{count:,} {words(a)} to {words(b)}" for (a, b), count in flip_counts(replay).items())
    by = f"policy {inline(replay.policy)}" if replay.policy else "today's policies"
    counts = [
        f"{len(replay.flips):,} would flip{f' ({flips})' if flips else ''}",
        f"{replay.same:,} would not",
        *([f"{len(replay.problems):,} cannot be judged"] if replay.problems else []),
        *([f"{len(replay.left_out):,} model(s) left out"] if replay.left_out else []),
    ]
    return f"{len(replay.decisions):,} recorded decision(s) by {by}: {', '.join(counts)}."


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."
