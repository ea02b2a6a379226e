"""One reading of the journal tells every model's runs, its incumbents, and whether its page can have changed."""

from decimal import Decimal

from runner.reports.charts.metric_chart import plots
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.model_timeline import Fleet, ModelTimeline, read_fleet, standing
from tests.unit.reports.report_history import ASK, Recording
from tests.unit.site.fleet_history import FleetRecording


def chronicle_of(fleet: Fleet, name: str) -> ModelTimeline:
    [found] = [one for one in fleet.timelines if one.name == name]
    return found


def read(fleet: FleetRecording, name: str) -> ModelTimeline:
    return chronicle_of(read_fleet(fleet.record.store.read()), name)


def test_every_switch_is_told_with_who_decided_it(fleet: FleetRecording) -> None:
    for auc in ("0.900", "0.910"):
        fleet.begin()
        fleet.train("churn", auc)
        fleet.end(page=b"")
    fleet.begin("rollback")
    fleet.roll_back("churn", "too many false alarms")
    fleet.end(page=b"")
    told = [
        ((one.retrain_job_id or "")[-1], one.by, one.turned_back, one.run_id)
        for one in read(fleet, "churn").deployments
    ]
    first, second, third = fleet.runs
    assert told == [
        ("1", "policy steady", False, first),
        ("2", "policy steady", False, second),
        ("1", "ann@desk", True, third),
    ]
    assert read(fleet, "churn").deployments[-1].reason == "too many false alarms"


def test_a_later_switch_to_a_job_that_was_rolled_back_to_is_not_a_rollback(fleet: FleetRecording) -> None:
    for auc in ("0.900", "0.910"):
        fleet.begin()
        fleet.train("churn", auc)
        fleet.end(page=b"")
    fleet.begin("rollback")
    fleet.roll_back("churn")
    fleet.end(page=b"")
    fleet.begin()
    fleet.train("churn", "0.920")
    fleet.end(page=b"")
    assert [one.turned_back for one in read(fleet, "churn").deployments] == [False, False, True, False]


def test_only_the_models_of_a_new_run_get_another_mark(fleet: FleetRecording) -> None:
    fleet.begin()
    for name in ("churn", "demand"):
        fleet.train(name, "0.91")
    fleet.end(page=b"")
    before = {name: read(fleet, name).mark for name in ("churn", "demand")}
    fleet.begin()
    fleet.leave("demand")
    under_way = read(fleet, "demand").mark
    fleet.end(page=b"")
    assert read(fleet, "churn").mark == before["churn"]
    assert len({before["demand"], under_way, read(fleet, "demand").mark}) == 3


def test_the_incumbents_line_follows_switches_and_rollbacks(fleet: FleetRecording) -> None:
    for auc in ("0.900", "0.910"):
        fleet.begin()
        fleet.train("churn", auc)
        fleet.end(page=b"")
    fleet.begin("rollback")
    fleet.roll_back("churn")
    fleet.end(page=b"")
    picture = next(one for one in plots(read(fleet, "churn"), PolicyLimits()) if one.name == "auc")
    low, high = (mark.y for mark in picture.marks)
    assert Decimal(low) > Decimal(high)
    assert [step.split("H")[0].split(" ")[-1] for step in picture.incumbent.split("V")] == [low, high, low]
    assert [turn.label for turn in picture.turns] == ["2026-03-22: rolled back by ann@desk, too many false alarms"]
    assert len(picture.limits) == 1


def test_a_held_candidate_leaves_the_incumbents_line_where_it_is(fleet: FleetRecording) -> None:
    for auc in ("0.920", "0.890"):
        fleet.begin()
        fleet.train("churn", auc)
        fleet.end(page=b"")
    picture = next(one for one in plots(read(fleet, "churn"), PolicyLimits()) if one.name == "auc")
    assert [mark.fate for mark in picture.marks] == ["switched", "held"]
    assert "V" not in picture.incumbent


def test_a_candidate_waits_until_a_person_or_a_newer_one_settles_it(fleet: FleetRecording) -> None:
    fleet.begin()
    fleet.train("Café --x", "0.91", ASK)
    fleet.end(page=b"")
    fleet.begin()
    fleet.leave("Café --x")
    fleet.end(page=b"")
    waiting = standing(read(fleet, "Café --x")).waiting
    assert waiting is not None
    assert waiting.approve.startswith("retrain approve 'Café --x' --job job-")
    assert standing(read(fleet, "Café --x")).troubled
    fleet.begin()
    fleet.train("Café --x", "0.92")
    fleet.end(page=b"")
    assert standing(read(fleet, "Café --x")).waiting is None


def test_a_fleet_over_a_year_counts_its_runs(year: Recording) -> None:
    fleet = read_fleet(year.store.read())
    assert len(fleet.progress.runs) == 11
    assert len(chronicle_of(fleet, "model-01").entries) == 10
    assert len(chronicle_of(fleet, "model-00").entries) == 11
    assert fleet.progress.head == (year.links[-1].event.seq, year.links[-1].sha256)
