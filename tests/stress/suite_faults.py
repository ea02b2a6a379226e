"""Faults over real sockets: kind x operation x request, alone and in pairs, judged by the service's own log.

`python -m tests.stress suite_faults` runs all singles and 1,000 pairs; `--count N` that many points of each.
`python -m tests.stress.suite_faults KIND:OPERATION:INDEX:EFFECT` shows one point again; several joined by `+` meet one
model; `pairs` runs all pairs.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tests.stress.clock_jumps import jumps
from tests.stress.fault_judge import Violation, judge_end, judge_faulty, judge_run
from tests.stress.fault_points import Point, pairs, parse, singles
from tests.stress.fault_world import FaultWorld
from tests.stress.figure import Figure

MOST_MODELS = 300  # of one world: more would wait for each other longer than for the faults
RECOVERIES = 4
PAIRS = 1_000
_MEMORY = Path("/dev/shm")  # noqa: S108 -- absent elsewhere, then the ordinary folder does


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a world came to: its points, its broken promises, and the outcomes of the run with the faults."""

    points: int
    violations: tuple[Violation, ...]
    outcomes: tuple[str, ...]


def measure(count: int | None) -> Iterator[Figure]:
    """Run all singles and a share of the pairs, or `count` points of each."""
    yield _figure("faults over sockets, alone", list(islice(singles(secure=False), count)), secure=False)
    yield _figure("faults over TLS, alone", list(islice(singles(secure=True), count)), secure=True)
    sent = [point for point in singles(secure=False) if point[-1].operation in ("upload_url", "put", "status")]
    yield _figure("faults while data is checked and sent", sent[:count], secure=False, one_pass=True)
    yield _figure("faults over sockets, in pairs", list(pairs(PAIRS if count is None else count)), secure=False)
    yield _jump_figure(count)


def try_points(folder: Path, points: Sequence[Point], *, secure: bool, one_pass: bool = False) -> Judged:
    """Run one world with these faults and one model without; then run it until it is settled, without faults."""
    world = FaultWorld(folder=folder, plans=[*points, ()], secure=secure, one_pass=one_pass)
    try:
        ended = world.run()
        outcomes = tuple(model["outcome"] for model in ended.models.values())
        violations = [*judge_run(world, ended), *judge_faulty(world, ended)]
        world.heal()
        for _ in range(RECOVERIES):
            ended = world.run()
            violations += judge_run(world, ended)
            if all(model["outcome"] == "unchanged" for model in ended.models.values()):
                break
        violations += judge_end(world, ended)
    finally:
        world.service.close()
    return Judged(points=len(points), violations=tuple(dict.fromkeys(violations)), outcomes=outcomes)


def _figure(name: str, points: list[Point], *, secure: bool, one_pass: bool = False) -> Figure:
    worlds = [points[first : first + MOST_MODELS] for first in _firsts(points)]
    judged = [_in_memory(world, secure=secure, one_pass=one_pass) for world in worlds]
    violations = [one for world in judged for one in world.violations]
    for violation in violations:
        print(f"  {violation}", file=sys.stderr)  # noqa: T201 -- each line shows the violation again
    kinds = {fault.kind.name for point in points for fault in point}
    outcomes = [outcome for world in judged for outcome in world.outcomes]
    counts = ", ".join(f"{outcomes.count(one)} {one}" for one in sorted(set(outcomes)))
    detail = f"{len(kinds)} kinds; first runs: {counts}"
    return Figure(name=name, points=len(points), violations=len(violations), detail=detail)


def _jump_figure(count: int | None) -> Figure:
    with _memory_folder() as folder:
        tried = list(islice(jumps(folder), count))
    broken = [f"{name}: {what}" for name, what in tried if what is not None]
    for one in broken:
        print(f"  {one}", file=sys.stderr)  # noqa: T201 -- each line names its history
    return Figure(name="clock jumps, simulated", points=len(tried), violations=len(broken))


def _firsts(points: list[Point]) -> range:
    return range(0, len(points), MOST_MODELS)


def _in_memory(points: Sequence[Point], *, secure: bool, one_pass: bool) -> Judged:
    with _memory_folder() as folder:
        return try_points(folder / "world", points, secure=secure, one_pass=one_pass)


@contextmanager
def _memory_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def main(texts: list[str]) -> int:
    """Show points again, or run all pairs; return 1 when a promise was broken."""
    began = time.monotonic()
    points = list(pairs(None)) if texts == ["pairs"] else [parse(text) for text in texts]
    secure = any(fault.kind.secure for point in points for fault in point)
    figure = _figure("faults over sockets", points, secure=secure)
    print(figure, f"{time.monotonic() - began:.0f} s")  # noqa: T201 -- its result
    return 1 if figure.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
