"""Clocks that are wrong, and services that lie about the time: nothing is sent twice, nothing is replaced too early."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from subprocess import run

from runner.journal.retrain_job import JobStage
from runner.providers.base import Effect
from tests.acceptance.contract.contract_project import ROOT
from tests.fakes.loopback_port import http_date
from tests.fakes.world import ONE_MODEL, REALM, START, CrashError, World
from tests.stress import promise
from tests.stress.hostile.attack import Attack
from tests.stress.promise import MODEL

_QUARANTINE_S = 300.0  # that of ONE_MODEL; the tolerance is the same
_OFF_S = 290.0  # of a machine's clock, within the tolerance
_GARBAGE = ("", "yesterday", "0", "\x7f", "Thu, 32 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 5000)


def _sleepy_machine(folder: Path, rng: Random) -> Iterator[str]:
    """One machine's clock is off, and it sleeps before its upload until about when the URL ends."""
    world = World(folder, ONE_MODEL)
    world.clock.ahead = timedelta(seconds=rng.uniform(-_OFF_S, _OFF_S))
    late, left = rng.choice((-5.0, 0.0, 1.0, _OFF_S)), dict[str, float]()

    def sleep(commit: int) -> None:
        last = world.progress().model(REALM, "m").last if commit < 0 else None
        if last is not None and last.stage == JobStage.SENDING and last.retrain_job_id == "job-1" and not left:
            left["slept"] = 0.0
            world.clock.seconds = world.service.url_s + late

    def sent(call: str, job: str) -> None:
        if call == "put":
            left[job] = world.clock.seconds

    world.on_commit, world.service.before = sleep, sent
    ended = world.run()["m"]
    if "slept" not in left or ended.outcome != "switched":
        raise AssertionError(f"the scene did not come about: {ended.reason}")
    if left.get("job-1", 0.0) >= world.service.url_s:
        yield f"an upload left {late} s after its URL's end, by a clock that is off by {world.clock.ahead}"
    if late < -1 and "job-1" not in left:
        yield f"an upload did not leave {-late} s before its URL's end, by a clock that is off by {world.clock.ahead}"


def _second_machine(folder: Path, rng: Random) -> Iterator[str]:
    """An upload is lost on one machine, and settled on another whose clock differs."""
    world = _lost(folder, rng, rng.uniform(-_OFF_S, _OFF_S))
    world.clock.ahead = timedelta(seconds=rng.uniform(-_OFF_S, _OFF_S))
    taken = _taken_again(world)
    end = world.service.url_s + _QUARANTINE_S
    if not end <= taken <= end + 60:
        yield f"a lost upload was replaced {taken - end:.0f} s after URL and quarantine, clock {world.clock.ahead}"


def _lost(folder: Path, rng: Random, ahead: float) -> World:
    """Let a machine be killed when it sends, after its upload left or before."""
    world = World(folder, ONE_MODEL)
    world.service.url_s = rng.choice((60.0, 900.0, 3600.0))
    world.clock.ahead = timedelta(seconds=ahead)
    world.service.before = _killed
    try:
        world.run()
    except CrashError:
        world.service.before = lambda _call, _job: None
        return world
    raise AssertionError("the machine was not killed")


def _killed(call: str, _job: str) -> Effect | None:
    if call == "put":
        raise CrashError
    return None


def _taken_again(world: World) -> float:
    """Run to the end, and return when the next job was taken."""
    taken: list[float] = []
    world.service.after = lambda call, _job: taken.append(world.clock.seconds) if call == "upload_url" else None
    ended = world.run()["m"]
    if ended.outcome != "switched" or len(taken) != 1:
        raise AssertionError(f"the lost upload was not made good: {ended.reason}")
    return taken[0]


