"""`verify` finds switches without a decision of their own, and rollbacks to where none can lead."""

from collections.abc import Iterable
from typing import Literal

import pytest
from msgspec.structs import replace

from runner.app.audit.recompute import SwitchAudit
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    Fact,
    ModelsMoved,
    NameMove,
    RollbackDecided,
    SwitchIntended,
    SwitchSucceeded,
)
from runner.policy.evaluation import Action, Decision
from tests.unit.journal.journal_facts import RUN, chained, draft, example, run_started


def found(facts: Iterable[Fact], *, runs: tuple[str, ...] = (RUN,)) -> list[str]:
    links = chained([draft(run_started(), model=None), *(draft(fact) for fact in facts)])
    audit = SwitchAudit(runs)
    for link in links:
        audit.take(link)
    return [f"{finding.where} {finding.what}" for finding in audit.findings]


def rollback(to: str, left: str) -> RollbackDecided:
    return RollbackDecided(retrain_job_id=to, from_job_id=left, by="ann", reason="off", unverified=())


def done(job: str) -> SwitchSucceeded:
    return SwitchSucceeded(retrain_job_id=job, proof="answer")


def served(*jobs: str) -> list[Fact]:
    """Return switches to these jobs, one after the other, each by its policy."""
    facts: list[Fact] = []
    for job in jobs:
        decision = judged(job)
        facts += [decision, intent(job, [*facts, decision]), done(job)]
    return facts


def judged(job: str, action: Action = "switch", candidate: str = "c" * 64) -> CandidateEvaluated:
    base = example("candidate_evaluated")
    assert isinstance(base, CandidateEvaluated)
    evaluation = replace(base.evaluation, decision=Decision(action=action, reason="Because."))
    return replace(base, retrain_job_id=job, candidate_sha256=candidate, evaluation=evaluation)


def intent(job: str, before: Iterable[Fact]) -> SwitchIntended:
    """Return the intent to switch that refers to the last decision about the job before it."""
    links = chained([draft(run_started(), model=None), *(draft(fact) for fact in before)])
    last = [
        link
        for link in links
        if isinstance(link.event.fact, CandidateEvaluated) and link.event.fact.retrain_job_id == job
    ][-1]
    return SwitchIntended(retrain_job_id=job, decision_sha256=last.sha256, attempt=1)


def word(job: str, action: Literal["approve", "reject"], candidate: str = "c" * 64) -> ApprovalRecorded:
    return ApprovalRecorded(retrain_job_id=job, candidate_sha256=candidate, action=action, by="ann", reason="seen")


def test_a_rollback_from_what_serves_to_what_served_is_not_a_finding() -> None:
    assert found([*served("a", "b"), rollback("a", "b")]) == []


def test_a_rollback_to_a_job_that_never_served_is_found_with_its_place() -> None:
    assert found([*served("b"), rollback("a", "b")]) == [
        "event 5, switch of churn is a rollback to job a, which had never served"
    ]


def test_a_rollback_from_a_job_that_did_not_serve_is_found() -> None:
    assert "from job c, which did not serve" in found([*served("a", "b"), rollback("a", "c")])[0]


def test_a_switch_that_refers_to_no_decision_or_to_one_about_another_job_is_found() -> None:
    judgement, job = judged("a"), "a"
    decision = chained([draft(run_started(), model=None), draft(judgement)])[-1].sha256
    right = SwitchIntended(retrain_job_id=job, decision_sha256=decision, attempt=1)
    other = SwitchIntended(retrain_job_id="other", decision_sha256=decision, attempt=1)
    nowhere = SwitchIntended(retrain_job_id=job, decision_sha256="0" * 64, attempt=1)
    assert found([judgement, right]) == []
    assert len(found([judgement, other])) == 1
    assert len(found([judgement, nowhere])) == 1


def test_a_switch_without_an_intent_is_found() -> None:
    assert "no intent is before it" in found([done("a")])[0]
    assert "no intent is before it" in found([*served("a"), done("a")])[0]


@pytest.mark.plays("E7")
@pytest.mark.parametrize("action", ["hold", "await_approval"])
def test_a_switch_that_nobody_decided_on_is_found(action: Action) -> None:
    decision = judged("a", action)
    cases: tuple[tuple[list[Fact], str | None], ...] = (
        ([decision], f"rests on a decision to {action}, and nobody approved that candidate"),
        ([decision, word("a", "approve")], None),
        ([decision, word("a", "approve", "d" * 64)], "nobody approved that candidate"),
        ([decision, word("a", "reject")], "which ann rejected"),
        ([decision, word("a", "approve"), word("a", "reject")], "which ann rejected"),
        ([decision, word("a", "approve"), decision], "nobody approved that candidate"),
        ([judged("a"), word("a", "reject")], "which ann rejected"),
    )
    for before, finding in cases:
        told = found([*before, intent("a", before), done("a")])
        assert len(told) == (finding is not None)
        assert finding is None or finding in told[0]


def test_only_the_runs_that_are_looked_at_are_judged() -> None:
    assert found([done("b"), rollback("a", "b")], runs=()) == []


def test_a_switch_after_a_move_refers_to_the_decision_before_it() -> None:
    judgement, job = judged("a"), "a"
    before = [draft(run_started(), model=None), draft(judgement)]
    intended = SwitchIntended(retrain_job_id=job, decision_sha256=chained(before)[-1].sha256, attempt=1)
    moved = ModelsMoved(moves=(NameMove(old="churn", new="other"), NameMove(old="other", new="churn")))
    for name, findings in (("other", 0), ("churn", 1)):
        audit = SwitchAudit((RUN,))
        for one in chained([*before, draft(moved, model=None), draft(intended, model=name)]):
            audit.take(one)
        assert len(audit.findings) == findings
