"""A world in one process: the executor's real code, a journal on disk, a virtual clock, and a service that keeps a log.

Nothing waits for real: when every model pauses, the clock jumps. A `CrashError` stands for kill -9: nothing after it
runs, and the next `run` of the same world is the next process.
"""

import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from runner.app.planning.data_checks import digests, planned_checks
from runner.app.planning.scope import Scope
from runner.app.provenance import moved_names
from runner.app.review.inbox_desk import InboxDesk
from runner.app.run.execution import ExecutionRequest
from runner.app.service import TargetService
from runner.app.state.session import Session
from runner.datasets.file_cache import FileCache
from runner.errors import Kind
from runner.execute.commands import Pool, Record
from runner.execute.coordinator import Coordinator, Mail, Settings
from runner.execute.decisions import watch_inbox
from runner.execute.model_identity import vanished_jobs
from runner.execute.model_run import Budget, ModelRun, Recorder, RunContext
from runner.execute.progress_events import ProgressEvent
from runner.execute.workflow import model_workflow
from runner.http.upload_body import BLOCK, SentFile, UploadWatch
from runner.journal.events import ModelFinished, ModelsMoved, RunOptions, RunStarted
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderStore
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.state_store import EventLog, StateStore
from runner.lib.checksums import Checksum, sum_of
from runner.lib.secrets import Secret
from runner.manifest.load import load
from runner.manifest.model import Manifest, Model
from runner.plan.document import state_mark
from runner.plan.model_plan import Choice, ModelPlan, PlanInputs
from runner.plan.planner import plan_model
from runner.plan.renames import DueMoves, due_moves, with_moves
from runner.providers.base import (
    Classifier,
    Code,
    Done,
    Downloaded,
    Effect,
    IssuedJob,
    NeverSent,
    Rejected,
    ServiceError,
    Status,
    Unknown,
)
from tests.fakes.run_ids import run_id
from tests.fakes.run_origin import NO_MANIFEST, TOOL

REALM = "service.test"
ONE_MODEL = """
version: 1
service: {url: "https://service.test", quarantine: 5m}
datasets: {d: {train: data.csv}}
policies:
  p: {type: threshold, rules: [{metric: auc, min: 0.9}]}
models:
  m: {api_key: {env: KEY}, dataset: d, policy: p}
"""
START = datetime(2026, 3, 1, tzinfo=UTC)


class CrashError(BaseException):
    """Kill -9 at this instant."""


class VirtualClock:
    """Time that moves only when the world waits; `ahead` is how far the wall clock of the runner's machine is."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) + self.ahead

    def monotonic(self) -> float:
        return self.seconds


class JumpingMail(SimpleQueue[Mail]):
    """A mailbox whose wait moves the virtual clock."""

    clock: VirtualClock

    def get(self, block: bool = True, timeout: float | None = None) -> Mail:  # noqa: ARG002 -- as inherited
        try:
            return super().get(block=False)
        except Empty:
            if timeout is None:
                raise AssertionError("the coordinator would wait forever") from None
            self.clock.seconds += timeout
            raise


class InlineExecutor(Executor):
    """Does the work at once, in the caller's thread; a crash is not an answer but the end."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 -- what an executor does
            future.set_exception(error)
        return future


@dataclass
class FakeJob:
    """A job as the service knows it."""

    key: str
    uploaded_at: float | None = None
    digest: str = ""


Fault = Callable[[str], Effect | None]


