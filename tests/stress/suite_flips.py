"""Flipped bits and cuts in everything a run leaves, and journals that are gone, foreign, emptied or older: none silent.

One damage again: `FinishedState.judge(Damage(file=..., byte=..., bit=...))`; the figure names the first silent one.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.contract.contract_project import Project, rows, threshold
from tests.fakes.cut_journal import JOURNAL
from tests.fakes.result_files import result
from tests.fakes.two_port_service import TwoPortService
from tests.stress.damaged_state import FinishedState, complaint, finished_state, losses
from tests.stress.figure import Figure

FULL = 10_000
_MEMORY = Path("/dev/shm")  # noqa: S108 -- absent elsewhere, then the ordinary folder does


def measure(count: int | None) -> Iterator[Figure]:
    """Damage one finished state `count` times, and lose it in every way as a whole."""
    with two_runs() as (state, older):
        yield flip(state, FULL if count is None else count)
        yield lose(state, older)


def flip(state: FinishedState, count: int) -> Figure:
    """Return how many of `count` damages passed unseen."""
    verdicts: Counter[str] = Counter()
    first = ""
    for number in range(count):
        damage = state.damage(f"damage-{number}")
        verdict = state.judge(damage)
        verdicts[verdict] += 1
        if verdict in ("silent", "traceback") and not first:
            first = f", first {verdict}: number {number}, {damage}"
    detail = f"{verdicts['found']:,} found and named, {verdicts['no effect']:,} changed nothing that is read{first}"
    return Figure(
        name="flips and cuts of state and reports", points=count, violations=verdicts["silent"], detail=detail
    )


def lose(state: FinishedState, older: bytes) -> Figure:
    """Return how many of the losses of whole files passed unseen."""
    silent = []
    for number, loss in enumerate(losses()):
        copy = state.root.with_name(f"lost-{number}")
        shutil.copytree(state.root, copy, symlinks=True)
        loss.apply(copy, older)
        if complaint(copy) is None:
            silent.append(loss.name)
        shutil.rmtree(copy)
    return Figure(
        name="state lost, swapped or added to", points=len(losses()), violations=len(silent), detail="; ".join(silent)
    )


@contextmanager
def two_runs() -> Iterator[tuple[FinishedState, bytes]]:
    """Make two runs of the real command with switched, held and failed models; give the state, and the journal between.

    The second run has new data for one model.
    """
    service = TwoPortService()
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        try:
            project = Project(folder=Path(folder) / "project", service=service)
            limit = threshold({"metric": "auc", "min": 0.8})
            project.add("churn", policy=limit, evaluation=rows(40, seed=500))
            project.add("held", policy=limit, results=[result(AUC="0.1")])
            project.add("failed").ends = ["job_failed"]
            project.run()
            older = (project.state / JOURNAL).read_bytes()
            project.write_data("churn", rows(seed=7))
            project.run()
        finally:
            service.close()
        yield finished_state(project.state), older
