"""What a person decides by: both models' values, what their difference means, and where the incumbent's come from."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.journal.events import CandidateEvaluated, ServingObserved, SwitchSucceeded
from runner.journal.folder import StateFolder
from runner.journal.model_progress import ModelProgress
from runner.plan.evidence import Evidence, MetricEvidence, evidence
from tests.unit.reports.report_history import (
    ASK,
    GUARDED,
    MemoryJournal,
    Recording,
    checked,
    evaluated,
    judged,
    started,
)

FIRST = b"AUC,0.954\nRMSE,1.50\nCoverage Rate,0.93\nAccuracy,88.5%\nRecall,much\n"
SECOND = b"RMSE,1.25\nAUC,0.939\nCoverage Rate,0.88\nAccuracy,90.25%\nMAE,3\n"


def record() -> Recording:
    made = Recording(store=MemoryJournal(), folder=StateFolder(Path("state")))
    made.start()
    return made


def judge(
    made: Recording, job: str, content: bytes, *, switched: bool = False, with_eval: bool = True
) -> CandidateEvaluated:
    """Record a job with this result, and let it serve."""
    made("m", checked(job, with_eval=with_eval), *started(job, job))
    decision = judged(job, ASK, content=content)
    made("m", *evaluated(job, job, decision))
    if switched:
        made("m", SwitchSucceeded(retrain_job_id=job, proof="answer"))
    return decision


def progress_of(made: Recording) -> ModelProgress:
    made.end(0)
    history = made.history()
    return history.progress.model(history.record.started.service, "m")


def found(made: Recording, job: str) -> Evidence:
    progress = progress_of(made)
    return evidence(progress, progress.jobs[job])


def by_name(one: Evidence) -> dict[str, MetricEvidence]:
    return {metric.name: metric for metric in one.metrics}


@pytest.mark.parametrize(
    ("name", "difference", "change"),
    [
        ("auc", "-0.015", "worse"),
        ("rmse", "-0.25", "better"),
        ("coverage_rate", "-0.05", "better"),
        ("accuracy", "0.0175", "better"),
    ],
)
def test_a_difference_is_better_or_worse_by_the_metrics_direction(name: str, difference: str, change: str) -> None:
    made = record()
    judge(made, "a", FIRST, switched=True)
    judge(made, "b", SECOND)
    one = found(made, "b")
    assert (one.retrain_job_id, one.incumbent_job_id, one.source, one.note) == ("b", "a", "measured", None)
    metric = by_name(one)[name]
    assert (metric.difference, metric.change) == (Decimal(difference), change)


def test_after_a_change_outside_nothing_is_recorded_of_the_model_in_service() -> None:
    made = record()
    judge(made, "a", FIRST, switched=True)
    judge(made, "b", SECOND)
    made("m", ServingObserved(drift="changed_outside", reason="The list names another model.", model_id=9))
    one = found(made, "b")
    assert (one.incumbent_job_id, one.source) == (None, "unrecorded")
    assert {metric.incumbent for metric in one.metrics} == {None}


def test_a_value_that_one_of_the_two_lacks_is_told_with_the_reason() -> None:
    made = record()
    judge(made, "a", FIRST, switched=True)
    judge(made, "b", SECOND)
    metrics = by_name(found(made, "b"))
    assert (metrics["mae"].candidate, metrics["mae"].incumbent) == (Decimal(3), None)
    assert metrics["mae"].problem == "is not recorded for the incumbent"
    assert (metrics["recall"].candidate, metrics["recall"].problem) == (None, "is missing from the result")
    assert (metrics["recall"].difference, metrics["recall"].change) == (None, None)


def test_a_value_that_cannot_be_used_says_why() -> None:
    made = record()
    judge(made, "a", FIRST)
    assert by_name(found(made, "a"))["recall"].problem == "is not a number: 'much'"


def test_the_unit_of_the_result_file_is_kept_and_the_numbers_stay_exact() -> None:
    made = record()
    judge(made, "a", FIRST)
    accuracy = by_name(found(made, "a"))["accuracy"]
    assert (accuracy.unit, accuracy.candidate) == ("%", Decimal("0.885"))


def test_before_the_first_switch_nothing_is_recorded_of_the_model_in_service() -> None:
    made = record()
    judge(made, "a", FIRST)
    one = found(made, "a")
    assert (one.source, one.incumbent_job_id) == ("unrecorded", None)
    assert one.note == "Nothing is recorded of the model in service."
    assert by_name(one)["auc"].problem is None


def test_a_job_that_serves_is_compared_with_the_one_it_replaced() -> None:
    made = record()
    judge(made, "a", FIRST, switched=True)
    judge(made, "b", SECOND, switched=True)
    assert found(made, "b").incumbent_job_id == "a"


def test_scores_on_other_rows_are_noted() -> None:
    made = record()
    judge(made, "a", FIRST, switched=True)
    judge(made, "b", SECOND, with_eval=False)
    assert "their rows may differ" in (found(made, "b").note or "")


def test_the_metrics_of_the_rules_come_first_and_each_metric_once() -> None:
    made = record()
    made("m", checked("a"), *started("a", "a"), *evaluated("a", "a", judged("a", GUARDED, content=SECOND)))
    names = [metric.name for metric in found(made, "a").metrics]
    assert names[:4] == ["auc", "rmse", "recall", "coverage_rate"]
    assert len(names) == len(set(names))


def test_a_decision_without_any_metric_has_an_empty_table() -> None:
    made = record()
    judge(made, "a", b"AUC,0.9\n")
    progress = progress_of(made)
    job = progress.jobs["a"]
    assert job.decided is not None
    fact = job.decided.fact
    bare = replace(fact.evaluation, metrics={}, problems={}, texts={})
    job = replace(job, decided=replace(job.decided, fact=replace(fact, evaluation=bare)))
    assert evidence(progress, job).metrics == ()
