"""The real command, killed at every system call of a run, and hindered at every one that touches the state or a socket.

After each the command runs again undisturbed to its end; the service's own log and the disk are judged then. Every run
is a process of its own, forked from one that has done the imports.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

from tests.acceptance.contract.contract_project import Project
from tests.fakes.preloaded import Preloaded, preloaded
from tests.stress import promise
from tests.stress.figure import Figure
from tests.stress.tracing import THREADS, Disturbed, Point, hindered_at, killed_at, points, run, why_not

_AT_ONCE = 2 * (os.cpu_count() or 1)  # most of a point's time is waiting
_DISK_CALLS = frozenset(
    {"write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "openat", "mkdir", "unlink", "symlink", "fchmod"}
)
_NET_CALLS = frozenset({"connect", "sendto", "recvfrom"})
_FILLED = frozenset({"write", "pwrite64", "openat", "mkdir", "symlink"})  # what a full disk refuses, from then on

Crew = SimpleQueue[Preloaded]  # those that are free


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One disturbance of one fresh project: its name, and the run that it disturbs."""

    name: str
    disturb: Callable[[Preloaded, Project], Disturbed]
    killed: bool = False
    speechless: bool = False  # standard error takes nothing either


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a trial came to; `reached` is False when the run never came to the point."""

    name: str
    reached: bool
    broken: tuple[str, ...]


def measure(count: int | None) -> Iterator[Figure]:
    """Yield a figure for kills and one for each kind of error; `count` is a spread of that many points in each."""
    missing = why_not()
    if missing is not None:
        yield Figure(name="syscalls", points=0, violations=0, detail=f"not measured: {missing}")
        return
    with crew(_AT_ONCE) as free:
        found = list(undisturbed(free))
        yield figure(free, "kill -9 at every syscall", spread(kills(found), count))
        for error in ("ENOSPC", "EIO"):
            yield figure(free, f"{error} at every state syscall", spread(disk_errors(found, error), count))
        yield figure(free, "disk full from a syscall on", spread(full_disks(found), count))
        yield figure(free, "ECONNRESET at every socket syscall", spread(resets(found), count))


@contextmanager
def crew(size: int) -> Iterator[Crew]:
    """Give as many forking processes as trials are done at once."""
    free: Crew = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(size):
            free.put(stack.enter_context(preloaded()))
        yield free


def undisturbed(free: Crew) -> Iterator[Point]:
    """Yield the system calls of an undisturbed run, thread by thread. The state folder is shown as `STATE`."""
    runs = free.get()
    for thread in THREADS:
        with promise.project() as project:
            for point in points(runs, project, thread):
                text = point.text.replace(str(project.state), "STATE")
                yield Point(thread=point.thread, call=point.call, number=point.number, text=text)
    free.put(runs)


def kills(found: Iterable[Point]) -> list[Trial]:
    """Return a kill at each point."""
    return [Trial(name=f"kill {one}", disturb=partial(killed_at, point=one), killed=True) for one in found]


def disk_errors(found: Iterable[Point], error: str) -> list[Trial]:
    """Return an error of the disk at each call on the state folder that can have one."""
    return [_hindrance(one, error) for one in found if one.call in _DISK_CALLS and "STATE" in one.text]


def full_disks(found: Iterable[Point]) -> list[Trial]:
    """Return a disk that is full from a call on."""
    return [_hindrance(one, "ENOSPC", lasting=True) for one in found if one.call in _FILLED and "STATE" in one.text]


def resets(found: Iterable[Point]) -> list[Trial]:
    """Return a broken connection at each call on a socket."""
    return [_hindrance(one, "ECONNRESET") for one in found if one.call in _NET_CALLS and one.thread != "main"]


def _hindrance(point: Point, error: str, *, lasting: bool = False) -> Trial:
    return Trial(
        name=f"{error}{' from' if lasting else ''} {point}",
        disturb=partial(hindered_at, point=point, error=error, lasting=lasting),
        speechless=lasting and point.call == "write",
    )


def spread(trials: Sequence[Trial], count: int | None) -> list[Trial]:
    """Return `count` trials spread evenly over all of them, or all."""
    if count is None or count >= len(trials):
        return list(trials)
    return [trials[number * len(trials) // count] for number in range(count)]


def figure(free: Crew, name: str, trials: Sequence[Trial]) -> Figure:
    """Do all trials, as many at once as the crew is large."""
    with ThreadPoolExecutor(free.qsize()) as pool:
        judged = list(pool.map(partial(judge, free), trials))
    reached = sum(one.reached for one in judged)
    broken = [one for one in judged if one.broken]
    told = "; ".join(f"{one.name}: {', '.join(one.broken)}" for one in broken[:20])
    missed = f"{len(judged) - reached} not reached. " if reached < len(judged) else ""
    return Figure(name=name, points=reached, violations=len(broken), detail=missed + told)


def judge(free: Crew, trial: Trial) -> Judged:
    """Disturb a fresh project, let it settle, and say which promises were broken."""
    runs = free.get()
    try:
        with promise.project() as project:
            disturbed = trial.disturb(runs, project)
            broken = [*_at_once(project, trial, disturbed), *promise.settled(project, run=partial(run, runs))]
    except AssertionError as error:
        return Judged(name=trial.name, reached=True, broken=(str(error),))
    finally:
        free.put(runs)
    return Judged(name=trial.name, reached=disturbed.reached is not None, broken=tuple(broken))


def _at_once(project: Project, trial: Trial, disturbed: Disturbed) -> Iterator[str]:
    """Yield what is broken already before anything was run again."""
    yield from promise.half_written(project)
    if not trial.killed:
        yield from promise.documented_code(disturbed.ended)
    if not (trial.killed or trial.speechless):
        yield from promise.sentence(disturbed.ended)
