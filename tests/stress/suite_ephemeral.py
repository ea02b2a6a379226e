"""Runs on machines that have nothing, whose state is in an object store, killed at every request to it.

The judge is the service's own log: each model is trained once and switched once, and `verify` is right from yet another
machine. The store is ours; it does on command what real ones do rarely.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import pytest

from tests.fakes.loopback_port import Moment
from tests.fakes.postgres_server import Cut, one_server
from tests.fakes.preloaded import Preloaded, preloaded
from tests.fakes.unreliable_s3 import Fault
from tests.stress import empty_machines, machines_on_postgres, shard_machines
from tests.stress.figure import Figure

_LANES = 2 * (os.cpu_count() or 1)  # most of a trial's time is waiting
_HISTORIES = 300  # of kills at random
_SHARDED = 100  # histories of shards in each kind of place
_COMMITS = 12  # of a run
_APPROVAL, _PUSH = 57, 30  # requests of these commands
_MOMENTS: tuple[Fault, ...] = ("unsent", "lost")  # killed before the store's effect, and after it
_AROUND: tuple[Moment, ...] = ("arrived", "done")
_FAULTS: tuple[Fault, ...] = ("lost", "late_error", "error", "cut", "exists", "denied", "expired", "skewed", "unsent")
_REFUSALS: tuple[Fault, ...] = ("denied", "expired", "skewed")  # that repeat what they were sent
_FOR_GOOD: tuple[Fault, ...] = ("denied", "expired")  # from a request on


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One scene; `play` yields the promises that broke."""

    name: str
    play: Callable[[Preloaded], Iterator[str]]


def measure(count: int | None) -> Iterator[Figure]:
    """Yield a figure for each kind of scene; `count` bounds the trials of each, which are spread then."""
    with preloaded() as quick:
        first, later = (empty_machines.requests_of_a_run(quick, nights=nights) for nights in (0, 1))
        moves = {
            from_folder: empty_machines.requests_of_a_migration(quick, from_folder=from_folder)
            for from_folder in (True, False)
        }
    yield figure("killed at each request to an object store", kills(first, later), count)
    yield figure("a decision or a push killed at each request", commands(), count)
    yield figure("killed at random, empty machines", histories(), count)
    yield figure("shards killed at random, then others of another number", sharded(), count)
    yield figure("a killed run's commit arrives late", late_commits(), count)
    yield figure("a store that misbehaves at each request", misbehaviours(first), count)
    yield figure("every third answer of the store lost", lost_answers(), count)
    yield figure("a journal without its end, another, a dishonest store", refusals(), count)
    yield figure("a migration killed at each request", migrations(moves), count)
    yield on_postgres(count)
    yield figure("runs and migrations at once, sleepers, wrong clocks", beside_others(), count)


def kills(first: int, later: int) -> list[Trial]:
    """Return a kill before and after the effect of each request, of a first run and of one after a whole night.

    The later ones are on machines that have nothing, and again all on one, with its copy of the journal.
    """
    return [
        Trial(
            name=f"killed at request {number} of night {nights + 1}, {fault}{home and ', on one machine'}",
            play=partial(empty_machines.killed_at, number=number, fault=fault, nights=nights, home=home),
        )
        for nights, requests, home in ((0, first, ""), (1, later, ""), (1, later, "same"))
        for number in range(1, requests + 1)
        for fault in _MOMENTS
    ]


def commands() -> list[Trial]:
    """Return a kill before and after each request of an approval and of a push."""
    return [
        Trial(name=f"{play.__name__} {number}, {fault}", play=partial(play, number=number, fault=fault))
        for play, requests in ((empty_machines.approval_killed, _APPROVAL), (empty_machines.push_killed, _PUSH))
        for number in range(1, requests + 1)
        for fault in _MOMENTS
    ]


def histories() -> list[Trial]:
    """Return histories of one to four kills, each from a seed."""
    return [
        Trial(name=f"seed {seed}", play=partial(empty_machines.killed_often, seed=seed)) for seed in range(_HISTORIES)
    ]


def sharded() -> list[Trial]:
    """Return histories of shards that are killed while others work, each from a seed, in each kind of place."""
    return [
        Trial(
            name=f"shards in a {place}, seed {seed}",
            play=partial(shard_machines.killed_and_sharded_anew, seed=seed, place=place),
        )
        for seed in range(_SHARDED)
        for place in shard_machines.places()
    ]


def late_commits() -> list[Trial]:
    """Return a commit of a killed run that arrives within the next one, for each commit."""
    return [
        Trial(name=f"commit {commit}", play=partial(empty_machines.arriving_late, commit=commit))
        for commit in range(1, _COMMITS + 1)
    ]


