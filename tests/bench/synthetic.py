"""States of any size, made from one real run: its facts again for other models and nights, in the real store."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from runner.app.state.session import session
from runner.journal.chain import Link
from runner.journal.checkpoint import keep_checkpoint, show_checkpoint
from runner.journal.events import (
    CandidateEvaluated,
    DataChecked,
    Draft,
    Fact,
    ReportWritten,
    ResultDownloaded,
    RunFinished,
    RunStarted,
    SwitchIntended,
)
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderBlobs
from runner.journal.model_progress import Intents, ModelProgress, packed_candidates
from runner.journal.progress import Progress
from runner.journal.store import Store, open_store
from runner.lib import canonical_json as canonical
from runner.lib.timestamps import stamp
from runner.plan.approvals import candidate_digest
from runner.plan.eligibility import ASKED_FOR, MOST_CANDIDATES, cut
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import chart
from tests.bench.manifests import keys, write_data, write_many
from tests.bench.measure import cost_of
from tests.bench.services import retrain, slow_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One run of one model: the run's own facts, and the model's with their guards; `result` is its result file."""

    run_id: str
    model: str
    retrain_job_id: str
    started: RunStarted
    finished: RunFinished
    report: ReportWritten
    steps: tuple[tuple[Fact, str | None], ...]
    result: Path


def make_pattern(folder: Path) -> Pattern:
    """Run one model for real and keep what its journal says."""
    folder.mkdir()
    write_data(folder, 1)
    state = StateFolder(folder / "state")
    with slow_service(0, 0) as url:
        cost_of(retrain("run", str(write_many(folder, 1, url=url)), "--state", str(state.root), "-q"), keys(1))
    store = Store(state.journal, writable=False)
    events = [link.event for link in store.read()]
    store.close()
    of_run = [event.fact for event in events if event.model is None]
    (stored,) = (event.fact for event in events if isinstance(event.fact, ResultDownloaded))
    return Pattern(
        run_id=events[0].run_id,
        model=next(event.model for event in events if event.model is not None),
        retrain_job_id=stored.retrain_job_id,
        started=next(fact for fact in of_run if isinstance(fact, RunStarted)),
        finished=next(fact for fact in of_run if isinstance(fact, RunFinished)),
        report=next(fact for fact in of_run if isinstance(fact, ReportWritten)),
        steps=tuple((event.fact, event.guard) for event in events if event.model is not None),
        result=state.root / stored.path,
    )


def write_history(state: Path, pattern: Pattern, *, models: int, runs: int) -> int:
    """Write a journal in which so many models were retrained on new data every night; return its number of events."""
    folder = StateFolder(state)
    store = open_store(folder)
    list(store.read())
    begin = datetime.now(UTC) - timedelta(days=runs)
    nights = [
        _Writer(store=store, pattern=pattern, night=night, at=begin + timedelta(days=night)) for night in range(runs)
    ]
    for writer in nights[:-1]:
        writer.run(models)
        writer.write([(None, pattern.report, None)])
    nights[-1].run(models)
    _end_with_checkpoint(nights[-1], folder, lambda progress: progress)
    events = store.head[0]
    store.close()
    return events


def write_year(state: Path, pattern: Pattern, data: Path, *, models: int, nights: int) -> int:
    """Write a journal of one night, and the checkpoint that so many such nights leave; return the journal's events.

    The data is as the last night left it.
    """
    folder = StateFolder(state)
    store = open_store(folder)
    list(store.read())

    writer = _Writer(store=store, pattern=pattern, night=0, at=datetime.now(UTC), data=data)
    writer.run(models)

    def grown(progress: Progress) -> Progress:
        places = enumerate(progress.models.items())
        progress.models = {place: _grown(model, number, nights) for number, (place, model) in places}
        return progress

    _end_with_checkpoint(writer, folder, grown)
    events = store.head[0]
    store.close()
    return events


def _end_with_checkpoint(writer: "_Writer", folder: StateFolder, grown: Callable[[Progress], Progress]) -> None:
    """Record the files of the last run, with the checkpoint that it leaves."""
    blobs, limits = FolderBlobs(folder.root), PolicyLimits()
    progress = cut(Progress(writer.store.read()), lambda model, job: chart(model, job, limits))
    mark = keep_checkpoint(blobs, grown(progress))
    sha256 = mark.sha256 if mark else None
    writer.write([(None, msgspec.structs.replace(writer.pattern.report, checkpoint=sha256), None)])
    show_checkpoint(blobs, mark)


