"""Disks that are full and memory that does not suffice, at any size: a sentence, a code, and nothing half-written."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.acceptance.contract.contract_project import ROOT, Finished, Project, rows, threshold
from tests.fakes.result_files import result
from tests.fakes.two_port_service import TwoPortService
from tests.fakes.world import ONE_MODEL, World
from tests.stress.hostile.attack import Attack

_MEBIBYTE = 1 << 20


def _limited(folder: Path, limit: tuple[int, int], *words: str, **environment: str) -> Finished:
    """Run the real command under a limit: which one, and its size in bytes."""
    which, size = limit
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(which, (size, size)),
    )
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


@contextmanager
def _project(folder: Path) -> Iterator[Project]:
    service = TwoPortService()
    try:
        project = Project(folder=folder / "project", service=service)
        project.add("churn", policy=threshold({"metric": "auc", "min": 0.8}), results=[result(AUC="0.9")] * 3)
        yield project
    finally:
        service.close()


def _full_disk(folder: Path, rng: Random) -> Iterator[str]:
    """No file can grow beyond a size that is met by the journal, the upload, a result or a report."""
    with _project(folder) as project:
        size = rng.choice((0, 1, 100, 300, 900, 4096, 8192, 20_000, 30_000, 40_000))
        project.write_data("churn", rows(rng.choice((120, 2000))))
        words = ("run", "--state", str(project.state), "models.yaml")
        ended = _limited(project.folder, (resource.RLIMIT_FSIZE, size), *words, **project.environment)
        if ended.code not in (0, 1, 7):
            yield f"a disk full at {size} bytes ends with {ended.code}: {ended.err}"
        if "Traceback" in ended.err or "Internal error" in ended.out + ended.err:
            yield f"a disk full at {size} bytes is taken for a bug: {ended.err}"
        if ended.code and str(project.state) not in ended.out + ended.err:
            yield f"a disk full at {size} bytes is told without a path: {ended.out}{ended.err}"
        left = [path.name for path in project.state.rglob("*") if path.name.startswith(".")]
        if left:
            yield f"a disk full at {size} bytes leaves {left}"
        again = project.run()
        if again.code not in (0, 8):  # whether a request got through may be for a person to say
            yield f"the run after a disk full at {size} bytes ends with {again.code}: {again.err}"


def _little_memory(folder: Path, rng: Random) -> Iterator[str]:
    """Memory ends while a manifest, a journal or a state is read."""
    world = World(folder, ONE_MODEL)
    world.run()
    many = ",".join(["{a: [1,2]}"] * 150_000)
    (folder / "big.yaml").write_text(f"version: 1\nx: [{many}]\n", encoding="utf-8")
    state = ("--state", str(world.state.root))
    commands = (("validate", "big.yaml"), ("status", *state), ("verify", *state), ("history", *state))
    words, size = rng.choice((commands[0], *commands)), rng.randrange(44, 70) * _MEBIBYTE
    ended = _limited(folder, (resource.RLIMIT_AS, size), *words)
    if ended.code not in (0, 1, 3, 7):
        yield f"{words[0]} in {size} bytes of memory ends with {ended.code}: {ended.err}"
    if "Traceback" in ended.err or "Internal error" in ended.err:
        yield f"{words[0]} in {size} bytes of memory is taken for a bug: {ended.err}"
    if words[0] == "validate" and "memory" not in ended.out + ended.err:
        yield f"nothing tells that memory did not suffice: {ended.out}{ended.err}"


ATTACKS = (
    Attack(name="a_disk_is_full", sentence="D1", play=_full_disk),
    Attack(name="memory_does_not_suffice", sentence="D2", play=_little_memory),
)
