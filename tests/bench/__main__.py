"""`make bench`: every figure beside its peer, in turn, in one run; `make bench BENCH=upload` for one line of it.

A line is a module here with `measure(folder, sizes)`. All lines together, unless `--quick`, are also
written into docs/explanation/benchmarks.md.
"""

import argparse
import contextlib
import importlib
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType

from runner.errors import RetrainError
from tests.bench.figure import Part, Row
from tests.bench.measure import ROOT, NotMeasuredError
from tests.bench.page import HEAD, line_of, page
from tests.bench.sizes import QUICK, Sizes

LINES = (
    "start",
    "validate",
    "upload",
    "checks",
    "packing",
    "remote",
    "run",
    "fleet",
    "polling",
    "journal",
    "recovery",
    "latency",
    "checkpoint",
    "growth",
    "profiles",
)
_NUMBERS = [field.name for field in fields(Sizes) if field.type is int or field.type == "int"]


def main() -> int:
    """Measure what is asked for, all by default, and print the table row by row."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, _end)
    sizes = _sizes(arguments)
    print(HEAD, flush=True)  # noqa: T201 -- the table
    parts = list(_measured(arguments.line or LINES, sizes))
    for part in parts:
        if part.text:
            print(f"\n### {part.heading}\n\n{part.text}")  # noqa: T201 -- the tables of their own
    if not (arguments.line or arguments.quick):
        (ROOT / "docs" / "explanation" / "benchmarks.md").write_text(page(parts, sizes.rounds), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("line", nargs="*", choices=[*LINES, []], help="one or more of the lines")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all lines work")
    for name in _NUMBERS:
        parser.add_argument(f"--{name}", type=int, help=f"{getattr(Sizes(), name):,} by default")
    return parser


def _sizes(arguments: argparse.Namespace) -> Sizes:
    given = {name: getattr(arguments, name) for name in _NUMBERS if getattr(arguments, name) is not None}
    return replace(QUICK if arguments.quick else Sizes(), **given)


def _measured(names: Sequence[str], sizes: Sizes) -> Iterator[Part]:
    """Measure line by line; a line that cannot be measured is a row that says why."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="retrain-bench-") as folder:
            try:
                part: Part = importlib.import_module(f"tests.bench.line_{name}").measure(Path(folder), sizes)
            except (NotMeasuredError, RetrainError, OSError) as error:
                part = Part(rows=(Row(what=name, ours="", trouble=str(error)),))
        for row in part.rows:
            print(line_of(row), flush=True)  # noqa: T201 -- the table
        yield part


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # so that services and temporary files go away as after Ctrl-C


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