def misbehaviours(requests: int) -> list[Trial]:
    """Return each fault of a store at each request of a run, and those that stay."""
    return [
        Trial(
            name=f"{fault} at request {number}{' and after it' * lasting}",
            play=partial(empty_machines.misbehaved, number=number, fault=fault, lasting=lasting),
        )
        for faults, lasting in ((_FAULTS, False), (_FOR_GOOD, True))
        for number in range(1, requests + 1)
        for fault in faults
    ]


def lost_answers() -> list[Trial]:
    """Return runs that lose every third answer, from the first, second and third on."""
    return [
        Trial(name=f"answers {first}, {first + 3}, ...", play=partial(empty_machines.answers_lost, first=first % 3))
        for first in (1, 2, 3)
    ]


def on_postgres(count: int | None) -> Figure:
    """Kill a run before and after each message to a real PostgreSQL arrives."""
    name = "killed at each message to PostgreSQL"
    try:
        server = one_server()
    except pytest.skip.Exception as reason:
        return Figure(name=name, points=0, violations=0, detail=str(reason))
    with preloaded() as quick:
        messages = machines_on_postgres.messages_of_a_run(quick, server)
    cuts: tuple[Cut, ...] = ("before", "after")
    trials = [
        Trial(
            name=f"killed at message {number}, {cut}",
            play=partial(machines_on_postgres.killed_at, server=server, number=number, cut=cut),
        )
        for number in range(1, messages + 1)
        for cut in cuts
    ]
    return figure(name, trials, count)


def refusals() -> list[Trial]:
    """Return states that no run may use as they are."""
    shortened = [
        Trial(
            name=f"without the last {cut} commits, on {'the same machine' if knows else 'another'}",
            play=partial(empty_machines.shortened, cut=cut, knows=knows),
        )
        for knows in (True, False)
        for cut in range(1, _COMMITS + 1)
    ]
    return [
        Trial(name="a dishonest store", play=empty_machines.dishonest),
        Trial(name="another lineage", play=empty_machines.replaced),
        *(Trial(name=f"{fault}, repeated", play=partial(empty_machines.tempted, fault=fault)) for fault in _REFUSALS),
        *shortened,
    ]


def migrations(requests: Mapping[bool, int]) -> list[Trial]:
    """Return a kill before and after the effect of each request of a migration, from a folder and from a bucket."""
    return [
        Trial(
            name=f"from {'a folder' if from_folder else 'a bucket'}, killed at request {number}, {fault}",
            play=partial(empty_machines.migration_killed, number=number, fault=fault, from_folder=from_folder),
        )
        for from_folder, last in requests.items()
        for number in range(1, last + 1)
        for fault in _MOMENTS
    ]


def beside_others() -> list[Trial]:
    """Return scenes with several processes, which take longer than the others."""
    return [
        Trial(name="stopped within its upload", play=lambda _: empty_machines.slept_within_an_upload()),
        Trial(name="three at once", play=lambda _: empty_machines.at_once(3)),
        *(
            Trial(name=f"stopped at {call} {moment}", play=partial(_slept, call=call, moment=moment))
            for call in ("upload_url", "put", "status", "download", "switch")
            for moment in _AROUND
        ),
        *(Trial(name=f"{days} days ahead beside a run", play=partial(_wrong_clock, days=days)) for days in (1, -1)),
        Trial(name="three at once, one a day ahead", play=lambda _: empty_machines.at_once(3, days=1)),
        Trial(name="two migrations of a state", play=lambda _: empty_machines.two_migrations(one_source=True)),
        Trial(name="two states to one place", play=lambda _: empty_machines.two_migrations(one_source=False)),
    ]


def _slept(_: Preloaded, call: str, moment: Moment) -> Iterator[str]:
    return empty_machines.slept(call, moment)


def _wrong_clock(_: Preloaded, days: int) -> Iterator[str]:
    return empty_machines.wrong_clock(days)


def figure(name: str, trials: Sequence[Trial], count: int | None = None) -> Figure:
    """Play trials, several at once, each lane with a process that forks its runs; `count` of them, spread evenly."""
    chosen = trials if count is None else [trials[place * len(trials) // count] for place in range(count)]
    chosen = list(dict.fromkeys(chosen))
    lanes = SimpleQueue[Preloaded]()
    every = [Preloaded() for _ in range(min(_LANES, len(chosen)))]
    for quick in every:
        lanes.put(quick)

    def played(trial: Trial) -> list[str]:
        quick = lanes.get()
        try:
            return [f"{trial.name}: {broken}" for broken in trial.play(quick)]
        except AssertionError as error:
            return [f"{trial.name}: {error}"]
        finally:
            lanes.put(quick)

    try:
        with ThreadPoolExecutor(len(every)) as pool:
            broken = [text for found in pool.map(played, chosen) for text in found]
    finally:
        for quick in every:
            quick.close()
    return Figure(name=name, points=len(chosen), violations=len(broken), detail="; ".join(broken[:20]))
