"""Commands on machines that have nothing, whose state is in an object store. Scenes yield the promises that broke."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from tests.acceptance.contract.contract_project import (
    ROOT,
    Finished,
    Project,
    finish,
    judged,
    rows,
    wait_for_training,
    wait_until,
)
from tests.fakes.loopback_port import Moment
from tests.fakes.postgres_server import PASSWORD
from tests.fakes.preloaded import Preloaded, preloaded
from tests.fakes.two_port_records import Call
from tests.fakes.unreliable_s3 import Fault, FaultOf, S3Server, StoredObject, no_fault
from tests.stress import promise
from tests.stress.canaries import Scanner, written_below
from tests.stress.promise import MODEL
from tests.stress.side_by_side import LARGE, stop_at_head

CREDENTIALS = {
    "PGPASSWORD": PASSWORD,
    "AWS_ACCESS_KEY_ID": "CANARYaccess0key+8d1a",
    "AWS_SECRET_ACCESS_KEY": "CANARYsecret/key+0123456789",
    "AWS_SESSION_TOKEN": "CANARYsession/token+4c",
}
LEASE_S = 10
_OLD = timedelta(seconds=LEASE_S + 5)  # by the store's clock: a lease is over then
_RUNS = 5  # after which everything is done
_FORMAT = b'{"format":1,"lineage":"%s","partitions":1}\n'
_COMMANDS = (
    ("run", "models.yaml", "-vv"),
    ("run", "models.yaml", "-vv", "--log-format", "json"),
    ("plan", "models.yaml", "-vv"),
    ("doctor", "models.yaml", "-vv"),
    ("status", "-vv"),
    ("verify", "-vv"),
    ("state", "doctor"),
    ("state", "show"),
    ("approve", MODEL, "--reason", "seen", "--yes", "-vv"),
)
_A_DAY_AHEAD = """
import sys
from datetime import timedelta
from runner.app import provenance
from runner.cli.main import main
now = provenance.SystemClock.now
provenance.SystemClock.now = lambda clock: now(clock) + timedelta(days={days})
main(sys.argv[1:])
"""

Broken = Iterator[str]


@dataclass(slots=True, kw_only=True)
class Machines:
    """A project of one model whose state is at an address. Each command gets a home of its own, with nothing in it.

    `let_leases_end` lets the clock of the state go on; `store` is the bucket, and empty where the state is elsewhere.
    """

    project: Project
    quick: Preloaded
    address: str
    let_leases_end: Callable[[], None]
    store: S3Server
    trained: int = 1  # how often the model is to be trained and switched until the end
    said: list[str] = field(default_factory=list)
    _homes: Iterator[int] = field(default_factory=itertools.count)

    def environment(self, home: str = "") -> dict[str, str]:
        """Return the variables of a machine, a new one unless it is named."""
        folder = self.project.folder / "home" / (home or f"{next(self._homes)}")
        folder.mkdir(exist_ok=True)
        return {"HOME": str(folder), "RETRAIN_STATE": self.address, **CREDENTIALS, **self.project.environment}

    def retrain(self, *words: str, home: str = "") -> Finished:
        """Run a command to its end."""
        return self._run(words, self.environment(home))

    def run(self, home: str = "") -> Finished:
        """Run `retrain run` to its end."""
        return self.retrain("run", "models.yaml", home=home)

    def run_under(
        self, fault: Callable[[int], FaultOf], words: Sequence[str] = ("run", "models.yaml"), home: str = ""
    ) -> Finished:
        """Run a command while the store misbehaves; `fault` gets the number of the process, which waits for it."""

        def meet(process: int) -> None:
            self.store.fault = fault(process)

        try:
            return self.watched(meet, words, home)
        finally:
            self.store.fault = no_fault

    def watched(
        self, meet: Callable[[int], None], words: Sequence[str], home: str = "", **environment: str
    ) -> Finished:
        """Run a command that waits until `meet` has been told the number of its process."""
        variables = {**self.environment(home), **environment}
        return self._run(words, variables, held="main", meet=meet)

    def start(self, *words: str, days: int = 0) -> subprocess.Popen[bytes]:
        """Start a command beside others, on a machine whose clock is so many days ahead."""
        program = ["-c", _A_DAY_AHEAD.format(days=days)] if days else ["-m", "runner"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.environment()}
        return subprocess.Popen(
            [sys.executable, *program, *words],
            cwd=self.project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ended(self, process: subprocess.Popen[bytes]) -> Finished:
        """Wait for a command."""
        return self._heard(finish(process))

    def settled(self, home: str = "") -> Broken:
        """Run on fresh machines, or on one, until all is done, and yield every promise that is broken then."""
        ended = self.run(home)
        for _ in range(_RUNS - 1):
            if ended.code == 0:
                break
            self.let_leases_end()
            ended = self.run(home)
        if ended.code != 0:
            yield f"not settled after {_RUNS} runs: exit {ended.code}: {ended.err[-300:]}"
        yield from promise.effects(self.project, trainings=self.trained, switches=self.trained)
        yield from self.verified()

    def spend_a_night(self, home: str = "") -> None:
        """Run to the end on one machine, and let the data change after that."""
        ended = self.run(home)
        assert ended.code == 0, ended.err
        self.project.write_data(MODEL, rows(seed=self.trained))
        self.trained += 1

    def verified(self) -> Broken:
        """Yield what another machine finds wrong, and any byte of a credential."""
        checked = self.retrain("verify")
        if checked.code != 0:
            yield f"verify ended with {checked.code}: {checked.out[-300:]} {checked.err[-300:]}"
        yield from self.leaks()

    def leaks(self) -> Broken:
        """Yield each credential that is in the bucket, on a disk, or was said."""
        places = {f"object {name}": stored.content for name, stored in self.store.objects.items()}
        places |= {"what commands said": "\n".join(self.said).encode()}
        places |= written_below(self.project.folder)
        yield from (f"a credential leaked: {leak}" for leak in Scanner(CREDENTIALS).leaks(places))

    def _run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        held: str = "",
        meet: Callable[[int], None] = lambda _: None,
    ) -> Finished:
        variables = {"PATH": os.environ["PATH"], **environment}
        return self._heard(
            judged(self.quick.run(words, folder=self.project.folder, environment=variables, held=held, meet=meet))
        )

    def _heard(self, ended: Finished) -> Finished:
        self.said += [ended.out, ended.err]
        return ended


@contextmanager
def machines(quick: Preloaded | None = None) -> Iterator[Machines]:
    """Give such machines, with a state that was begun."""
    with promise.project() as project, S3Server().serving() as store:
        lineage = b"%032x" % random.getrandbits(128)
        store.objects["prod/format.json"] = StoredObject(_FORMAT % lineage, datetime.now(UTC))

        def let_leases_end() -> None:
            store.skew += _OLD

        with nullcontext(quick) if quick else preloaded() as forks:
            yield Machines(
                project=project,
                quick=forks,
                address=store.address("prod", f"&lease={LEASE_S}s"),
                let_leases_end=let_leases_end,
                store=store,
            )


def requests_of_a_run(quick: Preloaded, *, nights: int = 0) -> int:
    """Return how many requests to its store an undisturbed run makes after some whole nights."""
    with machines(quick) as scene:
        for _ in range(nights):
            scene.spend_a_night()
        before = len(scene.store.requests)
        ended = scene.run()
        assert ended.code == 0, ended.err
        return len(scene.store.requests) - before


def killed_at(quick: Preloaded, number: int, fault: Fault, *, nights: int = 0, home: str = "") -> Broken:
    """Kill a run at its request of that number, which has its effect or not, after some whole nights.

    All runs are on the machine `home`, which keeps a copy of the journal; without it on a new one each.
    """
    with machines(quick) as scene:
        for _ in range(nights):
            scene.spend_a_night(home)
        after = len(scene.store.requests)
        ended = scene.run_under(partial(_kill, number=after + number, fault=fault), home=home)
        if ended.code not in (-signal.SIGKILL, 0):
            yield f"the run ended by itself with {ended.code}: {ended.err[-300:]}"
        scene.let_leases_end()
        yield from scene.settled(home)


def approval_killed(quick: Preloaded, number: int, fault: Fault) -> Broken:
    """Kill an approval at its request of that number, and approve again: it is switched once."""
    with machines(quick) as scene:
        scene.project.manifest["policies"][MODEL] = {"type": "manual"}
        scene.project.save()
        scene.run()
        words, after = ("approve", MODEL, "--reason", "seen", "--yes"), len(scene.store.requests)
        scene.run_under(partial(_kill, number=after + number, fault=fault), words)
        for _ in range(_RUNS):
            scene.let_leases_end()
            ended = scene.retrain(*words)
            if scene.project.service.switches(MODEL) and ended.code in (0, 2):
                break
        yield from scene.settled()


def push_killed(quick: Preloaded, number: int, fault: Fault) -> Broken:
    """Kill a push at its request of that number, and push again: what was trained on the copy is known."""
    with machines(quick) as scene:
        scene.spend_a_night()
        copy = str(scene.project.folder / "copy")
        pulled = scene.retrain("state", "pull", scene.address, copy)
        assert pulled.code == 0, pulled.err
        (scene.project.folder / "copy" / "copy-of").unlink()
        ran = scene.retrain("run", "--state", copy, "models.yaml")
        assert ran.code == 0, ran.err
        words, after = ("state", "push", copy, scene.address), len(scene.store.requests)
        scene.run_under(partial(_kill, number=after + number, fault=fault), words)
        scene.let_leases_end()
        pushed = scene.retrain(*words)
        if pushed.code != 0:
            yield f"the push did not continue: {pushed.code} {pushed.err[-300:]}"
        yield from scene.settled()


def slept_within_an_upload() -> Broken:
    """Stop a run within its upload for longer than its lease: it does not end the upload, though its URL is valid."""
    with machines() as scene:
        scene.project.add(MODEL, train=LARGE).url_seconds = 2 * LEASE_S
        first = scene.start("run", "models.yaml")
        stop_at_head(scene.project, first)
        time.sleep(LEASE_S + 3.0)
        first.send_signal(signal.SIGCONT)
        scene.ended(first)
        yield from promise.effects(scene.project, trainings=0, switches=0)
        scene.let_leases_end()
        yield from scene.settled()


def killed_often(quick: Preloaded, seed: int) -> Broken:
    """Kill up to four runs one after another, each at a moment or a request that is drawn."""
    rng = random.Random(seed)  # noqa: S311 -- moments that repeat
    with machines(quick) as scene:
        for _ in range(rng.randint(1, 4)):
            late, after = rng.uniform(0, 1.2), len(scene.store.requests) + rng.randint(1, 50)
            fault: Fault = rng.choice(("unsent", "lost"))
            over = threading.Event()
            at_request = partial(_kill, number=after, fault=fault)
            scene.run_under(at_request if rng.random() < 0.5 else partial(_kill_later, seconds=late, over=over))
            over.set()
            scene.let_leases_end()
        yield from scene.settled()


def arriving_late(quick: Preloaded, commit: int) -> Broken:
    """Kill a run while a commit is on its way, which arrives when the next run writes its own first one."""
    with machines(quick) as scene:
        appends, next_run = itertools.count(1), threading.Event()

        def fault(process: int) -> FaultOf:
            def delayed(method: str, key: str, _number: int) -> Fault | None:
                if method == "PUT" and "/journal/" in key and next(appends) == commit:
                    end(process)
                    next_run.wait(20)
                return None

            return delayed

        def arrived(method: str, key: str, _number: int) -> Fault | None:
            if method == "PUT" and "/journal/" in key and not next_run.is_set():
                before = len(scene.store.objects)
                next_run.set()
                wait_until(lambda: len(scene.store.objects) > before, what="the late commit")
            return None

        ended = scene.run_under(fault)
        if ended.code != -signal.SIGKILL:
            return
        scene.let_leases_end()
        met = scene.run_under(lambda _process: arrived)
        if met.code != 7:
            yield f"the run that met a late commit ended with {met.code}: {met.err[-300:]}"
        scene.let_leases_end()
        yield from scene.settled()


def misbehaved(quick: Preloaded, number: int, fault: Fault, *, lasting: bool = False) -> Broken:
    """Let the store misbehave at one request, or from it on, and be right again for the next machines."""
    with machines(quick) as scene:
        ended = scene.run_under(
            lambda _process: lambda _method, _key, now: fault if now == number or (lasting and now > number) else None
        )
        yield from promise.sentence(ended)
        yield from promise.documented_code(ended)
        scene.let_leases_end()
        yield from scene.settled()


def answers_lost(quick: Preloaded, first: int) -> Broken:
    """Lose every third answer to all runs."""
    with machines(quick) as scene:
        for _ in range(3):
            ended = scene.run_under(
                lambda _process: lambda _method, _key, number: "lost" if number % 3 == first else None
            )
            if ended.code != 0:
                yield f"a run ended with {ended.code}: {ended.err[-300:]}"
        yield from scene.settled()


def shortened(quick: Preloaded, cut: int, *, knows: bool) -> Broken:
    """Remove the last commits of a journal; a machine that knows it is told, and nothing is trained again."""
    with machines(quick) as scene:
        scene.run("first")
        for name in scene.store.names("prod/p/0000/journal/")[-cut:]:
            del scene.store.objects[name]
        ended = scene.run("first" if knows else "")
        yield from promise.sentence(ended)
        if knows and ended.code != 7:
            yield f"the journal lost its end, and the run ended with {ended.code}: {ended.out[-300:]}"
        yield from promise.effects(scene.project)


def replaced(quick: Preloaded) -> Broken:
    """Put another state under the address; a machine that knows the first is told."""
    with machines(quick) as scene:
        scene.run("first")
        lineage = _FORMAT % (b"0" * 32)
        scene.store.objects = {"prod/format.json": StoredObject(lineage, datetime.now(UTC))}
        ended = scene.run("first")
        yield from promise.sentence(ended)
        if ended.code != 7:
            yield f"another state was there, and the run ended with {ended.code}: {ended.out[-300:]}"
        yield from promise.effects(scene.project)


def dishonest(quick: Preloaded) -> Broken:
    """Let a store overwrite what is to be created only: it gets no state, and no run uses it."""
    with machines(quick) as scene:
        scene.store.overwrites = True
        for words in (("run", "models.yaml"), ("state", "init", scene.store.address("other"))):
            ended = scene.retrain(*words)
            yield from promise.sentence(ended)
            if ended.code != 7:
                yield f"a store that overwrites was used by {words}: {ended.code}"
        if scene.store.names("other"):
            yield f"left at the refused place: {scene.store.names('other')}"
        yield from promise.effects(scene.project, trainings=0, switches=0)


def _moving(scene: Machines, source: str) -> Sequence[str]:
    return ("state", "migrate", source, scene.store.address("moved", f"&lease={LEASE_S}s"))


def requests_of_a_migration(quick: Preloaded, *, from_folder: bool) -> int:
    """Return how many requests a migration makes that nothing disturbs."""
    with machines(quick) as scene:
        source = _trained(scene, from_folder=from_folder)
        before = len(scene.store.requests)
        ended = scene.retrain(*_moving(scene, source))
        assert ended.code == 0, ended.err
        return len(scene.store.requests) - before


def migration_killed(quick: Preloaded, number: int, fault: Fault, *, from_folder: bool) -> Broken:
    """Kill a migration at a request: one place at most can be written, and it continues when it is run again."""
    with machines(quick) as scene:
        source = _trained(scene, from_folder=from_folder)
        words, after = _moving(scene, source), len(scene.store.requests)
        target = words[-1]
        scene.run_under(lambda process: _kill(process, after + number, fault), words)
        scene.let_leases_end()
        codes = [scene.retrain("run", "--state", place, "models.yaml").code for place in (source, target)]
        if codes not in ([0, 7], [7, 0], [7, 7]):
            yield f"runs at both places ended with {codes}"
        scene.let_leases_end()
        again = scene.retrain(*words)
        if again.code != 0:
            yield f"the migration did not continue: {again.code} {again.err[-300:]}"
        codes = [scene.retrain("run", "--state", place, "models.yaml").code for place in (source, target)]
        if codes != [7, 0]:
            yield f"after the migration runs at both places ended with {codes}"
        yield from promise.effects(scene.project)
        checked = scene.retrain("verify", "--state", target)
        if checked.code != 0:
            yield f"verify ended with {checked.code}: {checked.out[-300:]}"
        yield from scene.leaks()


def two_migrations(*, one_source: bool) -> Broken:
    """Move one state twice at once, or two states to one place: one of them is there, and the other is as it was."""
    with machines() as scene:
        sources = [f"{scene.project.state}", f"{scene.project.state}{'' if one_source else '-b'}"]
        for source in dict.fromkeys(sources):
            scene.retrain("run", "--state", source, "models.yaml")
        trained = len(scene.project.service.accepted(MODEL))
        target = scene.store.address("moved")
        processes = [scene.start("state", "migrate", source, target) for source in sources]
        codes = [scene.ended(process).code for process in processes]
        if 0 not in codes or set(codes) - {0, 6, 7} or (not one_source and codes.count(0) != 1):
            yield f"migrations ended with {codes}"
        for source, code in zip(sources, codes, strict=True):
            now = scene.retrain("run", "--state", source, "models.yaml").code
            if now != (7 if one_source or code == 0 else 0):
                yield f"a run at a source whose migration ended with {code} ended with {now}"
        if (now := scene.retrain("run", "--state", target, "models.yaml").code) != 0:
            yield f"a run at the target ended with {now}"
        yield from promise.effects(scene.project, trainings=trained, switches=trained)


def tempted(quick: Preloaded, fault: Fault) -> Broken:
    """Let a store fail every request and repeat what it was sent, while commands say all they can."""
    with machines(quick) as scene:
        scene.spend_a_night("first")
        scene.store.repeats = True
        for words in _COMMANDS:
            for home in ("first", ""):
                for allowed in (0, 3):
                    scene.store.fault = _after(len(scene.store.requests) + allowed, fault)
                    scene.retrain(*words, home=home)
        scene.store.fault = no_fault
        yield from scene.leaks()


def _trained(scene: Machines, *, from_folder: bool) -> str:
    """Return a state in which the model was trained."""
    place = str(scene.project.state) if from_folder else scene.address
    ended = scene.retrain("run", "--state", place, "models.yaml")
    assert ended.code == 0, ended.err
    return place


def at_once(runs: int, *, days: int = 0) -> Broken:
    """Start runs at once, the last one on a machine whose clock is wrong."""
    with machines() as scene:
        processes = [scene.start("run", "models.yaml") for _ in range(runs - 1)]
        processes.append(scene.start("run", "models.yaml", days=days))
        ended = [scene.ended(process) for process in processes]
        if {done.code for done in ended} - {0, 1 if days else 0, 6, 7}:
            yield f"exit codes {[(done.code, done.err[-200:]) for done in ended]}"
        scene.let_leases_end()
        yield from scene.settled()


def wrong_clock(days: int) -> Broken:
    """Let a machine whose clock is wrong by days meet a run that is on, and then its lost lease."""
    with machines() as scene:
        model = scene.project.service.models[MODEL]
        model.training = True
        first = scene.start("run", "models.yaml")
        wait_for_training(scene.project, MODEL)
        met = scene.ended(scene.start("run", "models.yaml", days=days))
        if met.code != 6:
            yield f"beside a living run the machine with a wrong clock ended with {met.code}: {met.err[-300:]}"
        first.kill()
        first.communicate()
        scene.let_leases_end()
        model.training = False
        scene.ended(scene.start("run", "models.yaml", days=days))
        yield from scene.settled()


def slept(call: str, moment: Moment) -> Broken:
    """Stop a run at a call for longer than its lease, let another take over, and wake it: it does nothing more."""
    with machines() as scene:
        first, stopped = scene.start("run", "models.yaml"), threading.Event()

        def watch(seen: Call, now: Moment) -> None:
            if (seen.name, now) == (call, moment) and not stopped.is_set():
                first.send_signal(signal.SIGSTOP)
                stopped.set()

        scene.project.service.watch = watch
        if not stopped.wait(30):
            first.kill()
            yield f"the call {call} never came: {scene.ended(first).err}"
            return
        scene.project.service.watch = lambda _call, _moment: None
        time.sleep(LEASE_S + 3.0)
        taken = scene.run()
        first.send_signal(signal.SIGCONT)
        woken = scene.ended(first)
        if taken.code not in (0, 8):
            yield f"the run that took over ended with {taken.code}: {taken.err[-300:]}"
        if woken.code == 0:
            yield f"the run that lost its lease ended with 0: {woken.out[-300:]}"
        scene.let_leases_end()
        yield from scene.settled()


def _after(number: int, fault: Fault) -> FaultOf:
    return lambda _method, _key, now: fault if now > number else None


def _kill(process: int, number: int, fault: Fault) -> FaultOf:
    def at(_method: str, _key: str, now: int) -> Fault | None:
        if now != number:
            return None
        end(process)
        return fault

    return at


def _kill_later(process: int, seconds: float, over: threading.Event) -> FaultOf:
    def wait() -> None:
        if not over.wait(seconds):
            end(process)

    threading.Thread(target=wait, daemon=True).start()
    return no_fault


def end(process: int) -> None:
    """End a run, unless it has ended."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
