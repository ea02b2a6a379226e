"""Who served, who was turned back from, and that journals of earlier versions still tell it."""

import hashlib
import json
from collections.abc import Iterable

from runner.journal.chain import GENESIS, Row, link, read_chain
from runner.journal.events import (
    ApprovalRecorded,
    Draft,
    Fact,
    RollbackDecided,
    SwitchIntended,
    SwitchRejected,
    SwitchSucceeded,
)
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import JobStage
from tests.unit.journal.journal_facts import chained, draft, example, run_started

ADDED = {
    "candidate_evaluated": ("bound",),
    "approval_recorded": ("source", "forced"),
    "switch_rejected": ("by_service",),
}


def about(kind: str, job: str) -> Fact:
    """Return the schema's example of a fact, about another job."""
    fact = example(kind)
    return type(fact)(**{**{name: getattr(fact, name) for name in fact.__struct_fields__}, "retrain_job_id": job})


def trained(job: str) -> list[Fact]:
    """Return how a job comes to its decision."""
    kinds = (
        "data_checked",
        "job_created",
        "upload_intended",
        "upload_succeeded",
        "training_finished",
        "result_downloaded",
        "candidate_evaluated",
    )
    return [example(kind) if kind == "data_checked" else about(kind, job) for kind in kinds]


def switched(job: str) -> list[Fact]:
    return [
        SwitchIntended(retrain_job_id=job, decision_sha256="0" * 64, attempt=1),
        SwitchSucceeded(retrain_job_id=job, proof="answer"),
    ]


def rollback(to: str, back_from: str) -> RollbackDecided:
    return RollbackDecided(retrain_job_id=to, from_job_id=back_from, by="ann", reason="off", unverified=())


def drafts(facts: Iterable[Fact]) -> list[Draft]:
    return [draft(run_started(), model=None), *(draft(fact) for fact in facts)]


def fold(*facts: Fact) -> ModelProgress:
    return Progress(chained(drafts(facts))).model("emulator", "churn")


TWO = (*trained("a"), *switched("a"), *trained("b"), *switched("b"))


def test_jobs_that_served_are_known_in_their_order() -> None:
    progress = fold(*TWO)
    assert (progress.serving.ids, progress.incumbent_id, progress.serving.left) == (["a", "b"], "b", {})


def test_a_decided_rollback_leads_until_it_is_done_and_then_speaks_against_the_job_it_left() -> None:
    open_ = fold(*TWO, rollback("a", "b"))
    assert (open_.current and open_.current.retrain_job_id, open_.incumbent_id) == ("a", "b")
    done = fold(*TWO, rollback("a", "b"), *switched("a"))
    assert (done.serving.wanted, done.incumbent_id, list(done.serving.left)) == (None, "a", ["b"])
    assert done.serving.left["b"].by == "ann"
    assert done.last is not None
    assert done.last.retrain_job_id == "b"


def test_a_refusal_by_the_service_ends_a_rollback_and_any_other_keeps_it_due() -> None:
    intent = switched("a")[0]
    refused = fold(*TWO, rollback("a", "b"), intent, SwitchRejected(retrain_job_id="a", message="", by_service=True))
    assert (refused.serving.wanted, refused.jobs["a"].stage) == (None, JobStage.SWITCHED)
    lost = fold(*TWO, rollback("a", "b"), intent, SwitchRejected(retrain_job_id="a", message=""))
    assert (lost.serving.wanted, lost.jobs["a"].stage) == ("a", JobStage.SWITCHED)


def test_a_rollback_forward_speaks_against_nobody() -> None:
    progress = fold(*TWO, rollback("a", "b"), *switched("a"), rollback("b", "a"), *switched("b"))
    assert (progress.incumbent_id, progress.serving.left) == ("b", {})


def test_a_switch_after_a_rollback_refers_to_the_rollback() -> None:
    links = chained(drafts([*TWO, rollback("a", "b")]))
    job = Progress(links).model("emulator", "churn").jobs["a"]
    assert (job.mandate_sha256, job.switches) == (links[-1].sha256, 0)


def test_only_a_forced_approval_makes_an_older_candidate_lead() -> None:
    two = (*trained("a"), *trained("b"))
    for forced, leads in ((True, "a"), (False, None)):
        word = ApprovalRecorded(
            retrain_job_id="a", candidate_sha256="0" * 64, action="approve", by="ann", reason="x", forced=forced
        )
        assert fold(*two, word).serving.wanted == leads


def test_a_journal_without_the_later_keys_reads_as_before_and_its_chain_holds() -> None:
    now = chained(drafts([*TWO, example_about_b("approval_recorded"), example_about_b("switch_rejected")]))
    rows: list[Row] = []
    prev = GENESIS
    for one in now:
        value = json.loads(one.body)
        for name in ADDED.get(value["fact"]["kind"], ()):
            del value["fact"][name]
        body = json.dumps({**value, "prev": prev}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        rows.append(Row(seq=one.event.seq, body=body, sha256=digest(body), guard=None))
        prev = rows[-1].sha256
    links = list(read_chain(rows))
    assert [one.body for one in links] == [row.body for row in rows]
    progress = Progress(links).model("emulator", "churn")
    decided = progress.jobs["b"].decided
    assert (decided and decided.fact.bound, progress.incumbent_id) == (None, "b")
    after = link(draft(), seq=len(links) + 1, prev=links[-1].sha256)
    assert after.event.prev == rows[-1].sha256


def example_about_b(kind: str) -> Fact:
    return about(kind, "b")


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
