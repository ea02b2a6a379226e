"""The executor killed at every line it executes, in every situation of `line_worlds`, then run again to its end.

The code runs in this process with a virtual clock. A kill leaves what is outside: the folder, the service and the time.
So a trace function copies these at each line, and the copy is run to its end as the next process would find it. Lines
between which nothing outside changed leave the same, and share one such history.
"""

import copy
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

import runner.execute.workflow
from tests.fakes.world import World
from tests.stress.figure import Figure
from tests.stress.line_worlds import SITUATIONS, Situation

EXECUTOR = str(Path(runner.execute.workflow.__file__).parent) + os.sep
_MEMORY = Path("/dev/shm")  # noqa: S108 -- a file system in memory, where there is one
_DELAYS_S = (0.0, 86_400.0)  # from the kill to the next run: at once, and the next day
_RUNS = 12  # until the world rests; each run may spend one attempt or one quarantine
_RESTLESS_RUNS = 3

Line = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the kills in one situation came to."""

    points: int
    histories: int
    lines: frozenset[Line]
    broken: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Killer:
    """Follows one run by the executor's lines, and judges what a kill at each of them would leave."""

    situation: Situation
    world: World
    beside: Path
    every: int  # judge only every so-manyeth state
    points: int = 0
    lines: set[Line] = field(default_factory=set)
    seen: set[Hashable] = field(default_factory=set)
    histories: int = 0
    broken: list[str] = field(default_factory=list)

    def trace(self, frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        """Follow calls into the executor's files only."""
        return self._line if frame.f_code.co_filename.startswith(EXECUTOR) else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        if event == "line":
            here = (frame.f_code.co_filename.removeprefix(EXECUTOR), frame.f_lineno)
            self.points += 1
            self.lines.add(here)
            state = _outside(self.world)
            if state not in self.seen:
                self.seen.add(state)
                self._kill(here)
        return self._line

    def _kill(self, here: Line) -> None:
        if len(self.seen) % self.every:
            return
        for delay in _DELAYS_S:
            self.histories += 1
            copied = _copy(self.situation, self.world, self.beside / f"{self.histories}", delay)
            where = f"{self.situation.name}, killed at {here[0]}:{here[1]} (line {self.points}), {delay:.0f} s later"
            self.broken += [f"{where}: {one}" for one in judged(self.situation, copied)]
            shutil.rmtree(copied.folder)


def measure(count: int | None) -> Iterator[Figure]:
    """Yield one figure over all situations; with a `count`, only a spread of about that many histories in each."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(_in_worker, count=count), range(len(SITUATIONS))))
    lines = frozenset[Line]().union(*(one.lines for one in found))
    broken = [text for one in found for text in one.broken]
    histories = sum(one.histories for one in found)
    yield Figure(
        name="kill -9 at every line of the executor",
        points=sum(one.points for one in found),
        violations=len(broken),
        detail=f"{len(lines)} lines, {len(found)} situations, {histories} histories. {'; '.join(broken[:20])}",
    )


def _in_worker(place: int, count: int | None) -> Found:
    return killed_at_every_line(SITUATIONS[place], count)


def killed_at_every_line(situation: Situation, count: int | None = None) -> Found:
    """Judge what a kill at each line of one run would leave; about `count` histories where it is given."""
    every = 1
    if count is not None:
        every = max(len(_follow(situation, every=sys.maxsize).seen) * len(_DELAYS_S) // count, 1)
    killer = _follow(situation, every=every)
    return Found(
        points=killer.points,
        histories=killer.histories,
        lines=frozenset(killer.lines),
        broken=tuple(killer.broken),
    )


def _follow(situation: Situation, *, every: int) -> Killer:
    """Run the situation undisturbed under the killer's eyes; the promise must hold without a kill too."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        world = _made(situation, Path(folder) / "world")
        situation.prepare(world)
        killer = Killer(situation=situation, world=world, beside=Path(folder), every=every)
        before = sys.gettrace()
        sys.settrace(killer.trace)
        try:
            world.run()
        finally:
            sys.settrace(before)
        killer.broken += [f"{situation.name}, undisturbed: {one}" for one in judged(situation, world)]
    return killer


def _outside(world: World) -> Hashable:
    """Return what a kill would leave: every file's change, what the service saw, the time."""
    files = []
    for folder, _, names in os.walk(world.state.root):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 -- called at every line; pathlib takes five times longer
            about = os.lstat(path)
            files.append((path, about.st_size, about.st_mtime_ns))
    return (*files, len(world.service.log), sum(world.service.effects.values()), world.clock.seconds)


def _made(situation: Situation, folder: Path) -> World:
    folder.mkdir()
    world = World(folder, situation.manifest)
    world.service.url_s = 60.0
    return world


def _copy(situation: Situation, world: World, folder: Path, delay: float) -> World:
    """Return the world as the next process finds it."""
    service = copy.deepcopy(world.service)
    service.clock.seconds += delay
    folder.mkdir()
    copied = World(folder, situation.manifest, service=service)
    shutil.copytree(world.folder, folder, dirs_exist_ok=True, symlinks=True)
    copied.runs, copied.options = world.runs, world.options
    return copied


def judged(situation: Situation, world: World) -> Iterator[str]:
    """Run until the world rests, and compare what the service saw with what it must have seen."""
    rests, ends = False, dict[str, str]()
    for _ in range(_RUNS if situation.rests else _RESTLESS_RUNS):
        calls = len(world.service.log)
        try:
            ends = {name: end.outcome for name, end in world.run().items()}
        except Exception as error:  # noqa: BLE001 -- whatever leaves a run is a finding
            yield f"the run after it failed: {error!r}"
            return
        rests = len(world.service.log) == calls
        if rests:
            break
    allowed = not situation.rests or (situation.may_stay_unknown and set(ends.values()) == {"unknown"})
    if not rests and not allowed:
        yield f"no rest after {_RUNS} runs: {ends}"
    seen = dict(world.service.effects)
    doubled = any(number > situation.effects.get(key, 0) for key, number in seen.items())
    if doubled or (seen != situation.effects and not (allowed and not rests)):
        yield f"the service saw {seen}, not {dict(situation.effects)}"
