"""The timeline says when a model was in which stage, and nothing that the events do not say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from runner.journal.events import Fact, ModelPlanned, SwitchIntended, SwitchSucceeded
from runner.reports.run_history import Span, gantt
from tests.unit.reports.report_history import GUARDED, Recording, checked, evaluated, finished, judged, planned, started

Timed = tuple[float, Fact]
BEGIN = datetime(2026, 3, 1, 4, 0, 1, tzinfo=UTC)


def record_at(record: Recording, model: str, *facts: Timed) -> None:
    """Record facts at seconds after the run's begin."""
    for second, fact in facts:
        record.now = BEGIN + timedelta(seconds=second - 1)
        record(model, fact)


def told(record: Recording, model: str = "m") -> list[tuple[str, float, float]]:
    """Return the stages of a model with begin and end in seconds after the run's begin."""
    record.end(0)
    spans = record.history().timelines.spans()[model]
    return [(span.stage, (span.begin - BEGIN).total_seconds(), (span.end - BEGIN).total_seconds()) for span in spans]


@pytest.fixture
def record(recording: Callable[[], Recording]) -> Recording:
    made = recording()
    made.start()
    return made


def test_a_model_goes_through_its_stages_and_waits_between_them(record: Recording) -> None:
    taken, intended, done, seen = started("j", "m")
    trained, stored, decision = evaluated("j", "m", judged("j", GUARDED))
    switch = SwitchIntended(retrain_job_id="j", decision_sha256="0" * 64, attempt=1)
    steps: list[Timed] = [(0, planned()), (10, checked("m")), (20, taken), (20, intended), (25, done), (30, seen)]
    steps += [(100, trained), (103, stored), (103, decision), (104, switch)]
    steps += [(106, SwitchSucceeded(retrain_job_id="j", proof="answer")), (106, finished("switched", "yes", "j"))]
    record_at(record, "m", *steps)
    assert told(record) == [
        ("check", 9.25, 10),  # it took 0.75 s; until then the model waited for its turn
        ("upload", 20, 25),
        ("train", 25, 100),
        ("judge", 100, 103),
        ("switch", 104, 106),
    ]


def test_a_run_that_goes_on_with_a_job_begins_in_its_training(record: Recording) -> None:
    record_at(record, "m", (-1, planned()), (-1, checked("m")), *((-1, fact) for fact in started("j", "m")))
    record.end(5)
    record.run_id = "20260302T040506Z-1a2b3c"
    record.start()
    wait = ModelPlanned(action="wait", stages=("wait",), reason="r", policy="p", policy_sha256="0" * 64)
    trained = evaluated("j", "m", judged("j", GUARDED))[0]
    record_at(record, "m", (50, wait), (90, trained), (95, finished("held", "no", "j")))
    assert told(record) == [("train", 50, 90), ("judge", 90, 95)]


def test_a_lost_run_ends_its_last_stage_at_its_last_event(record: Recording) -> None:
    facts = started("j", "m")
    record_at(record, "m", (0, planned()), (10, checked("m")), *((20, fact) for fact in facts[:3]), (60, facts[3]))
    assert told(record)[-1] == ("train", 20, 60)


def test_a_clock_that_is_set_back_makes_no_stage_shorter_than_nothing(record: Recording) -> None:
    taken, intended, done, _ = started("j", "m")
    record_at(
        record,
        "m",
        (0, planned()),
        (10, checked("m")),
        (20, taken),
        (20, intended),
        (-500, done),
        (30, finished("training", "t", "j")),
    )
    assert told(record) == [("check", 9.25, 10), ("train", 20, 30)]


def test_a_model_without_stages_has_no_course(record: Recording) -> None:
    record_at(record, "m", (0, planned(action="nothing")), (5, finished("unchanged", "same data")))
    assert told(record) == []


def spans(*ends: tuple[str, float, float]) -> tuple[Span, ...]:
    return tuple(
        Span(stage=stage, begin=BEGIN + timedelta(seconds=first), end=BEGIN + timedelta(seconds=last))
        for stage, first, last in ends
    )


def test_all_lanes_share_one_axis_and_stay_on_it() -> None:
    made = gantt({"a": spans(("train", 50, 100)), "b": spans(("check", 0, 1), ("train", 1, 1.001))}, ["a", "b", "none"])
    assert [name for name, _ in made.rows] == ["b", "a"]
    assert [(row.x, row.width) for row in made.rows[1][1]] == [("50.00", "50.00")]
    assert made.rows[0][1][1].width == "0.30"  # what is too short to be seen is drawn anyway
    for _, bars in made.rows:
        assert all(float(bar.x) + float(bar.width) <= 100.001 for bar in bars)
    assert [(tick.x, tick.label) for tick in made.ticks[:3]] == [("0.00", "0"), ("30.00", "30 s"), ("60.00", "1 min")]


@pytest.mark.parametrize("seconds", [0.4, 59, 3600, 86400 * 40.5])
def test_the_axis_never_has_more_than_seven_ticks(seconds: float) -> None:
    ticks = gantt({"a": spans(("train", 0, seconds))}, ["a"]).ticks
    assert 1 <= len(ticks) <= 7
    assert all(0 <= float(tick.x) <= 100 for tick in ticks)
