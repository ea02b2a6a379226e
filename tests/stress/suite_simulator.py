"""Simulated histories: the real executor in virtual time, with late, lost and doubled requests, crashes, stolen locks.

`python -m tests.stress suite_simulator --count N` plays the seeds 0 to N - 1; `--seed N` plays one and shows it.
"""

import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from tests.stress.figure import Figure
from tests.stress.simulated_history import History, Told, play
from tests.stress.simulated_inputs import SimulatedInputs

FULL = 100_000
SHOWN = 10  # failing seeds in the figure
MOST_UNKNOWN = 0.001  # of the outcomes at 5 % faults
AGAIN = "python -m tests.stress {suite} --seed"
_MEMORY = Path("/dev/shm")  # noqa: S108 -- absent elsewhere, then the ordinary folder does


@contextmanager
def inputs() -> Iterator[SimulatedInputs]:
    """Give the inputs on a file system in memory where there is one."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield SimulatedInputs(Path(folder))


def measure(count: int | None) -> Iterator[Figure]:
    """Play the seeds and count the histories that broke a promise, and how often the outcome was `unknown`."""
    with inputs() as shared:
        yield from figures(list(play_all(range(count or FULL), shared)))


def play_all(seeds: range, shared: SimulatedInputs, kind: type[History] = History) -> Iterator[Told]:
    """Play seeds on all cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(_play, folder=str(shared.folder), kind=kind), seeds, chunksize=50)


@cache
def _reopened(folder: str) -> SimulatedInputs:
    return SimulatedInputs(Path(folder))


def _play(seed: int, folder: str, kind: type[History]) -> Told:
    return play(seed, _reopened(folder), kind)


def show(seed: int, kind: type[History] = History) -> tuple[list[str], int]:
    """Play one seed; return its journal, the service's log and what was broken, and how much was."""
    with inputs() as shared, tempfile.TemporaryDirectory(dir=shared.folder) as folder:
        history = kind(seed, shared, Path(folder))
        told = history.play()
    events = [
        (link.event.seq, link.event.at, link.event.run_id, link.event.model, link.event.fact)
        for ledger in history.ledgers
        for link in ledger.links
    ]
    lines = [" ".join(str(part) for part in event) for event in events]
    lines += [str(call) for call in history.service.log]
    return [*lines, str(history.service.traits), *told.violations], len(told.violations)


def promises(told: list[Told], name: str = "simulated histories", suite: str = "suite_simulator") -> Figure:
    """Count the histories that broke a promise."""
    broken = [history for history in told if history.violations]
    troubles = sum((history.troubles for history in told), Counter[str]())
    again = AGAIN.format(suite=suite)
    shown = "; ".join(f"`{again} {history.seed}`: {history.violations[0]}" for history in broken[:SHOWN])
    detail = ", ".join(f"{number:,} {trouble}" for trouble, number in sorted(troubles.items()))
    effects = sum(history.effects for history in told)
    return Figure(
        name=name,
        points=len(told),
        violations=len(broken),
        detail=f"{effects:,} uploads and switches, {detail}{'; ' + shown if shown else ''}",
    )


def figures(told: list[Told]) -> Iterator[Figure]:
    """Turn what was told into lines of the table."""
    yield promises(told)
    outcomes = sum((one.outcomes for one in told if one.realistic), Counter[str]())
    total, unknown = outcomes.total(), outcomes["unknown"]
    share = unknown / total if total else 0.0
    yield Figure(
        name="simulated: unknown at 5 % faults",
        points=total,
        violations=0 if share <= MOST_UNKNOWN else unknown,
        detail=f"{unknown} unknown, {share:.3%} of the outcomes of models",
    )