def _lying_date(folder: Path, rng: Random) -> Iterator[str]:
    """Each answer's Date is off by an amount of its own: it may hasten a replacement by the tolerance, and no more."""
    world = _lost(folder, rng, 0.0)
    begins, true = world.clock.seconds, world.service.now

    def lie() -> datetime:
        off = rng.choice((rng.uniform(-_OFF_S, _OFF_S), rng.uniform(-1e8, 1e8), 1e6, _QUARANTINE_S, 0.0))
        return (true() + timedelta(seconds=off)).replace(microsecond=0)

    world.service.date = lie  # type: ignore[method-assign] # the lie is what is played
    taken: list[float] = []
    world.service.after = lambda call, _job: taken.append(world.clock.seconds) if call == "upload_url" else None
    for _ in range(4):
        world.run()
    if not taken:
        raise AssertionError("nothing was ever replaced")
    if taken[0] < world.service.url_s or taken[0] < begins + _QUARANTINE_S:
        yield f"a lying Date had a lost upload replaced after {taken[0]:.0f} s, URL {world.service.url_s:.0f} s"
    if len({job for call, job in world.service.log if call == "put"}) != world.service.calls("put"):
        yield "a lying Date had one job sent to twice"
    if world.service.effects["upload", "key-m"] > 1:
        yield f"a lying Date started {world.service.effects['upload', 'key-m']} trainings of one content"


def _wrong_clock(_folder: Path, rng: Random) -> Iterator[str]:
    """The real command on a machine whose clock is off by more than the tolerance, either way."""
    with promise.project() as project:
        off = timedelta(seconds=rng.choice((-1, 1)) * rng.choice((90, 3600, 86400 * 40, 86400 * 4000)))
        project.service.ahead = off
        ended = project.run()
        if not project.service.calls(MODEL, "upload_url"):
            raise AssertionError(f"the service was not asked: {ended.err[-300:]}")
        if ended.code != 1 or "Traceback" in ended.err or project.service.calls(MODEL, "put"):
            yield f"exit code {ended.code} with a clock that is off by {off}: {ended.err[-300:]}"
        told = (project.state / "runs" / "latest" / "report.md").read_text()
        side = "behind" if off > timedelta(0) else "ahead of"
        if f"{side} the service's" not in told or "Set this machine's clock" not in told:
            yield f"the report does not name a clock that is off by {off}: {told[:600]}"
        project.service.ahead = timedelta(0)
        yield from promise.settled(project)


def _garbage_date(_folder: Path, rng: Random) -> Iterator[str]:
    """The real command on a service whose answers say no time, garbage, or now and then something else."""
    words = (None, *_GARBAGE, http_date(datetime.now(UTC) + timedelta(seconds=20)))
    with promise.project() as project:
        project.service.date = lambda _now: rng.choice(words)
        ended = project.run()
        if ended.code != 0 or "Traceback" in ended.err:
            yield f"exit code {ended.code} with a Date that says nothing: {ended.err[-300:]}"
        yield from promise.settled(project)


def _journal_of_the_future(folder: Path, rng: Random) -> Iterator[str]:
    """A machine whose clock was far ahead wrote the journal; then its clock is right."""
    world = World(folder, ONE_MODEL.replace("policy: p", "policy: p, retrain: {min_interval: 1d}"))
    off = datetime.now(UTC) - START + timedelta(hours=rng.choice((1, 30, 9000, 90000)))
    world.clock.ahead = world.service.ahead = off
    if world.run()["m"].outcome != "switched":
        raise AssertionError("nothing was trained")
    world.clock.ahead = world.service.ahead = timedelta(0)
    for command in ("status", "history", "plan models.yaml --trust-host service.test"):
        shown = _shown(folder, *command.split())
        if "this machine's clock shows" not in shown or "Traceback" in shown:
            yield f"`retrain {command}` does not warn of a journal that is {off} ahead: {shown[-300:]}"
    world.write_data("2")
    ended = world.run()["m"]
    if ended.outcome != "switched":
        yield f"a journal that is {off} ahead keeps new data from being trained: {ended.outcome}, {ended.reason}"


def _shown(folder: Path, command: str, *arguments: str) -> str:
    """Return what a command says, on both streams."""
    words = [sys.executable, "-m", "runner", command, "--state", str(folder / "state"), *arguments]
    ended = run(
        words, cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    return (ended.stdout + ended.stderr).decode() if ended.returncode == 0 else f"Traceback? {ended.stderr.decode()}"


ATTACKS = (
    Attack(name="sleep-before-an-upload", sentence="K1", play=_sleepy_machine),
    Attack(name="second-machine-settles", sentence="K1", play=_second_machine),
    Attack(name="clock-off-by-hours", sentence="K2", play=_wrong_clock),
    Attack(name="date-that-lies", sentence="K3", play=_lying_date),
    Attack(name="date-of-garbage", sentence="K4", play=_garbage_date),
    Attack(name="journal-of-the-future", sentence="K5", play=_journal_of_the_future),
)
