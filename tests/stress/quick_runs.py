"""Runs of the real command without the second that its imports take: forks of one process that has done them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.contract.contract_project import ROOT, Finished, Project
from tests.stress.held_start import GO


class QuickRuns:
    """The process that forks. One run at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.held_start"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def run(self, project: Project, *, held: str = "", meet: Callable[[int], None] = lambda _: None) -> Finished:
        """Run `retrain run` in a project to its end; `meet` gets the number of the thread that is `held`."""
        words = ("run", "--state", str(project.state), "models.yaml")
        environment = {"HOME": str(project.folder / "home"), **project.environment}
        return self.command(project.folder, words, environment, held=held, meet=meet)

    def command(
        self,
        folder: Path,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        held: str = "",
        meet: Callable[[int], None] = lambda _: None,
    ) -> Finished:
        """Run a command in a folder to its end; `meet` gets the number of the thread that is `held`."""
        out, err = folder / "stdout", folder / "stderr"
        order = {
            "words": words,
            "held": held,
            "folder": str(folder),
            "environment": {"PATH": os.environ["PATH"], **environment},
            "out": str(out),
            "err": str(err),
        }
        self._say(json.dumps(order).encode() + b"\n")
        what, number = self._hear()
        if what == "held":
            meet(number)
            self._say(GO)
            what, number = self._hear()
        elif held:
            raise RuntimeError(f"the thread {held} never began: {err.read_text(encoding='utf-8')}")
        ended = Finished(code=number, out=out.read_text(encoding="utf-8"), err=err.read_text(encoding="utf-8"))
        assert "Traceback" not in ended.out + ended.err, ended.err
        return ended

    def _say(self, line: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None
        stream.write(line)
        stream.flush()

    def _hear(self) -> tuple[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        if not line:
            raise RuntimeError("the process that forks the runs has ended; its own words are above")
        what, _, number = line.partition(" ")
        return what, int(number)


@contextmanager
def quick_runs() -> Iterator[QuickRuns]:
    """Give such a process for the length of a block."""
    runs = QuickRuns()
    try:
        yield runs
    finally:
        runs.close()
