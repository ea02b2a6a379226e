"""A crontab at work on one state: runs that overlap, are killed, cannot print, and find other data now and then.

Each firing is the real command as cron starts it: by a shell, in a session of its own without a terminal, with a home,
a short PATH and perhaps a C locale, its output closed, full or thrown away.
"""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner.journal.events import CandidateEvaluated
from runner.journal.folder import StateFolder
from runner.journal.store import open_for_reading
from tests.acceptance.contract.contract_project import ROOT, Project, rows
from tests.fakes.loopback_port import Moment
from tests.fakes.two_port_records import Call
from tests.stress import promise, side_by_side
from tests.stress.promise import MODEL

DATA = "data/\u9867\u5ba2.csv"  # a name that a C locale cannot spell
_OUTPUTS = ("", ">&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/null 2>&1", ">/dev/full")
_LOCALES: tuple[Mapping[str, str], ...] = ({}, {"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"})
_STRIKES: tuple[tuple[str, Moment], ...] = tuple(
    (call, moment) for call in ("upload_url", "put", "status", "download", "switch") for moment in ("arrived", "done")
)
_CHANGED, _KILLED, _WAITING = 0.45, 0.45, 0.2  # the shares of firings
_AT_A_CALL = 0.5  # the share of kills
_AT_ONCE = 3  # runs that overlap at most, so that the machine is not buried
_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What happens at one moment of the crontab. `pause` and `life` are shares of a run's usual length.

    Where `ends_by` is a signal, it comes when the service sees the call `at`, or without one at the end of `life`.
    """

    pause: float
    changes_data: bool
    waits: bool
    output: str
    locale: Mapping[str, str]
    ends_by: signal.Signals | None
    at: tuple[str, Moment] | None
    life: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """How a firing ended; `code` is as `subprocess` tells it: a signal's number is negative."""

    firing: Firing
    code: int
    err: str


@dataclass(slots=True, kw_only=True)
class Crontab:
    """One project under cron. `contents` are all the data there ever was."""

    project: Project
    contents: list[bytes]
    usual_s: float = 2.0
    ended: list[Fired] = field(default_factory=list)
    _running: list[threading.Thread] = field(default_factory=list)
    _doomed: dict[subprocess.Popen[bytes], Firing] = field(default_factory=dict)
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))

    def __post_init__(self) -> None:
        self.project.service.watch = self._strike

    def fire(self, firing: Firing) -> None:
        """Start a run when its time comes, and let it be."""
        time.sleep(firing.pause * self.usual_s)
        if firing.changes_data:
            self.contents.append(rows(seed=len(self.contents)))
            _replace(self.project.folder / DATA, self.contents[-1])
        self._places.acquire()
        thread = threading.Thread(target=self._live, args=(firing,))
        thread.start()
        self._running.append(thread)

    def rest(self) -> None:
        """Wait for the last runs to end."""
        for thread in self._running:
            thread.join()

    def _live(self, firing: Firing) -> None:
        began = time.monotonic()
        process = self._start(firing)
        if firing.at is not None:
            self._doomed[process] = firing
        elif firing.ends_by is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(firing.life * self.usual_s)
            process.send_signal(firing.ends_by)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
        err = process.stderr.read().decode() if process.stderr and process.poll() is not None else "did not end"
        self._doomed.pop(process, None)
        process.kill()
        process.communicate()
        if process.returncode == 0 and firing.changes_data:
            self.usual_s = time.monotonic() - began
        self.ended.append(Fired(firing=firing, code=process.returncode, err=err))
        self._places.release()

    def _strike(self, call: Call, moment: Moment) -> None:
        """End the runs whose time has come with this call, whoever of them made it."""
        for process, firing in tuple(self._doomed.items()):
            if firing.at == (call.name, moment) and firing.ends_by is not None:
                process.send_signal(firing.ends_by)

    def _start(self, firing: Firing) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "runner", "run", "--state", str(self.project.state), "models.yaml", "-q"]
        wait = ["--lock-timeout", "30s"] if firing.waits else []
        return subprocess.Popen(
            ["/bin/sh", "-c", f"exec {shlex.join([*words, *wait])} {firing.output}"],
            cwd=self.project.folder,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.project.folder / "home"),
                "LOGNAME": "cron",
                "SHELL": "/bin/sh",
                "PYTHONPATH": str(ROOT),
                **firing.locale,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def drawn(seed: int) -> Iterator[Firing]:
    """Yield firings without end; the same seed gives the same ones."""
    rng = random.Random(seed)  # noqa: S311 -- moments that repeat as far as processes do
    while True:
        ends_by = rng.choice((signal.SIGKILL, signal.SIGTERM)) if rng.random() < _KILLED else None
        yield Firing(
            pause=rng.uniform(0, 0.7),
            changes_data=rng.random() < _CHANGED,
            waits=rng.random() < _WAITING,
            output=rng.choice(_OUTPUTS),
            locale=rng.choice(_LOCALES),
            ends_by=ends_by,
            at=rng.choice(_STRIKES) if ends_by is not None and rng.random() < _AT_A_CALL else None,
            life=rng.uniform(0, 1.2),
        )


