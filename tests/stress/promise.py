"""The promise of the real command, judged after the fact: by the service's own log and by what is on the disk."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.app.audit.verify import verify
from runner.errors import RetrainError
from tests.acceptance.contract.contract_project import Finished, Project, rows
from tests.fakes import loopback_port
from tests.fakes.two_port_service import TwoPortService

MODEL = "churn"
OTHER = "slow"  # where a scene has a second model
URL_S = 2  # seconds a signed URL lives; with the quarantine of 1 s a lost upload is known after 3
_MEMORY = Path("/dev/shm")  # noqa: S108 -- a file system in memory, where there is one: no disk is worn by thousands of runs
_LASTING = frozenset(
    {
        "checkpoint",
        "a",
        "b",
        "journal.sqlite3",
        "journal.head",
        "lock",
        "runs",
        "latest",
        "results",
        "inbox",
        MODEL,
        OTHER,
    }
)
_OF_A_RUN = frozenset({"report.json", "report.md", "report.html", "journal.jsonl", "result.zip", "answers.jsonl"})


@contextmanager
def project() -> Iterator[Project]:
    """Give a fresh project of one model with evaluation data, on a service that lists what serves."""
    service = TwoPortService()
    service.lists_classifiers = True
    for port in (service._api, service._store):
        port._server.RequestHandlerClass = _Impatient
    try:
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            made = Project(folder=Path(folder) / "project", service=service)
            made.add(MODEL, evaluation=rows(seed=1000)).url_seconds = URL_S
            yield made
    finally:
        service.close()


class _Impatient(loopback_port._Handler):
    """Ends a connection on which no request comes, as servers do."""

    timeout = 3.0  # seconds


def half_written(project: Project) -> Iterator[str]:
    """Yield reports that exist and do not parse."""
    for report in project.state.glob("runs/*/report.json"):
        try:
            json.loads(report.read_bytes())
        except ValueError as error:
            yield f"{report.relative_to(project.state)} does not parse: {error}"


def settled(project: Project, *, runs: int = 3, run: Callable[[Project], Finished] = Project.run) -> Iterator[str]:
    """Run to the end without disturbance, and yield every promise that is broken then."""
    ended = _run_to_the_end(project, runs, run)
    if ended.code != 0:
        yield f"not settled after {runs} runs: exit {ended.code}: {ended.err[-300:]}"
    yield from effects(project)
    yield from sound(project)


def sound(project: Project) -> Iterator[str]:
    """Yield what is wrong with a state that rests: reports that do not parse, leftovers, what `verify` finds."""
    yield from half_written(project)
    yield from left_over(project)
    yield from _unverified(project)


def effects(project: Project, *, trainings: int = 1, switches: int = 1) -> Iterator[str]:
    """Yield where the service's own log differs from what was to happen."""
    accepted, switched = len(project.service.accepted(MODEL)), len(project.service.switches(MODEL))
    if accepted != trainings:
        yield f"{accepted} uploads accepted, not {trainings}"
    if switched != switches:
        yield f"{switched} switches applied, not {switches}"
    yield from (f"the fake itself failed: {error!r}" for error in project.service.errors)


def documented_code(ended: Finished) -> Iterator[str]:
    """Yield an exit code that a command with trouble from outside must not have."""
    if ended.code not in (0, 1, 5, 6, 7, 8):
        yield f"exit code {ended.code}: {ended.err[-300:]}"


def sentence(ended: Finished) -> Iterator[str]:
    """Yield where a command failed and did not say why and what to do."""
    if ended.code in (6, 7) and not ("error: " in ended.err and "hint: " in ended.err):
        yield f"exit code {ended.code} without a sentence: {ended.err[-300:]}"
    if ended.code != 0 and not ended.err.strip():
        yield f"exit code {ended.code} without a word"


def _run_to_the_end(project: Project, runs: int, run: Callable[[Project], Finished]) -> Finished:
    ended = run(project)
    for _ in range(runs - 1):
        if ended.code == 0:
            break
        ended = run(project)
    return ended


def left_over(project: Project) -> Iterator[str]:
    """Yield what is in the state folder and is none of the files that are to last."""
    for path in project.state.rglob("*"):
        inside = path.relative_to(project.state)
        run_folder = len(inside.parts) == 2 and path.is_dir() and inside.parts[0] == "runs"
        if path.name not in _LASTING | _OF_A_RUN and not run_folder:
            yield f"left over: {inside}"


def _unverified(project: Project) -> Iterator[str]:
    try:
        yield from (f"verify: {finding.where} {finding.what}" for finding in verify(str(project.state), None).findings)
    except RetrainError as error:
        yield f"verify: {error}"
