"""A state with partitions in virtual time, and runs of shares of it.

Which partition a model is in, the shares, the leases and the coordinator's thread of commits are the real ones. The
store of the leases is away for a while, and a commit may land long after it was sent, also when its run is dead.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace as struct_replace

from runner.app.planning.shards import Shard, budget_of
from runner.app.state.partitions import homes
from runner.errors import StateError
from runner.execute.commands import Pool, Record
from runner.execute.coordinator import Coordinator, Known, Settings
from runner.execute.model_run import ModelRun, Recorder
from runner.execute.workflow import model_workflow
from runner.http.objects.address import ObjectAddress
from runner.http.objects.bucket import Bucket, Item
from runner.journal.chain import Link
from runner.journal.checkpoint import read_progress
from runner.journal.events import ModelsMoved
from runner.journal.folder_store import FolderBlobs
from runner.journal.lock import RENEWALS
from runner.journal.object_lease import ObjectLease
from runner.journal.partitions import part_name
from runner.journal.progress import Progress, merged
from runner.plan.renames import due_moves, with_moves
from tests.fakes.world import REALM, CrashError
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_runner import PointedExecutor, SimulatedRun, TimedMail
from tests.stress.simulated_time import START, Timeline

PARTITIONS = 4
LIFE = timedelta(minutes=2)
LOST = 0.01  # share of the commits without an answer


class StoreAwayError(OSError):
    """The store of the leases does not answer."""


class LeaseBucket(Bucket):
    """Where the leases of a partition are, written by the clock of the store; nobody reaches it while it is away."""

    def __init__(self, time: Timeline) -> None:
        self.address = ObjectAddress(scheme="s3", bucket="simulated", key="")
        self.away_until = 0.0
        self._time = time
        self._objects: dict[str, tuple[bytes, float]] = {}

    def _reach(self) -> None:
        if self._time.seconds < self.away_until:
            raise StoreAwayError

    def create(self, name: str, content: bytes) -> bool:
        self._reach()
        return self._objects.setdefault(name, (content, self._time.seconds))[0] == content

    def put(self, name: str, content: Any) -> None:
        self._reach()
        self._objects[name] = (content, self._time.seconds)

    def get(self, name: str, *, limit: int) -> bytes:
        self._reach()
        return self._objects[name][0][:limit]

    def list(self, folder: str, after: str = "") -> list[Item]:  # noqa: ARG002 -- there are only leases
        self._reach()
        return [
            Item(name=name, size=len(content), modified=START + timedelta(seconds=at))
            for name, (content, at) in sorted(self._objects.items())
        ]

    def delete(self, name: str, *, once: bool = False) -> None:  # noqa: ARG002 -- as inherited
        self._reach()
        self._objects.pop(name, None)


class _Renewals(threading.Thread):
    """Stands for the thread that renews a lease: it rests while its run is suspended, and ends with it."""

    def __init__(self, run: "ShardedRun", renew: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self._run, self._renew = run, renew
        self._begun = self._missed = False

    def start(self) -> None:
        self._begun = True
        self._wait()

    def is_alive(self) -> bool:
        return self._begun

    def join(self, timeout: float | None = None) -> None:
        """It takes no time."""

    def _wait(self) -> None:
        self._run.time.after(LIFE.total_seconds() / RENEWALS, self._due)

    def _due(self) -> None:
        if self._run.asleep:
            self._missed = True
        elif self._run.process is not None and not self._run.process.ended and self._renew():
            self._wait()

    def wake(self) -> None:
        """Do what was due in the meantime."""
        if self._missed:
            self._missed = False
            self._due()


class SimulatedLease(ObjectLease):
    """The real lease; what its thread does is done by `_Renewals`."""

    def __init__(self, bucket: Bucket, run: "ShardedRun") -> None:
        super().__init__(bucket, run.run_id, LIFE)
        self._time = run.time
        self.renewals = _Renewals(run, self._renewed_once)
        self._thread = self.renewals

    def _renewed_once(self) -> bool:
        """Do what `_keep` does each time, and return whether there is a next time."""
        if self._ended.is_set() or self._lost:
            return False
        if self._time.seconds - self._renewed >= LIFE.total_seconds():
            self._lost = True
            return False
        with suppress(OSError):
            self.renew()
        return True


class Fleet:
    """A state with partitions, as the judge sees it."""

    def __init__(self, folder: Path, time: Timeline) -> None:
        self.ledgers = [Ledger(_made(folder / part_name(number)), on_disk=False) for number in range(PARTITIONS)]
        self.buckets = [LeaseBucket(time) for _ in range(PARTITIONS)]
        self.late: list[list[float]] = [[] for _ in range(PARTITIONS)]  # when a commit of a dead run landed
        self.found: list[str] = []
        self._time = time
        self._holds: dict[int, ShardedRun] = {}
        self._ends: list[list[int]] = []

    def durable(self) -> int:
        """Note where the journals end; what is returned leads to it."""
        self._ends.append([len(ledger.links) for ledger in self.ledgers])
        return len(self._ends) - 1

    def end_at(self, noted: int, partition: int) -> int:
        """Return where a journal ended when that was noted."""
        return self._ends[noted][partition]

    def progresses(self) -> list[Progress]:
        """Return what each journal shows."""
        return [Progress(ledger.links) for ledger in self.ledgers]

    def take(self, partition: int, run: "ShardedRun") -> None:
        """Note who holds a partition; nobody else may believe that he does."""
        before = self._holds.get(partition)
        if before is not None and before.still_holds(partition):
            self.found.append(f"I4: {run.run_id} took partition {partition} while {before.run_id} held it")
        self._holds[partition] = run

    def landed(self, partition: int, run: "ShardedRun") -> None:
        """Note that a commit landed, where its run has ended or holds the partition no longer."""
        if run.process is None or run.process.ended or self._holds.get(partition) is not run:
            self.late[partition].append(self._time.seconds)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@dataclass(slots=True, kw_only=True)
class ShardedRun(SimulatedRun):
    """A run of one share.

    `locked` says that another run held one of its partitions, `in_doubt` that a commit was not answered, `lost` that it
    stopped when it held its partitions no longer.
    """

    fleet: Fleet
    shard: Shard
    late_s: float
    held: dict[int, SimulatedLease] = field(default_factory=dict)
    asleep: bool = False
    locked: bool = False
    in_doubt: bool = False
    lost: bool = False

    def sleep(self, seconds: float) -> None:
        """Be suspended, with the thread that renews the leases."""
        self.asleep = True
        self.time.wait(seconds)
        self.asleep = False
        for lease in self.held.values():
            lease.renewals.wake()

    def still_holds(self, partition: int) -> bool:
        """Return whether it works, and believes that it holds the partition."""
        works = self.process is not None and not self.process.ended and not self.asleep
        return works and partition in self.held and self.held[partition].lasts()

    def _whole(self) -> None:
        recorders: dict[int, Recorder] = {}
        try:
            before = self.fleet.progresses()
            found = homes(self.manifest, REALM, before)
            share = [number for number in range(PARTITIONS) if self.shard.takes(number)]
            for number in [number for number in share if number in found.values()] or share[:1]:
                self.point()
                if not self._take(number):
                    self.locked = True
                    return
                recorders[number] = self._recorder(number)
            now = [recorders[number].progress if number in recorders else old for number, old in enumerate(before)]
            if homes(self.manifest, REALM, now) == found:
                self._work(recorders, found, merged(now))
        except StoreAwayError:
            self.locked = True
        except StateError as error:
            self.fenced = error
            self.lost = not all(lease.lasts() for lease in self.held.values())
        except CrashError:
            self.held.clear()  # nobody ends its leases
            raise
        finally:
            self.ended_at = self.time.seconds
            for lease in self.held.values():
                lease.release()

    def _take(self, number: int) -> bool:
        lease = SimulatedLease(self.fleet.buckets[number], self)
        if lease.take() is not None:
            lease.release()
            return False
        self.held[number] = lease
        self.fleet.take(number, self)
        return True

    def _recorder(self, number: int) -> Recorder:
        ledger = self.fleet.ledgers[number]
        store = ledger.open()
        progress = read_progress(store, FolderBlobs(ledger.state.root))
        return Recorder(store=store, progress=progress, clock=self.clock, run_id=self.run_id)

    def _work(self, recorders: Mapping[int, Recorder], found: Mapping[str, int], fleet: Progress) -> None:
        known = fleet.known(REALM)
        due, budget = due_moves(self.manifest, known), budget_of(self.shard, self.manifest.limits)
        contexts, workflows = {}, []
        for recorder in recorders.values():
            self.record_start(recorder)
        for number, recorder in recorders.items():
            progress, ledger = recorder.progress, self.fleet.ledgers[number]
            moves = tuple(move for move in due.moves if move.old in progress.known(REALM))
            if moves:
                self.point()
                recorder.run_fact(ModelsMoved(moves=moves))
                self.point()
            context = self.context(progress, ledger, budget, self.held[number].lasts)
            contexts[number] = struct_replace(context, elsewhere=known)
            for plan in self.plans(progress, [name for name, home in found.items() if home == number]):
                model, moved = self.manifest.models[plan.model], with_moves(plan, due, None)
                run = ModelRun(context=contexts[number], model=model, plan=moved)
                workflows.append((plan.model, model_workflow(run)))
        coordinator = Coordinator(
            executors=dict.fromkeys(Pool, PointedExecutor(self)),
            clock=self.clock,
            commit=_made_by_the_committer,
            committer=LateCommitter(self, recorders, found),
            settings=Settings(parallel=self.manifest.limits.parallel, uploads=self.manifest.limits.uploads),
            mailbox=TimedMail(self.time),
        )
        if self.trouble.stop_after_s is not None:
            self.time.after(self.trouble.stop_after_s, lambda: coordinator.stop("SIGTERM"))
        coordinator.run(workflows)
        for number, recorder in recorders.items():
            self.conclude(recorder, contexts[number], coordinator.stopped)


def _made_by_the_committer(_records: Sequence[tuple[str, Record]]) -> Known:
    raise AssertionError("a commit is made in pieces")


class LateCommitter(Executor):
    """Sends the records of each partition at once; they land, one after the other, and then the answer comes."""

    def __init__(self, run: ShardedRun, recorders: Mapping[int, Recorder], found: Mapping[str, int]) -> None:
        self._run, self._recorders, self._found = run, recorders, found

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002 -- as inherited
        [records] = args
        run, future = self._run, Future[Any]()
        written: list[tuple[Recorder, Any]] = []
        refused: list[StateError] = []
        pieces = {
            number: own
            for number in self._recorders
            if (own := [record for record in records if self._found[record[0]] == number])
        }

        def land(number: int) -> None:
            try:
                written.append((self._recorders[number], self._written(number, pieces[number])))
            except StateError as error:
                refused.append(error)
            if len(written) + len(refused) == len(pieces):
                run.time.after(self._seconds(), answer)

        def answer() -> None:
            if refused:
                future.set_exception(refused[0])
            else:
                future.set_result(known)

        def known() -> None:
            for recorder, links in written:
                recorder.take_in(links)
            run.committed(records)

        run.point()
        for number in pieces:
            run.time.after(self._seconds(), partial(land, number))
        return future

    def _written(self, number: int, records: Sequence[tuple[str, Record]]) -> Sequence[Link]:
        """Write records; raise a StateError where the journal refuses them, or no try was answered."""
        run = self._run
        arrives, answered = self._fate()
        links = self._recorders[number].write(records) if arrives else ()
        if arrives:
            run.fleet.landed(number, run)
        if not answered:
            run.in_doubt = True
            raise StateError("Whether the commit arrived is unknown.", hint="The next run reads it.")
        return links

    def _fate(self) -> tuple[bool, bool]:
        """Return whether a commit arrives, and whether its answer does; after all tries of a run it may not."""
        rng = self._run.rng
        if self._run.service.healed or rng.random() >= LOST:
            return True, True
        return rng.random() < 0.5, False

    def _seconds(self) -> float:
        rng = self._run.rng
        return rng.uniform(0.0, 0.2) if rng.random() < 0.95 else rng.uniform(0.0, self._run.late_s)
