"""`verify` finds switches without a decision of their own, and rollbacks to where none can lead."""

from collections.abc import Iterable

from runner.app.switch_audit import SwitchAudit
from runner.journal.events import Fact, ModelsMoved, NameMove, RollbackDecided, SwitchDone, SwitchIntended
from tests.unit.journal.journal_facts import RUN, chained, draft, example, run_started


def found(facts: Iterable[Fact], *, runs: tuple[str, ...] = (RUN,)) -> list[str]:
    links = chained([draft(run_started(), model=None), *(draft(fact) for fact in facts)])
    audit = SwitchAudit(runs)
    for one in links:
        audit.look(one)
    return [f"{one.where} {one.what}" for one in audit.findings]


def rollback(to: str, left: str) -> RollbackDecided:
    return RollbackDecided(retrain_job_id=to, from_job_id=left, by="ann", reason="off", unverified=())


def done(job: str) -> SwitchDone:
    return SwitchDone(retrain_job_id=job, proof="answer")


def test_a_rollback_from_what_serves_to_what_served_is_no_finding() -> None:
    assert found([done("a"), done("b"), rollback("a", "b")]) == []


def test_a_rollback_to_a_job_that_never_served_is_found_with_its_place() -> None:
    assert found([done("b"), rollback("a", "b")]) == [
        "event 3, switch of churn is a rollback to job a, which had never served"
    ]


def test_a_rollback_from_a_job_that_did_not_serve_is_found() -> None:
    assert "from job c, which did not serve" in found([done("a"), done("b"), rollback("a", "c")])[0]


def test_a_switch_that_refers_to_no_decision_or_to_one_about_another_job_is_found() -> None:
    judged = example("judged")
    decision = chained([draft(run_started(), model=None), draft(judged)])[-1].sha256
    job = getattr(judged, "retrain_job_id", "")
    right = SwitchIntended(retrain_job_id=job, decision_sha256=decision, attempt=1)
    other = SwitchIntended(retrain_job_id="other", decision_sha256=decision, attempt=1)
    nowhere = SwitchIntended(retrain_job_id=job, decision_sha256="0" * 64, attempt=1)
    assert found([judged, right]) == []
    assert len(found([judged, other])) == 1
    assert len(found([judged, nowhere])) == 1


def test_only_the_runs_that_are_looked_at_are_judged() -> None:
    assert found([done("b"), rollback("a", "b")], runs=()) == []


def test_a_switch_after_a_move_refers_to_the_decision_before_it() -> None:
    judged = example("judged")
    job = getattr(judged, "retrain_job_id", "")
    before = [draft(run_started(), model=None), draft(judged)]
    intended = SwitchIntended(retrain_job_id=job, decision_sha256=chained(before)[-1].sha256, attempt=1)
    moved = ModelsMoved(moves=(NameMove(old="churn", new="other"), NameMove(old="other", new="churn")))
    for name, findings in (("other", 0), ("churn", 1)):
        audit = SwitchAudit((RUN,))
        for one in chained([*before, draft(moved, model=None), draft(intended, model=name)]):
            audit.look(one)
        assert len(audit.findings) == findings
