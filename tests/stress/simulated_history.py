"""A history: one seed makes a service, models, runs and everything that goes wrong, and says which promises broke."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runner.errors import StateError
from runner.journal.events import ModelFinished, ReportWritten, RunFinished, RunStarted
from runner.journal.progress import Progress
from runner.journal.retrain_job import JobStage
from runner.manifest.model import Manifest, NameChange, Place
from runner.plan.eligibility import blocked_data
from runner.plan.model_plan import Choice
from tests.fakes.run_ids import run_id as numbered_run
from tests.fakes.world import REALM, CrashError
from tests.stress.simulated_draws import LONGEST_TRAINING_S, MACHINES, MOST_OFF_S, URL_LIFETIMES, Draws
from tests.stress.simulated_inputs import POLICIES, VERSIONS, SimulatedInputs
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_judge import Evidence, settled, violations
from tests.stress.simulated_person import Person
from tests.stress.simulated_runner import SimulatedRun, Trouble
from tests.stress.simulated_service import SimulatedService
from tests.stress.simulated_time import ShownClock, Timeline

RENAMED, SWAPPED = 0.08, 0.1  # share of the models that get another name between two runs, of the pairs swapped
NOWHERE = Place(file="models.yaml", line=1, column=1)
BY_HAND = 0.25  # share of the models that somebody publishes another model for, between two runs
ON_DISK_EVERY = 20  # every so-manyeth history keeps its journal in the real store
LOSING_EVERY = 10  # every so-manyeth history loses its state at the end, and continues
TURNING_EVERY = 6  # every so-manyeth history is longer, and a person turns back from jobs that serve
RECOVERY_RUNS = 16
_OF_IDLE_RUNS = (RunStarted, ModelFinished, RunFinished, ReportWritten)  # a run that judged again has not come to rest
LONGEST_S = 90 * 86400.0  # no history takes longer in virtual time


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a history came to."""

    seed: int
    realistic: bool
    violations: tuple[str, ...]
    outcomes: Counter[str]
    troubles: Counter[str]
    effects: int