@dataclass
class FakeService:
    """The whole remote. Tests read `log` and set what should go wrong; `effects` is what it really did."""

    clock: VirtualClock
    tells_time: bool = True  # answers carry a Date
    ahead: timedelta = timedelta(0)  # how far the service's own clock is ahead of true time
    training_s: float = 600.0
    url_s: float = 900.0
    lag_s: float = 0.0  # how long after an upload a job is still called by the word of one that waits
    words: tuple[str, str] = ("waiting", "training")
    metrics: dict[str, str] = field(default_factory=lambda: {"AUC": "0.91"})
    results: list[bytes] = field(default_factory=list)  # what downloads give in turn; then result files of the metrics
    fails: str | None = None
    readable: bool = True  # the list of classifiers can be read
    rotated: dict[str, str] = field(default_factory=dict)  # a newer key -> the first key of its model
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    before: Callable[[str, str], Effect | None] = lambda _call, _job: None
    after: Callable[[str, str], Effect | None] = lambda _call, _job: None

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        name = f"job-{len(self.jobs) + 1}"
        self._enter("upload_url", name)
        self.jobs[name] = FakeJob(key=self._first(key))
        self._leave("upload_url", name)
        expires = self.now() + timedelta(seconds=self.url_s)
        url = Secret(f"https://store.test/{name}/{filename}")
        return IssuedJob(retrain_job_id=name, upload_url=url, expires_at=expires, date=self.date())

    def now(self) -> datetime:
        """Return what the service's clock shows."""
        return START + timedelta(seconds=self.clock.seconds) + self.ahead

    def date(self) -> datetime | None:
        """Return the Date of an answer given now."""
        return self.now().replace(microsecond=0) if self.tells_time else None

    def upload(self, url: Secret, file: SentFile, *, content: Checksum | None, watch: UploadWatch) -> Effect:
        name = url.reveal().split("/")[3]
        instead = self._enter("put", name)
        if instead is not None:
            return instead
        content = content or sum_of_file(file)
        assert file.size() == content.bytes
        watch.sent(content.bytes)
        if not watch.may_end():
            return Rejected(message="cut", hint="", kind=Kind.SERVICE, permanent=False, reason="store")
        self.jobs[name].uploaded_at, self.jobs[name].digest = self.clock.seconds, content.sha256
        self.effects["upload", self.jobs[name].key] += 1
        return self._leave("put", name) or Done(detail="200")

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        self._enter("status", retrain_job_id)
        job = self.jobs.get(retrain_job_id)
        if job is None or job.key != self._first(key):
            raise service_error(Code.NOT_FOUND_JOB, date=self.date())
        self._leave("status", retrain_job_id)
        return replace(self._stands(retrain_job_id, job), date=self.date())

    def _stands(self, retrain_job_id: str, job: FakeJob) -> Status:
        if job.uploaded_at is None or self.clock.seconds - job.uploaded_at < self.lag_s:
            return going(self.words[0])
        if self.clock.seconds - job.uploaded_at < self.lag_s + self.training_s:
            return going(self.words[1])
        if self.fails:
            return Status(value="job_failed", phase="failed", model_id=None, message=self.fails, download_url=None)
        return Status(
            value="job_finished",
            phase="finished",
            model_id=int(retrain_job_id.split("-")[1]),
            message=None,
            download_url=Secret(f"https://store.test/{retrain_job_id}/result"),
        )

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        name = url.reveal().split("/")[3]
        self._enter("download", name)
        content = self.results.pop(0) if self.results else result_zip(self.metrics)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self._leave("download", name)
        assert len(content) <= limit
        return Downloaded(sha256=sha256_of(content), bytes=len(content))

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        instead = self._enter("switch", retrain_job_id)
        if instead is not None:
            return instead
        self.serving[self._first(key)] = retrain_job_id
        self.effects["switch", self._first(key)] += 1
        return self._leave("switch", retrain_job_id) or Done(detail="200")

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        self._enter("classifiers", key.reveal())
        if not self.readable:
            raise service_error(None)
        self._leave("classifiers", key.reveal())
        return tuple(
            Classifier(classifier_id=f"c-{owner}", model_id=int(name.split("-")[1]))
            for owner, name in self.serving.items()
        )

    def _first(self, key: Secret) -> str:
        return self.rotated.get(key.reveal(), key.reveal())

    def _enter(self, call: str, name: str) -> Effect | None:
        self.log.append((call, name))
        return self.before(call, name)

    def _leave(self, call: str, name: str) -> Effect | None:
        return self.after(call, name)

    def calls(self, call: str) -> int:
        """Return how often a call came."""
        return sum(one == call for one, _ in self.log)


def going(word: str) -> Status:
    """Return the status of a job that has not ended."""
    return Status(value=word, phase="going", model_id=None, message=None, download_url=None)


def service_error(code: Code | None, *, again: bool = False, date: datetime | None = None) -> ServiceError:
    """Return a read's failure."""
    return ServiceError(Kind.SERVICE, f"The service said {code}.", hint="Look.", again=again, code=code, date=date)


