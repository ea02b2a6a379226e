"""Simulated histories of a state with partitions: several machines, shards whose number changes, leases, late commits.

`python -m tests.stress suite_shards --count N` plays the seeds 0 to N - 1; `--seed N` plays one and shows it.
"""

from collections.abc import Iterator

from tests.stress.figure import Figure
from tests.stress.simulated_shards import ShardedHistory
from tests.stress.suite_simulator import inputs, play_all, promises
from tests.stress.suite_simulator import show as show_one

FULL = 10_000


def measure(count: int | None) -> Iterator[Figure]:
    """Play the seeds and count the histories that broke a promise."""
    with inputs() as shared:
        told = list(play_all(range(count or FULL), shared, ShardedHistory))
    yield promises(told, "simulated histories of shards", "suite_shards")


def show(seed: int) -> tuple[list[str], int]:
    """Play one seed; return its journals, the service's log and what was broken, and how much was."""
    return show_one(seed, ShardedHistory)
