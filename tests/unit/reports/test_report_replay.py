"""Two decisions side by side: the rule that made the difference, and the forms they are shown in."""

import io
from collections.abc import Sequence

import markdown_it
import pytest
from msgspec.structs import replace

from runner.journal.retrain_job import Decided
from runner.lib.timestamps import moment
from runner.manifest.model import AutoPolicy, Policy, ThresholdPolicy
from runner.policy.decide import Inputs, evaluate, inputs_to_json
from runner.reports.replay import (
    Judgeable,
    LeftOut,
    NotJudgeable,
    Replay,
    Standard,
    Subject,
    replay_markdown,
    replay_text,
    sides,
)
from tests.unit.reports.report_history import GUARDED, HOSTILE, METRICS_CSV, PLACE, judged, rule

AT = moment("2026-03-01T04:05:06Z")
COMMENT_LIMIT = 65_536  # characters of a comment on GitHub


def threshold(*rules: tuple[str, str, str] | tuple[str, str, str, str]) -> ThresholdPolicy:
    made = tuple(rule(one[0], one[1], one[2], level=one[3] if len(one) > 3 else "decide") for one in rules)
    return replace(GUARDED, rules=made)


def replayed(then: Policy, now: Policy, *, model: str = "churn") -> Judgeable:
    """Judge the same result by two policies."""
    decided = Decided(fact=judged("job-1", then), at=AT, event_sha256="0" * 64, run_id="r")
    subject = Subject(model=model, retrain_job_id="job-1", decided=decided, review=None)
    inputs = Inputs(policy=now, definitions={}, baseline=None, eval_sha256=None)
    standard = Standard(policy=inputs_to_json(inputs)["policy"], policy_sha256="1" * 64)
    before, after = sides(subject, standard, evaluate(inputs, io.BytesIO(METRICS_CSV)))
    return Judgeable(subject=subject, then=before, now=after)


def whole(decisions: Sequence[Judgeable | NotJudgeable], *left_out: LeftOut) -> Replay:
    return Replay(service="emulator", policy=None, decisions=tuple(decisions), left_out=left_out)


LOW, HIGH = ("auc", "min", "0.8"), ("auc", "min", "0.95")


@pytest.mark.parametrize(
    ("then", "now", "shown"),
    [
        (threshold(LOW), threshold(HIGH), ("auc 0.9120 >= 0.8", "auc 0.9120 >= 0.95")),
        (threshold(HIGH), threshold(LOW), ("auc 0.9120 >= 0.95", "auc 0.9120 >= 0.8")),
        (threshold(LOW), threshold(LOW, ("recall", "min", "0.7")), (None, "recall 0.61 >= 0.7")),
        (threshold(LOW, ("recall", "min", "0.7")), threshold(LOW), ("recall 0.61 >= 0.7", None)),
        (threshold(HIGH), threshold((*HIGH, "warn"), LOW), ("auc 0.9120 >= 0.95", "auc 0.9120 >= 0.8")),
        (threshold(LOW), threshold(LOW, HIGH), ("auc 0.9120 >= 0.8", "auc 0.9120 >= 0.95")),
        (threshold(HIGH), AutoPolicy(name="auto", place=PLACE), ("auc 0.9120 >= 0.95", None)),
    ],
)
def test_a_flip_names_the_rule_that_made_the_difference(
    then: Policy, now: Policy, shown: tuple[str | None, str | None]
) -> None:
    found = replayed(then, now)
    assert found.flips
    assert (found.then.rule and found.then.rule.formula, found.now.rule and found.now.rule.formula) == shown


def test_a_rule_that_only_warns_is_never_what_made_the_difference() -> None:
    warns = ("recall", "min", "0.9", "warn")
    found = replayed(threshold(LOW), threshold(warns, HIGH))
    assert found.now.rule is not None
    assert found.now.rule.metric == "auc"


def test_what_is_done_counts_and_not_the_verdict() -> None:
    asks = replace(threshold(LOW), on_pass="ask")
    found = replayed(threshold(LOW), asks)
    assert (found.flips, found.then.verdict, found.now.verdict) == (True, "passed", "passed")
    held = replace(threshold(HIGH), on_fail="ask")
    assert not replayed(asks, held).flips


def test_another_limit_with_the_same_decision_is_not_a_flip() -> None:
    found = replayed(threshold(LOW), threshold(("auc", "min", "0.85")))
    assert not found.flips
    text = replay_text(whole([found]), width=None, everything=False)
    assert text == "1 recorded decision by today's policies: 0 would flip, 1 would not."
    assert "same" in replay_text(whole([found]), width=None, everything=True)


def test_nothing_recorded_is_said_plainly() -> None:
    assert replay_text(whole([]), width=80, everything=False) == "No recorded decision to judge."


def test_the_markdown_of_a_year_fits_into_a_comment() -> None:
    flip = replayed(threshold(LOW), threshold(HIGH), model="m" * 500)
    left = [LeftOut(model="x" * 400, why="y" * 400)] * 300
    text = replay_markdown(whole([flip] * 15_600, *left))
    assert len(text) < COMMENT_LIMIT
    assert "15,500 more are not shown here" in text
    assert "280 more" in text


def test_names_from_outside_make_neither_markup_nor_cells() -> None:
    flip = replayed(threshold(LOW), threshold(HIGH), model=HOSTILE)
    lost = NotJudgeable(subject=flip.subject, why=HOSTILE)
    text = replay_markdown(whole([flip, lost], LeftOut(model=HOSTILE, why=HOSTILE)))
    html = markdown_it.MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    assert not [tag for tag in ("<script", "<a ", "<img", "<code", "<em", "<h1") if tag in html]
    assert html.count("<td") == 2 * 6
    assert not {"\x1b", "\u202e"} & set(text)
