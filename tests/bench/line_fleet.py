"""Many models at once, whose trainings take seconds: how close a run comes to the longest of them, and at what cost."""

import json
import shutil
import statistics
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.figure import Part, Row, at_most, sample
from tests.bench.manifests import keys, write_data, write_many
from tests.bench.measure import Cost, cost_of, in_turn
from tests.bench.services import retrain, slow_service
from tests.bench.sizes import Sizes

_SHORTEST_S, _LONGEST_S = 2.0, 6.0
_MOST_THREADS = 40  # 16 for calls, a few for data and uploads; none for a model that waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of a fleet, and what the service's log says of it."""

    cost: Cost
    longest: float
    calls: float
    lag: float


def measure(folder: Path, sizes: Sizes) -> Part:
    """Run the fleet, then the crowd once for its memory."""
    (fleet,) = in_turn([partial(_run, folder / "fleet", sizes.fleet)], rounds=sizes.rounds)
    crowd = [_run(folder / "crowd", sizes.crowd)]
    return Part(rows=(*_makespan(fleet, sizes.fleet), *_expense(fleet, sizes.fleet), *_expense(crowd, sizes.crowd)))


def _run(folder: Path, models: int) -> Ran:
    """Run so many new models in a project made for it."""
    folder.mkdir()
    write_data(folder, models)
    with slow_service(_SHORTEST_S, _LONGEST_S) as url:
        manifest = write_many(folder, models, url=url, parallel=models)
        words = ["run", str(manifest), "--parallel", str(models), "--state", str(folder / "state"), "-q"]
        cost = cost_of(retrain(*words), keys(models))
        with urllib.request.urlopen(f"{url}/bench/log", timeout=60) as answer:
            jobs = json.load(answer)
    shutil.rmtree(folder)
    return _ran(cost, jobs)


def _ran(cost: Cost, jobs: list[dict[str, Any]]) -> Ran:
    return Ran(
        cost=cost,
        longest=max(job["length"] for job in jobs),
        calls=statistics.mean(job["asked"] for job in jobs),
        lag=100 * statistics.mean((job["told"] - job["uploaded"]) / job["length"] - 1 for job in jobs),
    )


def _makespan(ran: list[Ran], models: int) -> list[Row]:
    seconds = sample([one.cost.seconds for one in ran], "s")
    longest = statistics.median(one.longest for one in ran)
    allowed = 1.3 * longest + 2
    return [
        Row(
            what=f"`retrain run --parallel {models}`, {models:,} models, trainings of 2 to 6 s",
            ours=str(seconds),
            peer=f"the longest training: {longest:.2f} s",
            ratio=f"{seconds.median / longest:.2f}x",
            value=seconds.median,
            target=at_most(allowed, f"at most 1.3x the longest training + 2 s ({allowed:.1f} s)"),
        ),
        Row(
            what="its status calls a job, and how late an end is seen",
            ours=f"{sample([one.calls for one in ran])}; {sample([one.lag for one in ran], '% of the training')}",
        ),
    ]


def _expense(ran: list[Ran], models: int) -> list[Row]:
    memory = sample([one.cost.mebibytes for one in ran], "MiB")
    threads = sample([one.cost.threads for one in ran])
    return [
        Row(
            what=f"memory of {models:,} models at once",
            ours=str(memory),
            value=max(memory.values),
            target=at_most(200, "at most 200 MiB"),
        ),
        Row(
            what=f"threads of {models:,} models at once",
            ours=f"{threads}; {sample([one.cost.cpu_seconds for one in ran], 's')} of processor time",
            value=max(threads.values),
            target=at_most(_MOST_THREADS, f"at most {_MOST_THREADS}: none for a model that waits"),
        ),
    ]
