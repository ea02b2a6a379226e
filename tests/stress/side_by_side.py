"""Scenes with several processes on one state. Each yields the promises that were broken in it."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.journal.events import RunFinished, RunStarted
from runner.journal.folder import StateFolder
from runner.journal.store import open_for_reading
from tests.acceptance.contract.contract_project import Finished, Project, finish, wait_until
from tests.fakes.loopback_port import Moment
from tests.fakes.two_port_records import Call
from tests.stress import promise
from tests.stress.promise import MODEL, OTHER

STOPS: tuple[tuple[str, Moment], ...] = tuple(
    (call, moment)
    for call in ("upload_url", "status before", "put", "status", "download", "switch")
    for moment in ("arrived", "done")
)
# More than the buffers of a connection hold: the end has not left when the head arrives.
LARGE = b"a,b\n" + b"".join(b"%d,%s\n" % (row, b"x" * 64_000) for row in range(400))
_EXPIRED_S = promise.URL_S + 1.5  # the signed URL and the quarantine of 1 s are over


def together(runners: int, seed: int) -> Iterator[str]:
    """Start runners within the same tenth of a second: one continues, the others are told who holds the state."""
    rng = random.Random(seed)  # noqa: S311 -- moments that repeat
    with promise.project() as project:
        project.service.models[MODEL].readings = 5
        processes = []
        for _ in range(runners):
            processes.append(project.start("run", "models.yaml"))
            time.sleep(rng.uniform(0, 0.1))
        ended = [finish(process) for process in processes]
        codes = sorted(one.code for one in ended)
        if codes[0] != 0 or set(codes) - {0, 6}:
            yield f"exit codes {codes}: {[one.err[-200:] for one in ended]}"
        for one in ended:
            if one.code == 6 and "holds the state" not in one.err:
                yield f"a loser was not told who holds the state: {one.err[-200:]}"
        yield from promise.effects(project)
        yield from one_at_a_time(project)
        yield from promise.settled(project)


def stopped(name: str, moment: Moment, *, wake_after: bool) -> Iterator[str]:
    """Stop a runner at a call until its URL and the quarantine are over, let another take over, and wake the first."""
    with promise.project() as project:
        first = project.start("run", "models.yaml")
        _stop_at(project, first, name, moment)
        time.sleep(_EXPIRED_S)
        yield from _freed(project)
        project.service.models[MODEL].training = not wake_after
        second = project.start("run", "models.yaml")
        if wake_after:
            taken_over = finish(second)
            fenced = _woken(first)
        else:
            wait_until(lambda: _begun(project) > 1, what="the second run")
            fenced = _woken(first)
            project.service.models[MODEL].training = False
            taken_over = finish(second)
        if taken_over.code != 0:
            yield f"the run that took over ended with {taken_over.code}: {taken_over.err[-300:]}"
        if fenced.code != 7 or "error: " not in fenced.err:
            yield f"the stopped run ended with {fenced.code}: {fenced.err[-300:]}"
        yield from promise.effects(project)
        yield from one_at_a_time(project)
        yield from promise.settled(project)


def deprived() -> Iterator[str]:
    """Stop a runner within its upload, free its lock, and wake it long before anything has expired."""
    with promise.project() as project:
        project.add(MODEL, train=LARGE)
        first = project.start("run", "models.yaml")
        stop_at_head(project, first)
        yield from _freed(project)
        ended = _woken(first)
        if ended.code != 1 or "holds its state no longer" not in ended.out:
            yield f"the stopped run ended with {ended.code}: {ended.out[-300:]} {ended.err[-300:]}"
        yield from promise.effects(project, trainings=0, switches=0)


def decided(seed: int) -> Iterator[str]:
    """Kill the run that holds the state while a person's decision is on its way to it; the decision counts once."""
    rng = random.Random(seed)  # noqa: S311 -- moments that repeat
    with promise.project() as project:
        project.manifest["policies"][MODEL] = {"type": "manual"}
        project.save()
        finish(project.start("run", "models.yaml"))
        project.add(OTHER).training = True
        killed = project.start("run", "models.yaml")
        wait_until(lambda: bool(project.service.calls(OTHER, "put")), what="the training of slow")
        arguments = ("approve", MODEL, "--reason", "seen", "--yes", *(["--no-wait"] if seed % 2 else []))
        deciding = project.start(*arguments)
        wait_until(lambda: bool(list(project.state.glob("inbox/*"))) or deciding.poll() is not None, what="a decision")
        time.sleep(rng.uniform(0, 1.5))
        killed.kill()
        finish(killed)
        ended = finish(deciding)
        project.service.models[OTHER].training = False
        if ended.code not in (0, 5):
            yield f"the command ended with {ended.code}: {ended.err[-300:]}"
        yield from promise.settled(project)
        yield from (f"left in the inbox: {path.name}" for path in project.state.glob("inbox/*"))


