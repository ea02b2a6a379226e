"""The history of a metric: every candidate, what happened to it, and the limit that was in force."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.journal.folder import StateFolder
from runner.manifest.model import ThresholdPolicy
from runner.reports.build import build_report, find_job
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import HEIGHT, Bounds, Trend, metric_trends, newest_candidates, rows_trend
from runner.reports.page import build_page
from runner.reports.run_history import RunHistory
from tests.unit.reports import report_scenes
from tests.unit.reports.report_history import MemoryJournal, Recording, rule
from tests.unit.reports.report_scenes import YEAR, record_year, weekly_policy

LONG = Bounds(metrics=4, samples=60)


@pytest.fixture(scope="module")
def year() -> Recording:
    record = Recording(store=MemoryJournal(), folder=StateFolder(Path("nowhere")))
    record_year(record)
    return record


def trends(history: RunHistory, bounds: Bounds = LONG) -> list[Trend]:
    progress = history.progress.model(history.record.started.service, "churn")
    job = find_job(history, "churn")
    candidates = newest_candidates(progress, PolicyLimits(), bounds)
    rows = rows_trend(candidates, job)
    assert rows is not None
    return [*metric_trends(candidates, job, bounds), rows]


def dots(trend: Trend) -> int:
    return sum(path.count("M") for _, path in trend.marks)


def test_every_candidate_with_a_value_has_its_mark(year: Recording) -> None:
    auc, rmse, rows = trends(year.history())
    failed = sum(week % 29 == 25 for week in range(YEAR))
    assert dots(auc) == dots(rmse) == YEAR - failed
    assert dots(rows) == YEAR
    assert dict(rows.marks)["failed"].count("M") == failed
    decisions = [one.event.fact for one in year.links if type(one.event.fact).__name__ == "SwitchSucceeded"]
    assert dict(auc.marks)["switched"].count("M") == len(decisions)


def test_only_the_newest_candidates_are_shown_and_the_rest_is_counted(year: Recording) -> None:
    [auc, rows] = trends(year.history(), Bounds(metrics=1, samples=10))
    assert dots(auc) == dots(rows) == 10
    assert rows.left_out


def test_the_limit_moves_with_the_policy(year: Recording) -> None:
    _, rmse, rows = trends(year.history())
    assert rows.limits == ()
    [path] = rmse.limits  # one bound over the whole year: one level from edge to edge
    assert re.fullmatch(r"M1\.[56] [\d.]+H100", path)
    [path] = trends(year.history())[0].limits
    assert path.count("V") > 10  # it follows the incumbent


def test_all_marks_and_lines_stay_in_the_picture(year: Recording) -> None:
    for trend in trends(year.history()):
        numbers = re.findall(r"([\d.]+) ([\d.]+)", trend.line)
        assert all(0 <= float(x) <= 100 and 0 <= float(y) <= HEIGHT for x, y in numbers)
        assert "-" not in "".join([trend.line, *trend.limits, *dict(trend.marks).values()])


def test_an_earlier_run_shows_only_what_was_known_at_its_end(year: Recording) -> None:
    runs = [one.event.run_id for one in year.links if one.event.model is None]
    earlier = RunHistory(run_id=runs[20])
    for one in year.links:
        earlier.add(one)
        if earlier.ended:
            break
    auc = trends(earlier)[0]
    assert dots(auc) == 11
    assert auc.ended.startswith("2025-05-12")


def test_one_candidate_alone_has_no_history() -> None:
    record = Recording(store=MemoryJournal(), folder=StateFolder(Path("nowhere")))
    record_year(record, weeks=1)
    page = build_page(record.history(), build_report(record.history()))
    assert page.lines[0].trends == []
    assert page.lines[0].rows is None
    assert page.lines[0].open


def test_values_that_differ_in_a_late_digit_only_are_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_scenes, "week_metrics", lambda week: {"auc": f"0.9{'0' * 40}{week + 1}", "rmse": "1"})
    monkeypatch.setattr(report_scenes, "weekly_policy", _no_worse_than_before)
    record = Recording(store=MemoryJournal(), folder=StateFolder(Path("nowhere")))
    record_year(record, weeks=2)
    [auc] = [one for one in trends(record.history()) if one.name == "auc"]
    assert len({y for _, y in re.findall(r"([\d.]+) ([\d.]+)", auc.line)}) == 2


def _no_worse_than_before(least: str) -> ThresholdPolicy:
    """Return a policy whose one limit is the value of the week before: a fixed one would widen the axis."""
    return replace(weekly_policy(least), rules=(rule("auc", "min_gain", "0", any_eval=True),))
