"""What reports, histories and pages say of a result whose metrics could not be read, and of a candidate still held."""

import json
from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from referencing import Registry

from runner.lib.schemas import load_schema
from runner.reports.build import build_report
from runner.reports.charts.trend import candidate_status
from runner.reports.formats.junit import render_junit
from runner.reports.formats.openmetrics import render_openmetrics
from runner.reports.formats.render import render_files
from runner.reports.history import history_text, read_entries
from runner.reports.history_records import history_csv, history_json
from runner.reports.model import Report
from runner.reports.model_timeline import read_fleet
from runner.reports.run_history import read_history
from runner.site.pages import site_pages
from tests.unit.reports.report_history import (
    ASK,
    STRICT,
    Recording,
    checked,
    evaluated,
    finished,
    judged,
    planned,
    record_waiting,
    started,
)

PAGE = b"<html>502</html>"
WHY = "The result is XML or HTML"


@pytest.fixture
def record(recording: Callable[[], Recording]) -> Recording:
    """Return a run with a model that waits, and one that is held, both without metrics."""
    record = recording()
    record.start()
    for model, policy, outcome in (("daily", ASK, "awaiting_approval"), ("sales", STRICT, "held")):
        job, decision = f"job-{model}", judged(f"job-{model}", policy, content=PAGE)
        record(model, planned(policy.name), checked(model), *started(job, model), *evaluated(job, model, decision))
        record(model, finished(outcome, decision.evaluation.decision.reason, job))
    record.end(4)
    return record


def still_held(record: Recording) -> Report:
    """Record a later run, in which nothing is new, and return its report."""
    record.run_id = "20260302T040506Z-000002"
    record.start()
    record("sales", planned("strict", action="nothing"))
    record("sales", replace(finished("held", "Candidate job-sales is still held.", "job-sales"), still_held=True))
    record.end(0)
    return build_report(record.history())


def test_the_report_has_the_reason_beside_no_metrics_and_fits_its_schema(record: Recording) -> None:
    files = render_files(record.history())
    report = json.loads(files["report.json"])
    for model in report["models"]:
        assert (model["metrics"], model["unread"][: len(WHY)], model["still_held"]) == ({}, WHY, False)
    schema = Draft202012Validator(load_schema("report"), registry=Registry())
    assert [error.message for error in schema.iter_errors(report)] == []
    assert f"The metrics could not be read: {WHY}" in files["report.md"].decode()
    assert (
        "prints the lines that say under `metrics:` in the manifest where the metrics are"
        in files["report.md"].decode()
    )
    assert f"They could not be read: {WHY}" in files["report.html"].decode()


def test_other_forms_say_it_too(record: Recording) -> None:
    report = build_report(record.history())
    assert b"the metrics could not be read: the result is XML or HTML" in render_junit(report)
    assert b"retrain_model_metric{" not in render_openmetrics(report)


def test_a_history_says_it_in_every_form(record: Recording) -> None:
    entries = list(read_entries(record.links))
    assert history_text(entries, width=None).count("unread") == 2
    assert [run["unread"][: len(WHY)] for run in json.loads(history_json(entries))["runs"]] == [WHY, WHY]
    assert history_csv(entries).count(WHY) >= 2


def test_the_site_says_it_where_the_candidate_waits_and_in_its_history(record: Recording) -> None:
    pages = [page.render().decode() for page in site_pages(read_fleet(record.store.read()))]
    assert sum("the metrics could not be read: the result is XML or HTML" in page for page in pages) >= 2


def test_a_candidate_that_is_still_held_is_skipped_in_junit_even_where_another_model_failed(record: Recording) -> None:
    report = still_held(record)
    assert [model.still_held for model in report.models] == [True]
    assert b'<skipped message="held: ' in render_junit(replace(report, exit_code=1))
    assert report.summary == {"held": 1}


def test_a_history_does_not_call_held_what_a_person_rejected(recording: Callable[[], Recording]) -> None:
    record = recording()
    record.start()
    record_waiting(record, "weekly", review=True)
    record.end(0)
    progress = read_history(record.store.read(), record.run_id).progress.models
    [(_, weekly)] = progress.items()
    assert candidate_status(weekly, weekly.jobs["job-weekly"]) == "rejected"
    assert weekly.jobs["job-weekly"].rests_with is None