class History:
    """Plays one seed from beginning to end."""

    def __init__(self, seed: int, inputs: SimulatedInputs, folder: Path) -> None:
        self.seed = seed
        self.draws = Draws(seed)
        self.rng, self.quarantine = self.draws.rng, self.draws.quarantine
        self.inputs = inputs
        self.time = Timeline()
        self.ledger = Ledger(folder, on_disk=seed % ON_DISK_EVERY == 0)
        self.service = SimulatedService(
            time=self.time,
            clock=self.draws.clock(self.time),
            rng=self.rng,
            traits=self.draws.traits,
            durable=lambda: len(self.ledger.links),
        )
        self.machines = self.draws.machines(self.time)
        self.turning = seed % TURNING_EVERY == 0
        names = "abc"[: self.rng.choice((1, 1, 1, 2, 3))]
        self.models: dict[str, dict[str, Any]] = {name: self.draws.settings() for name in names}
        self.called = {name: name for name in names}
        self.moved: list[NameChange] = []
        self.service.publish_first([f"key-{name}" for name in names])
        self.runs: list[SimulatedRun] = []
        self.manifests: dict[str, Manifest] = {}
        self.forced: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.found: list[str] = []
        self.person = Person(
            rng=self.rng,
            clock=self.machines[0],
            ledger=self.ledger,
            service=self.service,
            manifest=self._manifest,
            manifests=self.manifests,
        )

    def play(self) -> Told:
        """Let everything happen, then heal the service and let runs settle it; judge before and after."""
        try:
            for _ in range(self.rng.choice((4, 5, 6) if self.turning else (1, 2, 2, 3))):
                self._change_world()
                self._invoke_with_trouble()
                self.time.wait(self.rng.choice((0.0, 5.0, 600.0, 86400.0)))
            self._judge("before recovery")
            self._recover()
            self.time.wait(2 * self.quarantine)
            self._judge("after recovery")
            if self.seed % LOSING_EVERY == 0:
                self._lose_state()
                self.service.healed = False
                self._change_world()
                self._invoke_with_trouble()
                self._recover()
                self.time.wait(2 * self.quarantine)
                self._judge("after the state was lost")
        except (AssertionError, StateError) as error:  # a journal that cannot be read too
            self.found.append(f"I6: {type(error).__name__}: {error}")
        if self.time.seconds > LONGEST_S:
            self.found.append(f"I6: the history took {self.time.seconds:.0f} s of virtual time")
        return Told(
            seed=self.seed,
            realistic=self.draws.realistic,
            violations=tuple(dict.fromkeys(self.found)),
            outcomes=self.outcomes,
            troubles=self.troubles
            + Counter(
                {
                    "resolved": self.person.resolved,
                    "rolled back": self.person.rolled_back,
                    "published by hand": self.service.published_by_hand,
                }
            ),
            effects=len(self.service.log),
        )

    def _lose_state(self) -> None:
        """Continue without a journal: nobody knows what serves, and what was asked of the service is not judged."""
        self.troubles["lost states"] += 1
        self.service.forget_log()
        self.forced.clear()
        self.ledger.lose()

    def _change_world(self) -> None:
        """Between runs: new data, another policy, a person's word, a clock that was set."""
        rng = self.rng
        for settings in self.models.values():
            if rng.random() < (0.6 if self.turning else 0.25):
                settings["version"] = rng.randint(1, VERSIONS)
            if rng.random() < 0.15:
                settings["policy"] = rng.choice(POLICIES)
        if rng.random() < 0.6:
            self.person.review(self._progress())
        if self.turning and rng.random() < 0.8:
            self.person.roll_back(self._progress())
        if rng.random() < 0.1:
            self._jump()
        self._publish_by_hand()
        self._rename()

    def _rename(self) -> None:
        """Give a model another name in the manifest, or swap two, and say so under `moved`."""
        pair = sorted(self.called)[:2]
        if not self.moved and len(pair) == 2 and self.rng.random() < SWAPPED:
            self._move({pair[0]: pair[1], pair[1]: pair[0]})
        for name, now in self.called.items():
            if now.startswith(name) and self.rng.random() < RENAMED:
                self._move({name: f"{now}x"})

    def _move(self, names: Mapping[str, str]) -> None:
        self.troubles["renames"] += len(names)
        self.moved += [NameChange(old=self.called[name], new=new, place=NOWHERE) for name, new in names.items()]
        self.called = {**self.called, **names}

    def _publish_by_hand(self) -> None:
        """Let somebody publish a model in the product, at once or while the next run is under way.

        What is `unknown` for that is so rightly; realistic histories, where the share of it is measured, go without.
        """
        if self.draws.realistic:
            return
        for name in self.models:
            if self.rng.random() < BY_HAND:
                publish = partial(self.service.publish_by_hand, f"key-{name}")
                self.time.after(self.rng.choice((0.0, 30.0, 600.0)), publish)

    def _jump(self) -> None:
        """Set the wall clock of one of the machines."""
        self.troubles["clock jumps"] += 1
        self.rng.choice(self.machines).ahead = self.draws.jump()

    def _invoke_with_trouble(self) -> None:
        rng = self.rng
        options = Choice(force=rng.random() < 0.06, no_switch=rng.random() < 0.06)
        self._spawn(options, self.draws.ambush() if self.draws.ambushed else self._trouble())
        if self.draws.overlapping:
            for _ in range(rng.choice((1, 1, 2))):
                self.troubles["stolen locks"] += 1
                again = partial(self._spawn, Choice(), Trouble() if self.draws.ambushed else self._trouble())
                self.time.after(rng.expovariate(1 / rng.choice((2.0, 30.0, 300.0))), again)
        self._join()

    def _trouble(self) -> Trouble:
        drawn = self.draws.trouble(self._jump)
        self.troubles["suspensions"] += drawn.suspend_at is not None
        self.troubles["signals"] += drawn.stop_after_s is not None
        return drawn

    def _manifest(self) -> Manifest:
        return self.inputs.manifest(
            self.quarantine, URL_LIFETIMES[-1], self.models, called=self.called, moved=self.moved
        )

    def _spawn(self, options: Choice, trouble: Trouble) -> None:
        run_id = numbered_run(len(self.runs) + 1)
        self.manifests[run_id] = self._manifest()
        run = SimulatedRun(
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
        )
        if options.force:
            self.forced.update(list(self.models))
        self.runs.append(run)
        run.start()

    def _machine(self) -> ShownClock:
        """Return the clock of the machine that runs next; in an ambush the two take turns."""
        return self.machines[len(self.runs) % MACHINES] if self.draws.ambushed else self.rng.choice(self.machines)

    def _join(self) -> None:
        """Wait until every run has ended and nothing is late any more."""
        begun = len(self.runs)
        self.time.wait(0)
        while any(run.process is None or not run.process.ended for run in self.runs):
            self.time.wait(None, on_mail=True)
        if self.draws.overlapping:
            self.time.wait(3 * self.quarantine)
            if len(self.runs) > begun:
                self._join()
        self._take_in()

    def _take_in(self) -> None:
        """Look at how the runs ended."""
        for run in self.runs:
            if run.process is None:
                continue
            error, run.process.error = run.process.error, None
            if isinstance(error, CrashError):
                self.troubles["crashes"] += 1
            elif error is not None:
                self.found.append(f"I4: {run.run_id} ended with {type(error).__name__}: {error}")
            if run.fenced is not None:
                self._note_fence(run)
            self.found += [f"I4: a bug of ours in {run.run_id}: {bug!r}" for bug in run.internal_errors]
            self.outcomes.update(end.outcome for end in run.ends.values())
            run.fenced, run.internal_errors, run.ends = None, [], {}

    def _note_fence(self, run: SimulatedRun) -> None:
        self.troubles["fenced"] += 1
        if not self.draws.overlapping:
            self.found.append(f"I4: {run.run_id} was alone and met a journal that it did not write: {run.fenced}")

    def _progress(self) -> Progress:
        store = self.ledger.open()
        try:
            return Progress(store.read())
        finally:
            store.close()

    def _recover(self) -> None:
        """Heal the service, set the clocks, run until nothing is in flight; a person tells what the service cannot."""
        self.service.healed = True
        for clock in self.machines:
            clock.ahead = self.draws.near()
        for number in range(RECOVERY_RUNS):
            calls, events = self.service.calls, [len(ledger.links) for ledger in self.ledgers]
            self._invoke()
            self._join()
            progress = self._progress()
            new = [link for ledger, old in zip(self.ledgers, events, strict=True) for link in ledger.links[old:]]
            idle = all(isinstance(link.event.fact, _OF_IDLE_RUNS) for link in new)
            if idle and calls == self.service.calls and settled(progress, list(self.called.values())):
                self._look_at_end(progress)
                return
            if number >= 1:
                self._resolve(progress)
            self.time.wait(LONGEST_TRAINING_S)
        self.found.append(f"I4: not settled after {RECOVERY_RUNS} runs without faults: {self._stages()}")

    @property
    def ledgers(self) -> Sequence[Ledger]:
        """Return the journals, one for each partition."""
        return [self.ledger]

    def _invoke(self) -> None:
        """Start what settles everything, without trouble."""
        self._spawn(Choice(), Trouble())

    def _resolve(self, progress: Progress) -> None:
        """Let a person tell what the service cannot."""
        self.found += self.person.resolve(progress)

    def _stages(self) -> dict[str, str]:
        progress = self._progress()
        lasts = {name: progress.model(REALM, name).last for name in self.called.values()}
        return {name: last.stage.value for name, last in lasts.items() if last is not None}

    def _look_at_end(self, progress: Progress) -> None:
        """I4: a model that may continue by itself has gone on; its newest data is trained and decided."""
        manifest = self._manifest()
        for name, model in manifest.models.items():
            last, digest = progress.model(REALM, name).last, self.inputs.digest(manifest.datasets[model.dataset])
            wanted = getattr(digest, "sha256", None)
            at = progress.model(REALM, name)
            if (at.incumbent and at.incumbent.dataset_sha256 == wanted) or (wanted and blocked_data(at, wanted)):
                continue  # it serves, or a person turned back from it
            if last is None or last.dataset_sha256 != wanted:
                end = progress.model(REALM, name).last_outcome
                self.found.append(f"I4: {name} rests and its data was never trained: {end and end.reason}")
            elif last.stage not in (JobStage.JUDGED, JobStage.SWITCHED, JobStage.FAILED):
                self.found.append(f"I4: {name} rests and its job {last.retrain_job_id} is {last.stage}")
            elif last.rests_with == "switch" and last.review is None:
                self.found.append(f"I4: {name} rests and its switch is due")

    def _judge(self, when: str) -> None:
        attempts = {name: settings["retrain"].attempts for name, settings in self.models.items()}
        evidence = Evidence(
            ledger=self.ledger,
            service=self.service,
            forced=self.forced,
            attempts=attempts,
            manifests=self.manifests,
            askers={run.run_id: run.process for run in self.runs},
            quarantine=self.quarantine,
            apart=2 * MOST_OFF_S,
            jumped=self.troubles["clock jumps"] > 0,
        )
        self.found += [f"{text} ({when})" for text in violations(evidence)]


def play(seed: int, inputs: SimulatedInputs, kind: type[History] = History) -> Told:
    """Play one seed in a folder of its own beside the inputs."""
    folder = Path(tempfile.mkdtemp(dir=inputs.folder))
    try:
        return kind(seed, inputs, folder).play()
    finally:
        shutil.rmtree(folder)