def _grown(model: ModelProgress, number: int, nights: int) -> ModelProgress:
    """Return what so many nights leave of a model: jobs as its one, their digests, and the candidates of a chart."""
    (name, job), *_ = model.jobs.items()
    jobs = {f"earlier-{night}": job for night in range(ASKED_FOR - 1)}
    jobs = {known: msgspec.structs.replace(job, retrain_job_id=known) for known in jobs} | {name: job}
    drawn = chart(model, job, PolicyLimits())
    contents = sorted(bytes.fromhex(_any_data(number, night)[:16]) for night in range(nights))
    return msgspec.structs.replace(
        model,
        recent=jobs,
        intents=Intents(earlier=b"".join(contents)),
        candidates=packed_candidates([drawn] * MOST_CANDIDATES),
        older_candidates=nights - MOST_CANDIDATES,
    )


def write_run(state: Path, pattern: Pattern, data: Path, *, models: int) -> int:
    """Write the state after one run of so many models, with its result files, and return the journal's events.

    The report is rendered by the runner.
    """
    folder = StateFolder(state)
    store = open_store(folder)
    list(store.read())

    _Writer(store=store, pattern=pattern, night=0, at=datetime.now(UTC), data=data).run(models)
    for link in store.read():
        if isinstance(link.event.fact, ResultDownloaded):
            path = state / link.event.fact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pattern.result, path)
    events = store.head[0]
    store.close()
    with session(str(state), lock_timeout=timedelta(0)):
        return events  # to open it is enough: a run without a report gets one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Writes one night's run. A switch names the event of its decision, so what follows a decision is written after."""

    store: Store
    pattern: Pattern
    night: int
    at: datetime
    data: Path | None = None  # the folder with the files of now; without it every night has other data

    @property
    def run_id(self) -> str:
        return f"{self.at:%Y%m%dT%H%M%SZ}-{self.night:06x}"

    def run(self, models: int) -> None:
        """Write all models' facts up to their decisions, then the rest."""
        place = next(at for at, (fact, _) in enumerate(self.pattern.steps) if isinstance(fact, CandidateEvaluated)) + 1
        before, after = self.pattern.steps[:place], self.pattern.steps[place:]
        self.write([(None, self.pattern.started, None)])
        links = self.write([step for number in range(1, models + 1) for step in self._steps(before, number, "")])
        decisions = {link.event.model: link.sha256 for link in links if isinstance(link.event.fact, CandidateEvaluated)}
        self.write(
            [
                step
                for number in range(1, models + 1)
                for step in self._steps(after, number, decisions[f"model_{number}"])
            ]
        )
        self.write([(None, self.pattern.finished, None)])

    def write(self, facts: Sequence[tuple[str | None, Fact, str | None]]) -> list[Link]:
        """Append facts, each with its model and guard."""
        at = stamp(self.at)
        return self.store.append(
            [Draft(at=at, run_id=self.run_id, model=model, fact=fact, guard=guard) for model, fact, guard in facts]
        )

    def _steps(
        self, steps: Sequence[tuple[Fact, str | None]], number: int, decision: str
    ) -> Iterator[tuple[str, Fact, str | None]]:
        model, job = f"model_{number}", f"job-{self.night}-{number}"
        for fact, guard in steps:
            own = msgspec.structs.replace(fact, **dict(self._changes(fact, model, job, number, decision)))
            yield model, own, guard and f"{guard}:{self.night}:{number}"

    def _changes(self, fact: Fact, model: str, job: str, number: int, decision: str) -> Iterator[tuple[str, Any]]:
        """Yield what is another in this model's fact."""
        if hasattr(fact, "retrain_job_id"):
            yield "retrain_job_id", job
        if hasattr(fact, "dataset_sha256"):
            digest = _data_digest(self.data, number) if self.data else _any_data(number, self.night)
            yield "dataset_sha256", digest
        if isinstance(fact, DataChecked) and self.data:
            content = (self.data / f"{number}.csv").read_bytes()
            yield "train", msgspec.structs.replace(fact.train, sha256=sha256(content).hexdigest(), bytes=len(content))
        if isinstance(fact, ResultDownloaded):
            renamed = fact.path.replace(self.pattern.run_id, self.run_id).replace(self.pattern.model, model)
            yield "path", renamed.replace(self.pattern.retrain_job_id, job)
        elif isinstance(fact, CandidateEvaluated):
            yield "candidate_sha256", candidate_digest(job, fact.result_sha256, fact.policy_sha256, fact.bound)
        elif isinstance(fact, SwitchIntended):
            yield "decision_sha256", decision


def _any_data(number: int, night: int) -> str:
    return sha256(f"{number} {night}".encode()).hexdigest()


def _data_digest(data: Path, number: int) -> str:
    """Return the digest of a dataset of one file, as the runner makes it."""
    return canonical.digest({"train": sha256((data / f"{number}.csv").read_bytes()).hexdigest(), "eval": None})
