"""What stays is what a decision, a switch back or a look at the newest run may still need."""

from datetime import timedelta
from pathlib import Path

from runner.plan.eligibility import Keep, prunable
from tests.fakes.world import ONE_MODEL, REALM, World


def trained(folder: Path, *values: str, manifest: str = ONE_MODEL) -> World:
    """Return a world after one training for each AUC."""
    world = World(folder, manifest)
    for number, value in enumerate(values):
        world.write_data(str(number))
        world.service.metrics = {"AUC": value}
        world.run()
    return world


def runs(world: World, keep: Keep) -> list[int]:
    """Return the numbers of the runs whose results would go."""
    return [int(one.run_id[-6:], 16) for one in prunable(world.progress(), keep, world.clock.now())]


def test_what_serves_and_what_a_rollback_leads_to_stay(tmp_path: Path) -> None:
    world = trained(tmp_path, "0.91", "0.92", "0.93", "0.1", "0.2")
    assert runs(world, Keep(count=0)) == [1, 4]


def test_a_candidate_that_is_held_or_waits_stays(tmp_path: Path) -> None:
    world = trained(tmp_path, "0.1", "0.2", "0.3")
    assert runs(world, Keep(count=0)) == [1, 2]


def test_the_newest_run_keeps_its_results_also_where_it_made_none(tmp_path: Path) -> None:
    world = trained(tmp_path, "0.1", "0.2", "0.3")
    world.run()
    assert runs(world, Keep(count=0)) == [1, 2]


def test_the_newest_are_counted_for_each_model(tmp_path: Path) -> None:
    world = trained(tmp_path, *("0.1",) * 5)
    assert runs(world, Keep(count=3)) == [1, 2]
    assert runs(world, Keep(count=9)) == []


def test_number_and_age_must_both_be_exceeded(tmp_path: Path) -> None:
    world = trained(tmp_path, *("0.1",) * 5)
    world.clock.seconds += 86400
    day, year = timedelta(hours=12), timedelta(days=365)
    assert runs(world, Keep(age=day)) == [1, 2, 3, 4]
    assert runs(world, Keep(age=day, count=3)) == [1, 2]
    assert runs(world, Keep(age=year, count=3)) == []


def test_a_result_of_another_model_is_not_touched(tmp_path: Path) -> None:
    world = trained(tmp_path, *("0.1",) * 3)
    keep, now = Keep(count=0), world.clock.now()
    assert prunable(world.progress(), keep, now, models=[(REALM, "other")]) == []
    assert len(prunable(world.progress(), keep, now, models=[(REALM, "m")])) == 2


def test_what_stays_is_said_as_a_rule() -> None:
    both = Keep(count=3, age=timedelta(days=90))
    assert str(both) == "not among the newest 3 of its model and older than 90d"
