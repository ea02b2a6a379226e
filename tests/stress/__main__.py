"""`make torture`: every long suite, one table. `python -m tests.stress NAME --count N` runs one of them.

A suite is a module here with `measure(count)`, which returns figures; None means its full count. The exit code is 1
when any promise was broken.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.stress.figure import Figure

SUITES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("suite_*.py")))


def main() -> int:
    """Run the suites named on the command line, all by default, and print the table."""
    os.environ["XDG_STATE_HOME"] = "/dev/null"  # no notes in the home folder: states are copied and go different ways
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []])
    parser.add_argument("--count", type=int, help="how many histories, points or inputs; the full figure by default")
    parser.add_argument("--seed", type=int, help="play this one history of a suite with seeds, and show it")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return max(replay(name, arguments.seed) for name in arguments.suite or SUITES)
    broken = 0
    for figure, seconds in run(arguments.suite or SUITES, arguments.count):
        broken += figure.violations
        counts = f"{figure.points:9,} points {figure.violations:5} violations {seconds:7.0f} s"
        print(f"{figure.name:44} {counts}  {figure.detail}", flush=True)  # noqa: T201 -- the table
    return 1 if broken else 0


def replay(name: str, seed: int) -> int:
    """Let a suite show one seed line by line; 1 when it broke a promise."""
    show = getattr(importlib.import_module(f"tests.stress.{name}"), "show", None)
    if show is None:
        print(f"{name} has no seeds", file=sys.stderr)  # noqa: T201 -- a command's answer
        return 2
    lines, broken = show(seed)
    print(*lines, sep="\n")  # noqa: T201 -- the history
    return 1 if broken else 0


def run(suites: tuple[str, ...], count: int | None) -> Iterator[tuple[Figure, float]]:
    """Yield the figures of the suites with the seconds each suite took so far."""
    for name in suites:
        began = time.monotonic()
        for figure in importlib.import_module(f"tests.stress.{name}").measure(count):
            yield figure, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
