"""Intervals between trainings count from run to run, with room for schedules that are not exact."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.plan.model_plan import Action
from tests.unit.plan.test_planner import plan_of, world_of


@pytest.mark.parametrize(
    ("interval", "passed"),
    [
        ("1d", timedelta(days=1)),
        ("1d", timedelta(days=1, minutes=-10)),  # the scheduler was late the night before
        ("1d", timedelta(hours=23)),  # the day on which clocks are put forward
        ("1d", timedelta(hours=22, minutes=50)),  # both
        ("12h", timedelta(hours=11)),
        ("6h", timedelta(hours=5)),
        ("7d", timedelta(days=7, hours=-1)),
        ("1h", timedelta(minutes=55)),
        ("10s", timedelta(seconds=7)),  # a start takes seconds on a busy machine
    ],
)
def test_an_interval_as_long_as_the_schedule_trains_each_time(tmp_path: Path, interval: str, passed: timedelta) -> None:
    world = world_of(tmp_path, retrain=f"{{min_interval: {interval}}}")
    world.run()
    world.write_data("2")
    world.clock.seconds = passed.total_seconds()
    assert plan_of(world).action == Action.RETRAIN


@pytest.mark.parametrize(
    ("interval", "passed"),
    [
        ("1d", timedelta(hours=22)),
        ("1d", timedelta(hours=12)),
        ("6h", timedelta(hours=4)),
        ("1h", timedelta(minutes=40)),
        ("10s", timedelta(seconds=6)),
        ("1s", timedelta(seconds=0)),
    ],
)
def test_a_run_that_comes_clearly_too_soon_trains_nothing(tmp_path: Path, interval: str, passed: timedelta) -> None:
    world = world_of(tmp_path, retrain=f"{{min_interval: {interval}}}")
    world.run()
    world.write_data("2")
    world.clock.seconds = passed.total_seconds()
    plan = plan_of(world)
    assert plan.outcome == "skipped"
    assert "min_interval" in plan.reason


def test_the_time_that_a_training_takes_does_not_count(tmp_path: Path) -> None:
    """`max_age: 1d` and a nightly run train each night, also where a training takes hours."""
    world = world_of(tmp_path, retrain="{max_age: 1d}, wait: {timeout: 12h}")
    world.service.training_s = 5 * 3600.0
    assert world.run()["m"].outcome == "switched"
    world.clock.seconds = 86400.0
    assert plan_of(world).action == Action.RETRAIN
