"""A sample of `suite_ephemeral`: runs and a migration that are killed at a request, and a store that misbehaves."""

from functools import partial

from tests.stress import empty_machines, shard_machines
from tests.stress.suite_ephemeral import Trial, figure


def test_killed_runs_and_a_misbehaving_store_train_and_switch_once() -> None:
    done = figure(
        "four scenes",
        [
            Trial(name="before its upload", play=partial(empty_machines.killed_at, number=13, fault="lost")),
            Trial(name="within its end", play=partial(empty_machines.killed_at, number=26, fault="unsent", nights=1)),
            Trial(name="a late commit", play=partial(empty_machines.arriving_late, commit=4)),
            Trial(name="said to exist", play=partial(empty_machines.misbehaved, number=15, fault="exists")),
        ],
    )
    assert done.violations == 0, done.detail


def test_killed_shards_are_continued_by_others_of_another_number() -> None:
    play = partial(shard_machines.killed_and_sharded_anew, seed=507, place="folder")
    done = figure("shards", [Trial(name="one history", play=play)])
    assert done.violations == 0, done.detail


def test_a_migration_that_is_killed_leaves_one_place_that_can_be_written() -> None:
    play = partial(empty_machines.migration_killed, number=14, fault="lost", from_folder=True)
    done = figure("a migration", [Trial(name="killed at its last request but some", play=play)])
    assert done.violations == 0, done.detail