UNCLEAR = Unknown(message="The connection broke.", hint="The status is read.")
NEVER_SENT = NeverSent(message="The connection was refused.", hint="Check the network.")
EXPIRED = Rejected(
    message="The URL has expired.", hint="A new job is taken.", kind=Kind.SERVICE, permanent=True, reason="expired_url"
)


def result_zip(metrics: dict[str, str]) -> bytes:
    """Return a result file with these metrics."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("result/metrics.csv", "".join(f"{name},{value}\n" for name, value in metrics.items()))
    return content.getvalue()


def sha256_of(content: bytes) -> str:
    """Return the hex digest."""
    import hashlib  # noqa: PLC0415 -- one use

    return hashlib.sha256(content).hexdigest()


def sum_of_file(file: SentFile) -> Checksum:
    """Return the sum of the bytes that a file gives when it is opened."""
    with file.open() as opened:
        return sum_of(iter(lambda: opened.read(BLOCK), b""))


class FakeKeys:
    """The key of a model is its name, unless `keys` has another one."""

    def __init__(self, keys: Mapping[str, str] = MappingProxyType({})) -> None:
        self.keys = keys

    def model_key(self, model: Model) -> Secret:
        return Secret(self.keys.get(model.name, f"key-{model.name}"))

    def end_date(self, model: Model) -> str | None:  # noqa: ARG002 -- the port's signature
        return None

    def asks_service(self, model: Model) -> bool:  # noqa: ARG002 -- the port's signature
        return False

    def account_key(self, model: Model) -> Secret | None:  # noqa: ARG002 -- the port's signature
        return None


class Held:
    """A state that is held for good."""

    def lasts(self) -> bool:
        """Return that it is."""
        return True

    def has_ended(self, _run_id: str) -> bool:
        """Return that no other run holds it."""
        return True


class World:
    """One folder with a manifest, data and state; runs can be crashed and run again."""

    def __init__(
        self, folder: Path, manifest: str, *, service: FakeService | None = None, store: StateStore | None = None
    ) -> None:
        self.folder = folder
        self.clock = service.clock if service else VirtualClock()
        self.service = service or FakeService(clock=self.clock)
        self.store: StateStore = store or FolderStore(StateFolder(folder / "state"))
        self.state = self.store.work
        self.options = Choice()
        self.keys: dict[str, str] = {}
        self.decides = False  # runs look into the inbox
        self.one_pass_from: int | None = None  # bytes of new data that is checked while it is sent
        self.runs = 0
        self.commits = 0
        self.on_commit: Callable[[int], None] = lambda _number: None
        self.coordinator: Coordinator | None = None
        self.told: list[tuple[str | None, ProgressEvent]] = []
        self.write_manifest(manifest)
        self.write_data("1")

    def write_manifest(self, text: str) -> None:
        """Replace the manifest."""
        (self.folder / "models.yaml").write_text(text, encoding="utf-8")

    def write_data(self, value: str) -> None:
        """Replace the training data by other content."""
        rows = "".join(f"{number},{value},{'a' if number % 2 else 'b'}\n" for number in range(120))
        (self.folder / "data.csv").write_text(f"id,value,label\n{rows}", encoding="utf-8")

    @property
    def manifest(self) -> Manifest:
        return load([self.folder / "models.yaml"])

    def progress(self) -> Progress:
        """Read the journal."""
        store = self.store.open_log()
        try:
            return Progress(store.read())
        finally:
            store.close()

    def model(self, name: str = "m") -> ModelProgress:
        """Return a model's progress by the journal on disk."""
        return self.progress().model(REALM, name)

    def plans(self, progress: Progress) -> list[ModelPlan]:
        """Plan all models."""
        manifest = self.manifest
        models = list(manifest.models.values())
        due, readings = self.moves(progress), FileCache()
        moved = progress.with_moves(REALM, due.moves)
        found = digests(manifest, models, readings, planned_checks(self._scope, moved, readings, self.one_pass_from))
        return [
            with_moves(
                plan_model(
                    manifest,
                    model,
                    moved.model(REALM, model.name),
                    PlanInputs(now=self.clock.now(), dataset=found[model.dataset]),
                    self.options,
                ),
                due,
                None,
            )
            for model in models
        ]

    def moves(self, progress: Progress) -> DueMoves:
        """Return the names to record."""
        return due_moves(self.manifest, progress.known(REALM))

    def run(self) -> dict[str, ModelFinished]:
        """Run all models to their outcomes; a crash leaves as an exception."""
        self.runs += 1
        store = self.store.open_log()
        try:
            return self._run(Progress(store.read()), store)
        finally:
            store.close()

    def _run(self, progress: Progress, store: EventLog) -> dict[str, ModelFinished]:
        recorder = Recorder(store=store, progress=progress, clock=self.clock, run_id=run_id(self.runs))
        recorder.run_fact(
            RunStarted(
                tool=TOOL,
                actor="test",
                service=REALM,
                paths=(),
                manifest=replace(NO_MANIFEST, moved=moved_names(self.manifest)),
                options=RunOptions(command="run"),
            )
        )
        plans = self.plans(progress)
        moves = self.moves(progress).moves
        if moves:
            recorder.run_fact(ModelsMoved(moves=moves))
        manifest = self.manifest
        context = self._context(manifest, progress)
        mail = JumpingMail()
        mail.clock = self.clock
        self.coordinator = Coordinator(
            executors={pool: InlineExecutor() for pool in Pool},
            clock=self.clock,
            commit=self._counted(recorder),
            settings=Settings(parallel=manifest.limits.parallel, uploads=manifest.limits.uploads),
            mailbox=mail,
        )
        runs = [ModelRun(context=context, model=manifest.models[plan.model], plan=plan) for plan in plans]
        desk = self._desk(recorder, plans)
        watch = watch_inbox(self.coordinator, [(desk, context)], [desk.pending()]) if self.decides else None
        self.coordinator.run([(one.model.name, model_workflow(one)) for one in runs], watch)
        if context.internal_errors:
            raise context.internal_errors[0]
        ends = {one.model.name: progress.model(REALM, one.model.name).last_outcome for one in runs}
        return {name: end for name, end in ends.items() if end is not None}

    def opened(self, recorder: Recorder) -> Session:
        """Return the run as commands see it."""
        return Session(
            run_id=recorder.run_id,
            name=self.store.address,
            state=self.store,
            store=recorder.store,
            progress=recorder.progress,
            clock=self.clock,
            recorder=recorder,
            found=state_mark(recorder.progress),
            found_at=None,
            lease=Held(),
        )

    def _desk(self, recorder: Recorder, plans: list[ModelPlan]) -> InboxDesk:
        job = ExecutionRequest(
            scope=self._scope,
            plans=plans,
            parallel=self.manifest.limits.parallel,
            listener=lambda model, event: self.told.append((model, event)),
        )
        return InboxDesk.of_run(self.opened(recorder), job)

    @property
    def _scope(self) -> Scope:
        manifest = self.manifest
        return Scope(
            choice=replace(self.options, paths=(self.folder / "models.yaml",)),
            manifest=manifest,
            models=tuple(manifest.models.values()),
            service=TargetService(name=REALM, emulator=False),
        )

    def _counted(self, recorder: Recorder) -> Callable[[Any], None]:
        def commit(records: list[tuple[str, Record]]) -> None:
            self.commits += 1
            self.on_commit(self.commits)
            recorder.commit(records)
            self.on_commit(-self.commits)

        return commit

    def _context(self, manifest: Manifest, progress: Progress) -> RunContext:
        limits = manifest.limits
        return RunContext(
            run_id=run_id(self.runs),
            service=REALM,
            manifest=manifest,
            choice=self.options,
            provider=self.service,
            keys=FakeKeys(self.keys),
            clock=self.clock,
            rng=random.Random(1),  # noqa: S311 -- jitter that repeats
            budget=Budget(switches=limits.switches_per_run, failures=limits.stop_after_failures),
            progress=progress,
            blobs=self.store.blobs,
            address=self.store.address,
            run_folder=self.state.run_folder(run_id(self.runs)),
            spool=self.state.spool,
            listener=lambda model, event: self.told.append((model, event)),
            internal_errors=[],
            still_locked=Held().lasts,
            vanished=vanished_jobs(manifest, progress.known(REALM)),
        )


def until_settled(world: World, *, runs: int = 8) -> Iterator[dict[str, ModelFinished]]:
    """Run again and again until a run has nothing left to do."""
    for _ in range(runs):
        ends = world.run()
        yield ends
        if all(end.outcome not in ("training", "unknown") for end in ends.values()):
            return
    raise AssertionError(f"not settled after {runs} runs")
