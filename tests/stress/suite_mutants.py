"""The tests are tested: each mutant of `mutants.py` must turn the test that it names red, and only a mutant may.

One again: `python -m tests.stress.suite_mutants NAME`. The runner, its tests and its schemas are copied to a scratch
folder, the one text is replaced there, and the named test is run against the copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stress.figure import Figure
from tests.stress.mutant import Change, Mutant
from tests.stress.mutants import EQUIVALENT, MUTANTS

ROOT = Path(__file__).parents[2]
_COPIED = (
    "runner",
    "emulator",
    "tests",
    "schemas",
    "examples",
    "requirements",
    "Dockerfile",
    "pyproject.toml",
    "README.md",
)
_PATIENCE_S = 300
_RED = 1  # pytest's exit code when tests failed; others mean that nothing was tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How tests ended on a copy: pytest's exit code (None when they did not end), and the end of its output."""

    code: int | None
    output: str


def measure(count: int | None) -> Iterator[Figure]:
    """Try every mutant, or the first `count`."""
    chosen = MUTANTS[:count]
    with scratch_copy() as copy:
        sound = run_tests(copy, sorted({one.caught_by for one in chosen}))
        survivors = [one.name for one in chosen if not caught(copy, one)] if sound.code == 0 else ["no mutant at all"]
    detail = f"{len(EQUIVALENT)} more are shown equivalent" + "".join(f"; survived: {name}" for name in survivors)
    yield Figure(name="mutants of the runner", points=len(chosen), violations=len(survivors), detail=detail)


def caught(copy: Path, mutant: Mutant) -> bool:
    """Return whether the named test goes red on the mutant."""
    with applied(copy, mutant):
        return run_tests(copy, [mutant.caught_by]).code == _RED


@contextmanager
def scratch_copy() -> Iterator[Path]:
    """Give a folder with a copy of all that the tests need."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy)
        yield copy


@contextmanager
def applied(copy: Path, change: Change) -> Iterator[None]:
    """Make the change in the copy for the length of the block."""
    path = copy / change.file
    original = path.read_text(encoding="utf-8")
    path.write_text(changed(original, change), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(original, encoding="utf-8")


def changed(text: str, change: Change) -> str:
    """Return the text with the change; its old text must be there exactly once."""
    found = text.count(change.old)
    if found != 1:
        raise LookupError(f"{change.name}: its old text stands {found} times in {change.file}")
    return text.replace(change.old, change.new)


def run_tests(copy: Path, tests: Sequence[str]) -> Tried:
    """Run tests of the copy against the runner of the copy."""
    # A mutant and its restored original may have one size and one second: no bytecode may replace either.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Tried(code=None, output="")
    return Tried(code=done.returncode, output=done.stdout[-2000:])


def _try_again(names: Iterable[str]) -> int:
    """Try mutants by name and print what came of them."""
    survivors = 0
    with scratch_copy() as copy:
        for mutant in [one for one in MUTANTS if one.name in set(names)]:
            died = caught(copy, mutant)
            survivors += not died
            print(f"{mutant.name}: {'caught' if died else 'SURVIVED'}", flush=True)  # noqa: T201 -- its purpose
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(_try_again(sys.argv[1:] or [one.name for one in MUTANTS]))