def one_at_a_time(project: Project) -> Iterator[str]:
    """Yield where the journal shows a run that began while another had not ended."""
    store = open_for_reading(StateFolder(project.state))
    if store is None:
        return
    open_runs: set[str] = set()
    for one in store.read():
        if isinstance(one.event.fact, RunStarted):
            if open_runs:
                yield f"run {one.event.run_id} began while {open_runs} had not ended"
            open_runs.add(one.event.run_id)
        elif isinstance(one.event.fact, RunFinished):
            open_runs.discard(one.event.run_id)
    store.close()


def _stop_at(project: Project, process: subprocess.Popen[bytes], name: str, moment: Moment) -> None:
    """Send SIGSTOP when the service sees a call, and return when the process stops."""
    stopped = threading.Event()

    def watch(call: Call, now: Moment) -> None:
        seen = "status before" if call.name == "status" and not project.service.accepted(MODEL) else call.name
        if (seen, now) == (name, moment) and not stopped.is_set():
            process.send_signal(signal.SIGSTOP)
            stopped.set()

    project.service.watch = watch
    if not stopped.wait(30):
        process.kill()
        raise AssertionError(f"the call {name} never came: {finish(process).err}")
    project.service.watch = lambda _call, _moment: None
    wait_until(lambda: _state_of(process) == "T", what="the stop")


def stop_at_head(project: Project, process: subprocess.Popen[bytes]) -> None:
    """Send SIGSTOP when the head of an upload has come, and let the store read on when the process stops."""
    server, stopped = project.service._store._server, threading.Event()
    ordinary: Any = server.RequestHandlerClass

    def serve(handler: Any) -> None:
        if handler.command == "PUT" and not stopped.is_set():
            process.send_signal(signal.SIGSTOP)
            stopped.set()
        ordinary._serve(handler)

    server.RequestHandlerClass = type("Stopping", (ordinary,), {"_serve": serve})
    if not stopped.wait(30):
        process.kill()
        raise AssertionError(f"no upload began: {finish(process).err}")
    wait_until(lambda: _state_of(process) == "T", what="the stop")


def _state_of(process: subprocess.Popen[bytes]) -> str:
    text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    return text.rpartition(")")[2].split()[0]


def _woken(process: subprocess.Popen[bytes]) -> Finished:
    os.kill(process.pid, signal.SIGCONT)
    return finish(process)


def _freed(project: Project) -> Iterator[str]:
    """Free the lock of the run that holds the state, as if it were on a host that is gone."""
    note = StateFolder(project.state).holder
    holder = {**json.loads(note.read_text(encoding="utf-8")), "host": "another-host"}
    note.write_text(json.dumps(holder), encoding="utf-8")
    freed = project.retrain("unlock", "--id", holder["run_id"])
    if freed.code != 0:
        yield f"unlock ended with {freed.code}: {freed.err[-200:]}"


def _begun(project: Project) -> int:
    """Return how many runs the journal has seen begin."""
    store = open_for_reading(StateFolder(project.state))
    if store is None:
        return 0
    begun = sum(isinstance(one.event.fact, RunStarted) for one in store.read())
    store.close()
    return begun
