"""Fuzzed manifests, answers and results: only our own errors, each within a second and 256 MiB.

`python -m tests.stress suite_fuzz` reads 100,000 inputs, `--count N` that many. `python -m tests.stress.fuzz_child
TARGET SEED 1 FOLDER` reads one again.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.stress.figure import Figure
from tests.stress.fuzz_inputs import TARGETS

FULL = 100_000
_SHARES = {"manifest": 0.3, "answer": 0.3, "json": 0.1, "csv": 0.1, "zip": 0.1, "tar": 0.05, "workbook": 0.05}
_ROOT = Path(__file__).parents[2]
_MEMORY = Path("/dev/shm")  # noqa: S108 -- absent elsewhere, then the ordinary folder does


def measure(count: int | None) -> Iterator[Figure]:
    """Read `count` inputs, all 100,000 by default; two targets at a time."""
    total = FULL if count is None else count
    with ThreadPoolExecutor(2) as beside:
        yield from beside.map(lambda target: fuzz(target, round(total * _SHARES[target])), TARGETS)


def fuzz(target: str, count: int, *, first: int = 0) -> Figure:
    """Read the inputs of some seeds, in a new process whenever one died of an input."""
    broken: list[str] = []
    seed, end = first, first + count
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        while seed < end:
            died_at, found = _read_some(target, seed, end - seed, Path(folder))
            broken += found
            seed = end if died_at is None else died_at + 1
    for one in broken:
        print(f"  {one}", file=sys.stderr)  # noqa: T201 -- each line shows the violation again
    return Figure(name=f"fuzz: {target}", points=count, violations=len(broken))


def _read_some(target: str, first: int, count: int, folder: Path) -> tuple[int | None, list[str]]:
    """Return the seed at which the child died, if it did, and what it found, each line with its seed."""
    command = [sys.executable, "-m", "tests.stress.fuzz_child", target, str(first), str(count), str(folder)]
    child = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    found = [f"fuzz_child {target} {line['seed']} 1 FOLDER: {line['what']}" for line in lines]
    if child.returncode == 0:
        return None, found
    died_at = int.from_bytes((folder / "seed").read_bytes()[:8], "big") if (folder / "seed").exists() else first
    last = (child.stderr.strip().splitlines() or [""])[-1]
    return died_at, [*found, f"fuzz_child {target} {died_at} 1 FOLDER: ended with {child.returncode} {last}"]