@contextmanager
def crontab() -> Iterator[Crontab]:
    """Give a project whose key is in a file, and whose uploads are the data file's own bytes."""
    with promise.project() as project:
        model = project.service.models[MODEL]
        model.readings = 3
        (project.folder / DATA).write_bytes(rows())
        (project.folder / "key").write_text(model.key, encoding="utf-8")
        (project.folder / "key").chmod(0o600)
        project.manifest["datasets"][MODEL] = {"train": DATA}
        project.manifest["models"][MODEL] |= {"api_key": {"file": "key"}, "owner": "\u55b6\u696d"}
        project.save()
        yield Crontab(project=project, contents=[rows()])


def judged(table: Crontab) -> Iterator[str]:
    """Yield what was broken while cron fired, then run once more as cron would, and yield what is broken then."""
    for one in table.ended:
        yield from _ended_badly(one)
    yield from seen_by_service(table)
    ended = table.project.run()
    if ended.code != 0:
        yield f"did not settle: {ended.code} {ended.err[-300:]}"
    yield from seen_by_service(table)
    yield from side_by_side.one_at_a_time(table.project)
    yield from _undecided_switches(table.project)
    yield from _failed_models(table.project)
    yield from promise.sound(table.project)
    if table.contents[-1] not in table.project.service.accepted(MODEL):
        yield "the last content was never trained"


def _ended_badly(one: Fired) -> Iterator[str]:
    allowed = {0, 1, 6}  # 1 where the result cannot be printed; `_failed_models` judges the others
    if one.firing.ends_by == signal.SIGKILL:
        allowed.add(-signal.SIGKILL)
    if one.firing.ends_by == signal.SIGTERM:
        allowed |= {-signal.SIGTERM, 128 + signal.SIGTERM}
    speaks = "2>" not in one.firing.output
    if one.code not in allowed or "Traceback" in one.err:
        yield f"exit code {one.code} of {one.firing}: {one.err[-300:]}"
    if one.code == 6 and speaks and "holds the state" not in one.err:
        yield f"was not told who holds the state: {one.err[-300:]}"


def seen_by_service(table: Crontab) -> Iterator[str]:
    """Yield what the service's log has against the runs."""
    service = table.project.service
    for content, number in Counter(service.accepted(MODEL)).items():
        if content not in table.contents:
            yield "a content was uploaded that never was a data file's"
        elif number > 1:
            yield f"content {table.contents.index(content)} was accepted {number} times"
    for job, number in Counter(service.switches(MODEL)).items():
        if number > 1:
            yield f"{job} was switched to {number} times"
    calls = [(call.name, call.job) for call in service.calls(MODEL)]
    yield from two_at_once(calls, {job.id for job in service.jobs.values() if job.uploads})
    yield from (f"the fake itself failed: {error!r}" for error in service.errors)


def two_at_once(calls: Sequence[tuple[str, str]], started: Collection[str]) -> Iterator[str]:
    """Yield the jobs that were taken up again after a later one: only two runs side by side do that.

    `calls` are names of calls with their jobs, empty where they have none; `started` are the jobs with an upload. A run
    asks for its newest started job before it takes another one, and does so again after a run that ended in between.
    """
    seen: list[str] = []
    for number, (_, job) in enumerate(calls):
        if job and job not in seen:
            seen.append(job)
        later = seen[seen.index(job) + 1 :] if job else []
        if later and not (_asks_whose_key(calls[number:]) and set(started).isdisjoint(later)):
            yield f"{job} was taken up again after {later[-1]}"


def _asks_whose_key(calls: Sequence[tuple[str, str]]) -> bool:
    """Return whether the first call is a question of status after which the next thing is that a new job is taken."""
    after = next((call for call in calls if call != calls[0]), ("upload_url", ""))
    return calls[0][0] == "status" and after[0] == "upload_url"


def _undecided_switches(project: Project) -> Iterator[str]:
    """Yield the switches for which the journal has no decision."""
    store = open_for_reading(StateFolder(project.state))
    assert store is not None
    facts = [link.event.fact for link in store.read()]
    store.close()
    decided = {
        fact.retrain_job_id
        for fact in facts
        if isinstance(fact, CandidateEvaluated) and fact.evaluation.decision.action == "switch"
    }
    yield from (f"{job} serves without a decision" for job in set(project.service.switches(MODEL)) - decided)


def _failed_models(project: Project) -> Iterator[str]:
    """Yield the runs in which the model failed, but for data that was replaced between its check and its upload."""
    for path in sorted(project.state.glob("runs/2*/report.json")):
        for model in json.loads(path.read_bytes())["models"]:
            if model["outcome"] == "failed" and model["error"]["kind"] != "data":
                yield f"run {path.parent.name} failed: {model['reason']}"


def _replace(path: Path, content: bytes) -> None:
    """Put other data in place of a file, in one step."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, path)  # noqa: PTH105 -- as a program that writes data would
