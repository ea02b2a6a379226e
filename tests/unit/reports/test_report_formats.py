"""JUnit and OpenMetrics, read back by their own readers; every form has the same bytes wherever it is rendered."""

import hashlib
import math
import os
import re
import subprocess
import sys
from decimal import Decimal

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as read_older_text

from runner.journal.outcomes import OUTCOMES
from runner.reports.build import build_report
from runner.reports.formats.junit import render_junit
from runner.reports.formats.openmetrics import render_openmetrics
from runner.reports.formats.registry import FORMATS
from runner.reports.model import Report
from runner.reports.text import json_pieces, render_json
from tests.unit.reports.report_history import RUN, Recording

RENDER = """
import hashlib, sys
from runner.app.queries.report import report
from runner.reports.formats.registry import FORMATS
for form in sys.argv[2:]:
    sys.stdout.write(f"{form} {hashlib.sha256(report(sys.argv[1], None, FORMATS[form]).content).hexdigest()}\\n")
"""


class _Long(Struct, frozen=True, kw_only=True):
    a: object
    items: object
    z: object


@pytest.fixture
def report(everything: Recording) -> Report:
    return build_report(everything.history())


def read_junit(report: Report) -> tuple[TestSuite, dict[str, TestCase]]:
    suites = JUnitXml.fromstring(render_junit(report))
    [suite] = list(suites)
    assert isinstance(suite, TestSuite)
    return suite, {case.name: case for case in suite}


def read_metrics(report: Report) -> dict[str, Metric]:
    """Read as Prometheus does, strictly."""
    text = render_openmetrics(report).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]  # theirs


def value(families: dict[str, Metric], name: str, **labels: str) -> float | None:
    found = [sample.value for sample in families[name].samples if sample.labels == labels]
    assert len(found) < 2
    return found[0] if found else None


def test_every_form_has_the_same_bytes_whatever_hash_seed_time_zone_and_locale(everything: Recording) -> None:
    expected = {form: hashlib.sha256(render(everything.history())).hexdigest() for form, render in FORMATS.items()}
    for surroundings in (
        {"PYTHONHASHSEED": "0", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "LANG": "ja_JP.UTF-8"},
    ):
        command = [sys.executable, "-c", RENDER, str(everything.folder.root), *FORMATS]
        answer = subprocess.run(command, env={**os.environ, **surroundings}, capture_output=True, text=True, check=True)
        assert dict(line.split() for line in answer.stdout.splitlines()) == expected


@pytest.mark.parametrize(
    ("model", "kind", "type_"),
    [
        ("churn", None, None),
        ("steady", None, None),
        ("sales", Failure, "held"),
        ("fraud", Failure, "training"),
        ("bad", Failure, "service"),
        ("stock", Error, "unknown"),
        ("daily", Skipped, None),
        ("lost", Skipped, None),
    ],
)
def test_an_outcome_is_a_passed_failed_skipped_or_broken_case(
    report: Report, model: str, kind: type | None, type_: str | None
) -> None:
    _, cases = read_junit(report)
    results = cases[model].result
    assert [type(result) for result in results] == ([kind] if kind else [])
    assert [result.type for result in results] == ([type_] if kind else [])
    reason = next(one.reason for one in report.models if one.name == model)
    if model != "bad":
        told = results[0].message if results else cases[model].system_out
        assert told
        assert reason in told


def test_a_held_candidate_that_the_run_allowed_is_skipped(report: Report) -> None:
    _, cases = read_junit(replace(report, exit_code=0))
    [result] = cases["sales"].result
    assert isinstance(result, Skipped)
    assert result.message.startswith("held: ")


def test_the_suite_counts_its_cases_and_names_run_commit_and_head(report: Report) -> None:
    suite, cases = read_junit(report)
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == (f"retrain {RUN}", 9, 4, 1, 2)
    properties = {one.name: one.value for one in suite.properties()}  # type: ignore[no-untyped-call]  # theirs
    assert properties["run_id"] == RUN
    assert properties["commit"] == "4" * 40
    assert properties["head_sha256"] == report.journal.head_sha256
    assert properties["exit_code"].startswith("8 ")
    assert (cases["churn"].classname, cases["churn"].time) == ("guarded", 4324.875)
    recounted = JUnitXml.fromstring(render_junit(report))
    recounted.update_statistics()  # type: ignore[no-untyped-call]  # theirs
    assert (recounted.tests, recounted.failures, recounted.errors, recounted.skipped) == (9, 4, 1, 2)


