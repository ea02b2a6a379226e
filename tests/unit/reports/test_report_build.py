"""The report as a value: nothing lost, nothing made up."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from runner.errors import StateError
from runner.journal.events import (
    ApprovalRecorded,
    JobCreated,
    ReportWritten,
    SwitchIntended,
    SwitchSucceeded,
    SwitchUnknown,
    TrainingFailed,
    UploadIntended,
    UploadUnknown,
)
from runner.reports.build import build_report
from runner.reports.formats.render import render_files
from runner.reports.model import ModelReport, Report
from runner.reports.run_history import read_history
from runner.reports.text import render_json
from tests.fakes.run_ids import run_id
from tests.unit.reports.report_history import (
    ASK,
    GUARDED,
    INCUMBENT,
    RUN,
    Recording,
    checked,
    evaluated,
    judged,
    planned,
    record_everything,
    record_waiting,
    sha,
    started,
)

Make = Callable[[], Recording]


def entry(record: Recording, name: str) -> ModelReport:
    [model] = [one for one in build_report(record.history()).models if one.name == name]
    return model


def lost_after(record: Recording, *steps: Any) -> ModelReport:
    """Return the entry of a model whose run recorded these facts and no outcome."""
    record.start()
    record("lost", planned(), checked("lost"), *steps)
    record.end(5, "lost")
    return entry(record, "lost")


def test_every_model_of_the_run_is_in_the_report_once_and_in_order(everything: Recording) -> None:
    names = [model.name for model in build_report(everything.history()).models]
    assert names == ["churn", "sales", "daily", "weekly", "fraud", "stock", "bad", "steady", "lost"]


def test_report_json_is_read_back_as_the_value_it_was_written_from(everything: Recording) -> None:
    written = render_files(everything.history())["report.json"]
    read, made = msgspec.json.decode(written, type=Report), build_report(everything.history())
    assert replace(read, models=tuple(read.models)) == made


def test_the_summary_counts_every_model_and_names_only_what_occurred(everything: Recording) -> None:
    report = build_report(everything.history())
    assert report.summary == {
        "switched": 1,
        "held": 2,
        "awaiting_approval": 1,
        "unchanged": 1,
        "training": 1,
        "failed": 2,
        "unknown": 1,
    }
    assert sum(report.summary.values()) == len(report.models)


def test_a_switched_model_shows_decision_data_result_and_times(everything: Recording) -> None:
    model = entry(everything, "churn")
    assert (model.outcome, model.verdict, model.retrain_job_id, model.model_id) == (
        "switched",
        "passed",
        "job-churn",
        4711,
    )
    assert model.decision
    assert model.switched_at
    assert model.dataset
    assert model.decision.action == "switch"
    assert model.decision.at < model.switched_at
    assert model.decision.candidate_sha256 == sha("candidate job-churn")
    assert to_builtins(model.dataset.train) == {
        "source": "data/train.csv",
        "sha256": sha("train churn"),
        "bytes": 123_456,
        "rows": 4_567,
        "version": None,
    }
    assert to_builtins(model.result) == {
        "path": f"runs/{RUN}/results/churn/result.csv",
        "sha256": sha("result job-churn"),
        "bytes": 321,
    }
    assert to_builtins(model.timings) == {
        "check_s": 0.5,
        "package_s": 0.25,
        "upload_s": 3.125,
        "wait_s": 4321.0,
        "evaluate_s": 0.0,
        "switch_s": 0.0,
    }
    assert model.calls.status == 32


def test_a_review_stands_beside_the_decision_it_is_about(everything: Recording) -> None:
    decision = entry(everything, "weekly").decision
    assert decision
    assert decision.action == "await_approval"
    approval = decision.approval
    assert approval
    assert (approval.action, approval.by, approval.reason) == ("reject", "ann@desk", "too few rows")
    assert approval.at > decision.at


def test_a_model_without_a_job_has_empty_parts_and_no_invented_ones(everything: Recording) -> None:
    model = entry(everything, "steady")
    assert model.metrics == {}
    assert model.rules == ()
    parts = ("retrain_job_id", "model_id", "dataset", "result", "verdict", "decision", "switched_at", "error")
    assert [getattr(model, part) for part in parts] == [None] * len(parts)


def test_numbers_are_the_decimal_texts_of_the_decision_digit_by_digit(everything: Recording) -> None:
    evaluation = judged("job-churn", GUARDED, baseline=INCUMBENT).evaluation
    model = entry(everything, "churn")
    assert {name: str(value) for name, value in model.metrics.items()} == evaluation.metrics
    keys = ("observed", "baseline", "limit", "margin")
    found = [[getattr(rule, key) for key in keys] for rule in model.rules]
    texts = [[None if value is None else str(value) for value in values] for values in found]
    assert texts == [[getattr(rule, key) for key in keys] for rule in evaluation.rules]
    assert '"auc": 0.9120' in render_json(build_report(everything.history())).decode()


@pytest.mark.parametrize(
    "text", ["1e307", "1E-306", "0." + "1" * 100, "9007199254740993", "0.1000000000000000055511151231257827"]
)
def test_numbers_beyond_floats_stand_exact_in_the_json(recording: Make, text: str) -> None:
    record, job = recording(), "job-1"
    record.start()
    record("churn", planned(), checked("churn"), *started(job, "churn"))
    decision = judged(job, GUARDED, content=f"AUC,0.9\nRMSE,{text}\n".encode(), baseline=INCUMBENT)
    record("churn", *evaluated(job, "churn", decision))
    record.end(0)
    report = json.loads(render_files(record.history())["report.json"], parse_float=Decimal, parse_int=Decimal)
    assert report["models"][0]["metrics"]["rmse"] == Decimal(text)


def test_events_after_the_end_do_not_change_the_report(recording: Make) -> None:
    record = recording()
    record_everything(record)
    before = render_files(record.history())
    record(None, ReportWritten(files={"report.json": "0" * 64}))
    record.run_id = run_id(2)
    record.start()
    candidate = sha("candidate job-daily")
    word = ApprovalRecorded(
        retrain_job_id="job-daily", candidate_sha256=candidate, action="approve", by="bob", reason="looks right"
    )
    [last] = record("daily", word)
    record(
        "daily",
        SwitchIntended(retrain_job_id="job-daily", decision_sha256=last.sha256, attempt=1),
        SwitchSucceeded(retrain_job_id="job-daily", proof="answer"),
    )
    record.end(0)
    assert render_files(read_history(record.store.read(), RUN)) == before


def test_a_run_that_did_not_end_has_no_report_yet(recording: Make) -> None:
    record = recording()
    record.start()
    with pytest.raises(StateError, match="no finished run"):
        record.history()


def test_an_unknown_run_is_named(everything: Recording) -> None:
    with pytest.raises(StateError, match="no finished run nowhere"):
        read_history(everything.store.read(), "nowhere")


TAKEN = JobCreated(retrain_job_id="j", url_expires_at="2026-03-01T05:00:00.000000Z", status_before_upload=None)
INTENDED = UploadIntended(retrain_job_id="j", dataset_sha256=sha("data lost"), attempt=1)


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ((), "skipped"),
        ((TAKEN,), "skipped"),
        ((TAKEN, INTENDED), "unknown"),
        ((TAKEN, INTENDED, UploadUnknown(retrain_job_id="j", message="cut")), "unknown"),
        (started("j", "lost"), "training"),
        ((*started("j", "lost"), TrainingFailed(retrain_job_id="j", status="failed", message="no")), "failed"),
        ((*started("j", "lost"), *evaluated("j", "lost", judged("j", ASK))), "skipped"),
    ],
)
def test_a_lost_run_names_what_is_in_flight(recording: Make, steps: Any, outcome: str) -> None:
    model = lost_after(recording(), *steps)
    assert model.outcome == outcome
    assert "the next run continues" in model.reason


def test_a_lost_run_loses_no_job_and_no_decision(recording: Make) -> None:
    record = recording()
    model = lost_after(record, *started("j", "lost"), *evaluated("j", "lost", judged("j", ASK)))
    assert model.retrain_job_id == "j"
    assert model.decision
    assert model.decision.action == "await_approval"
    assert model.metrics["auc"] == Decimal("0.9120")


def test_a_lost_switch_is_unknown(recording: Make) -> None:
    intent = SwitchIntended(retrain_job_id="j", decision_sha256="0" * 64, attempt=1)
    unclear = SwitchUnknown(retrain_job_id="j", message="cut")
    steps = (*started("j", "lost"), *evaluated("j", "lost", judged("j", ASK)), intent, unclear)
    assert lost_after(recording(), *steps).outcome == "unknown"


def test_a_lost_run_does_not_claim_the_job_of_an_earlier_run(recording: Make) -> None:
    record = recording()
    record.run_id = run_id(1)
    record.start()
    record_waiting(record, "lost")
    record.end(0)
    record.run_id = RUN
    record.start()
    record("lost", planned())
    record.end(5, "lost")
    model = entry(record, "lost")
    assert (model.outcome, model.retrain_job_id) == ("skipped", None)
