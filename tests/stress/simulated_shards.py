"""Histories of several machines on one state with partitions: how many there are changes from night to night."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

from runner.app.planning.shards import Shard
from runner.journal import object_lease
from runner.journal.partitions import home_by_name
from runner.journal.progress import Progress, merged
from runner.manifest.model import Manifest
from runner.plan.model_plan import Choice
from tests.fakes.run_ids import run_id as numbered_run
from tests.fakes.world import REALM
from tests.stress.simulated_draws import MOST_OFF_S
from tests.stress.simulated_fleet import LIFE, PARTITIONS, Fleet, ShardedRun
from tests.stress.simulated_history import RENAMED, History, Told
from tests.stress.simulated_inputs import POLICIES, VERSIONS, SimulatedInputs
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_judge import Evidence, violations
from tests.stress.simulated_runner import SimulatedRun, Trouble
from tests.stress.simulated_service import SimulatedService

ABSENT = 0.15  # share of the models that a night's manifest does not have
LATE_S = (1.0, 30.0, 400.0, 400.0)  # within which the late commits of a history land; the last is longer than a lease
_APART = 100_000  # between the numbers of the commands of a person in two partitions


class ShardedHistory(History):
    """Plays one seed of a fleet from beginning to end."""

    def __init__(self, seed: int, inputs: SimulatedInputs, folder: Path) -> None:
        super().__init__(seed, inputs, folder)
        names = "abcdef"[: self.rng.choice((4, 5, 6))]
        self.models = {name: self.draws.settings() for name in names}
        self.called = {name: name for name in names}
        self.absent: set[str] = set()
        self.late_s = self.rng.choice(LATE_S)
        self.service.publish_first([f"key-{name}" for name in names])
        self.fleet = Fleet(folder, self.time)
        self.service.durable = self.fleet.durable
        self.persons = [
            replace(self.person, ledger=ledger, first=self.person.first + number * _APART)
            for number, ledger in enumerate(self.fleet.ledgers)
        ]
        self.begun = {name: home_by_name(name, PARTITIONS) for name in names}

    @property
    def ledgers(self) -> Sequence[Ledger]:
        return self.fleet.ledgers

    def play(self) -> Told:
        with self._true_time():
            return super().play()

    @contextmanager
    def _true_time(self) -> Iterator[None]:
        """Let the leases go by the time of the history."""
        with patch.object(object_lease, "seconds", lambda: self.time.seconds):
            yield

    def _lose_state(self) -> None:
        """Keep it."""

    def _manifest(self) -> Manifest:
        models = {name: settings for name, settings in self.models.items() if name not in self.absent}
        return self.inputs.manifest(self.quarantine, 900.0, models, called=self.called, moved=self.moved)

    def _change_world(self) -> None:
        rng = self.rng
        for settings in self.models.values():
            if rng.random() < 0.3:
                settings["version"] = rng.randint(1, VERSIONS)
            if rng.random() < 0.1:
                settings["policy"] = rng.choice(POLICIES)
        if rng.random() < 0.6:
            for person, progress in zip(self.persons, self.fleet.progresses(), strict=True):
                person.review(progress)
        if rng.random() < 0.1:
            self._jump()
        self._publish_by_hand()
        self._rename()
        for bucket in self.fleet.buckets:
            if rng.random() < 0.15:
                bucket.away_until = self.time.seconds + rng.choice((5.0, 90.0, 300.0))

    def _rename(self) -> None:
        """Leave models out of the manifest, or give those with a history other names: it stays where it began."""
        first, *others = self.models
        known = self._progress().known(REALM)
        self.absent = {name for name in others if self.rng.random() < ABSENT}
        for name in (first, *others):
            now = known.get(self.called[name])
            if now is not None and now.has_history and self.rng.random() < RENAMED:
                self._move({name: f"{self.called[name]}x"})

    def _invoke_with_trouble(self) -> None:
        """Let machines begin at about the same time, and now and then others, of another number, before they end."""
        rng = self.rng
        options = Choice(force=rng.random() < 0.06, no_switch=rng.random() < 0.06)
        self._invoke_shards(options, self._trouble)
        while rng.random() < 0.4:
            self.time.wait(rng.choice((10.0, 130.0, 500.0)))
            self._invoke_shards(Choice(), self._trouble)
        self.time.wait(60.0)
        self._join()

    def _invoke_shards(self, options: Choice, trouble: Callable[[], Trouble]) -> None:
        of = self.rng.randint(1, PARTITIONS)
        self.troubles["shards"] += of
        for number in range(1, of + 1):
            begin = partial(self._spawn_shard, Shard(number=number, of=of, source=""), options, trouble())
            self.time.after(self.rng.expovariate(1 / 5.0), begin)

    def _invoke(self) -> None:
        self.absent.clear()
        for bucket in self.fleet.buckets:
            bucket.away_until = 0.0
        self.time.wait(2 * LIFE.total_seconds())
        self._invoke_shards(Choice(), Trouble)
        self.time.wait(60.0)

    def _spawn_shard(self, shard: Shard, options: Choice, trouble: Trouble) -> None:
        run_id = numbered_run(len(self.runs) + 1)
        self.manifests[run_id] = self._manifest()
        run = ShardedRun(
            run_id=run_id,
            manifest=self.manifests[run_id],
            options=options,
            trouble=trouble,
            time=self.time,
            clock=self._machine(),
            service=self.service,
            ledger=self.ledger,
            inputs=self.inputs,
            rng=self.rng,
            fleet=self.fleet,
            shard=shard,
            late_s=1.0 if self.service.healed else self.late_s,
        )
        if options.force:
            self.forced.update(name for name, home in self.begun.items() if shard.takes(home))
        self.runs.append(run)
        run.start()

    def _take_in(self) -> None:
        super()._take_in()
        for run in self.runs:
            assert isinstance(run, ShardedRun), "this history has no others"
            self.troubles["held by others"] += run.locked
            run.locked = False
        self.troubles["late commits"] = sum(map(len, self.fleet.late))

    def _note_fence(self, run: SimulatedRun) -> None:
        """A run that holds its leases is refused by a journal only where a commit of a dead run came late."""
        assert isinstance(run, ShardedRun), "this history has no others"
        self.troubles["fenced"] += 1
        late = [at for number in run.held for at in self.fleet.late[number] if at >= run.began_at]
        self.troubles["commits in doubt"] += run.in_doubt
        if not run.lost and not run.in_doubt and not late:
            self.found.append(f"I4: {run.run_id} held its leases and met another writer: {run.fenced}")

    def _progress(self) -> Progress:
        return merged(self.fleet.progresses())

    def _resolve(self, progress: Progress) -> None:  # noqa: ARG002 -- that is of all partitions
        for person, known in zip(self.persons, self.fleet.progresses(), strict=True):
            self.found += person.resolve(known)
        self.person.resolved = sum(person.resolved for person in self.persons)

    def _judge(self, when: str) -> None:
        attempts = {name: settings["retrain"].attempts for name, settings in self.models.items()}
        for number, ledger in enumerate(self.fleet.ledgers):
            evidence = Evidence(
                ledger=ledger,
                service=self._seen_by(number),
                forced=self.forced,
                attempts=attempts,
                manifests=self.manifests,
                askers={run.run_id: run.process for run in self.runs},
                quarantine=self.quarantine,
                apart=2 * MOST_OFF_S,
                jumped=self.troubles["clock jumps"] > 0,
            )
            self.found += [f"{text} (partition {number}, {when})" for text in violations(evidence)]
        self.found += self.fleet.found

    def _seen_by(self, partition: int) -> SimulatedService:
        """Return the service with what it says of the models of one partition, against the end of that journal."""
        keys = {f"key-{name}" for name, home in self.begun.items() if home == partition}
        service = copy.copy(self.service)
        service.log = [
            replace(sent, durable=self.fleet.end_at(sent.durable, partition))
            for sent in self.service.log
            if sent.key in keys
        ]
        service.answers = [
            replace(answer, durable=self.fleet.end_at(answer.durable, partition)) for answer in self.service.answers
        ]
        return service