def test_junit_holds_characters_that_xml_allows_and_hostile_text_as_text(report: Report) -> None:
    text = render_junit(report).decode()
    assert not re.search("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    _, cases = read_junit(report)
    [failure] = cases["bad"].result
    assert "<script>alert(1)</script>" in failure.message
    assert r"\x1b[31mred \u202eesrever" in failure.message
    assert failure.text.count("\n") == 2  # outcome, job and warning: what came from outside begins no line


def test_the_metrics_say_what_became_of_each_model(report: Report) -> None:
    families = read_metrics(report)
    for model in report.models:
        values = {
            outcome: value(families, "retrain_model_outcome", model=model.name, outcome=outcome) for outcome in OUTCOMES
        }
        assert values == {outcome: float(outcome == model.outcome) for outcome in OUTCOMES}
    assert value(families, "retrain_run_models", outcome="held") == 2
    assert value(families, "retrain_run_models", outcome="skipped") == 0
    assert value(families, "retrain_run_exit_code") == 8
    assert value(families, "retrain_run_end_timestamp_seconds") == 1772337675
    [info] = families["retrain_run_info"].samples
    assert (info.labels["run_id"], info.labels["head_sha256"]) == (RUN, report.journal.head_sha256)


def test_the_metrics_hold_what_was_judged_and_how_long_it_took(report: Report) -> None:
    families = read_metrics(report)
    assert value(families, "retrain_model_metric", model="churn", metric="auc") == 0.912
    assert value(families, "retrain_model_stage_seconds", model="churn", stage="wait") == 4321
    assert value(families, "retrain_model_calls", model="churn", call="status") == 32
    assert value(families, "retrain_model_rows", model="churn", file="train") == 4567
    assert value(families, "retrain_model_data_bytes", model="churn", file="eval") == 2345
    assert value(families, "retrain_model_switch_timestamp_seconds", model="churn") == 1772337612
    assert value(families, "retrain_model_switch_timestamp_seconds", model="sales") is None
    assert value(families, "retrain_model_metric", model="sales", metric="r2") is None


def test_the_text_is_openmetrics_and_what_node_exporter_reads(report: Report) -> None:
    text = render_openmetrics(report).decode()
    assert text.endswith("\n# EOF\n")
    types = set(re.findall(r"^# TYPE \S+ (\S+)$", text, re.MULTILINE))
    assert types == {"gauge"}  # node_exporter refuses info, stateset and unknown
    names = [one.name for one in read_older_text(text)]
    assert names == list(read_metrics(report))
    assert not [metric for metric in read_metrics(report).values() for sample in metric.samples if sample.timestamp]


def test_a_label_keeps_its_quotes_and_backslashes_and_no_line_breaks(report: Report) -> None:
    first, *others = report.models
    renamed = replace(first, name='a"b\\n{c="d"}\n# EOF\n日本語')
    families = read_metrics(replace(report, models=[renamed, *others]))
    names = {sample.labels["model"] for sample in families["retrain_model_outcome"].samples}
    assert 'a"b\\n{c="d"} # EOF 日本語' in names
    assert len(names) == 9


def test_a_number_too_large_for_a_float_is_left_out(report: Report) -> None:
    first, *others = report.models
    large = replace(first, metrics={**first.metrics, "auc": Decimal("1E+400")})
    families = read_metrics(replace(report, models=[large, *others]))
    assert value(families, "retrain_model_metric", model="churn", metric="auc") is None
    assert value(families, "retrain_model_metric", model="churn", metric="recall") == 0.61
    assert all(math.isfinite(sample.value) for family in families.values() for sample in family.samples)


def test_a_run_without_models_has_an_empty_suite_and_counts_of_zero(report: Report) -> None:
    empty = replace(report, models=[], summary={})
    suite, cases = read_junit(empty)
    assert (suite.tests, cases) == (0, {})
    assert value(read_metrics(empty), "retrain_run_models", outcome="switched") == 0


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_json_in_pieces_is_the_same_text_as_json_at_once(count: int) -> None:
    items = [{"name": f"m{number}\x7f", "value": Decimal("0.90"), "empty": []} for number in range(count)]
    for value in (_Long(a={"items": [1]}, items=items, z=None), _Long(a='"items": [', items=items, z={})):
        assert b"".join(json_pieces(replace(value, items=iter(items)), "items")) == render_json(value)
