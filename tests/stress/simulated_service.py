"""The service in virtual time, as unreliable as the contract allows it to be, with a log that is the judge.

Bounds of what it does: a request that left arrives at most `latest` seconds later, what it changed shows at most `lag`
seconds after that, and both together stay below the quarantine. The store looks at a URL's expiry when a request
leaves, by its own clock, which is harder for the runner than looking when it arrives. A request that the network
delivers twice starts one training: the copy finds the job under way. Two requests of the runner to one URL start two. A
store may also lie: it answers 200 and keeps nothing.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from runner.errors import Kind
from runner.http.upload_body import SentFile, UploadWatch
from runner.lib.checksums import Checksum
from runner.lib.secrets import Secret
from runner.providers.base import (
    Classifier,
    Code,
    Done,
    Downloaded,
    Effect,
    IssuedJob,
    NeverSent,
    Rejected,
    Status,
    Unknown,
)
from tests.fakes.world import going, result_zip, service_error, sha256_of, sum_of_file
from tests.stress.simulated_time import Process, ShownClock, Timeline

EFFECT_FATES = ("never_sent", "lost_before", "lost_after", "late", "late", "twice", "refused")
READ_FATES = ("again", "again", "again", "lost_answer", "not_again")
WORDS: tuple[tuple[str | None, str], ...] = (
    ("waiting", "training"),
    (None, "running"),
    ("created", "queued"),
    ("training", "training"),
    ("ready", "running"),
)
FOREIGN, FIRST_FOREIGN = "foreign-", 100_000
AUCS = ("0.70", "0.85", "0.905", "0.92")
_RESULTS = {auc: result_zip({"AUC": auc}) for auc in AUCS}
_LOST = Unknown(message="The connection broke.", hint="The status is read.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How this service is; lengths in seconds, shares from 0 to 1."""

    faults: float
    words: tuple[str | None, str]
    url_s: float
    tells_expiry: bool
    tells_time: bool  # its answers carry a Date
    keeps_expiry: bool  # the store refuses an expired URL; otherwise only the runner's own fence stands
    training_s: tuple[float, float]
    failing: float
    deleting: float
    readable: bool
    names_model: bool
    latest: float
    lag: float
    lying: float  # share of the uploads that the store confirms and drops
    all_late: bool  # every effect's request is late and its answer lost
    low_priority: bool  # reads that fail may always be repeated


@dataclass(slots=True, kw_only=True)
class Sent:
    """A request with an effect that left a runner. `durable` counts the events of the journal at that moment."""

    call: str
    job: str
    key: str
    at: float
    durable: int
    digest: str = ""
    applied_at: float | None = None
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A list of classifiers as it was told: the model of each key. `durable` counts the journal's events by then.

    `to` is who had asked.
    """

    to: Process
    at: float
    durable: int
    models: dict[str, int]


@dataclass(slots=True, kw_only=True)
class ServiceJob:
    """A job as the service knows it."""

    key: str
    expires: float
    number: int
    training_s: float
    end: str
    auc: str
    started_at: float | None = None


@dataclass(slots=True, kw_only=True)
class SimulatedService:
    """The whole remote; `log` holds every request with an effect, in the order in which they left."""

    time: Timeline
    clock: ShownClock
    rng: random.Random
    traits: Traits
    durable: Callable[[], int]
    healed: bool = False
    calls: int = 0
    jobs: dict[str, ServiceJob] = field(default_factory=dict)
    log: list[Sent] = field(default_factory=list)
    serving: dict[str, tuple[str, float]] = field(default_factory=dict)  # key -> job and since when
    before_serving: dict[str, str] = field(default_factory=dict)
    answers: list[Answered] = field(default_factory=list)
    published_by_hand: int = 0

    def publish_by_hand(self, key: str) -> None:
        """Let somebody publish a model of their own in place of what serves."""
        self.published_by_hand += 1
        self.before_serving[key] = self.serving[key][0]
        self.serving[key] = (f"{FOREIGN}{len(self.serving) + self.published_by_hand}", self.time.seconds)

    def publish_first(self, keys: Sequence[str]) -> None:
        """Let every model be published already, as the API demands."""
        self.serving = {key: (f"{FOREIGN}{number}", self.time.seconds) for number, key in enumerate(keys, start=1)}
        self.before_serving = {key: name for key, (name, _) in self.serving.items()}

    def forget_log(self) -> None:
        """Begin a new log: the journal that it was the judge of is gone."""
        self.log.clear()
        self.answers.clear()

    def number_of(self, name: str) -> int:
        """Return the number of the model that a job, or somebody's hand, brought into service."""
        foreign = name.startswith(FOREIGN)
        return FIRST_FOREIGN + int(name.removeprefix(FOREIGN)) if foreign else self.jobs[name].number

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        fate = self._read("upload_url")
        number, traits = len(self.jobs) + 1, self.traits
        name = f"job-{number}"
        self.jobs[name] = ServiceJob(
            key=key.reveal(),
            expires=self.clock.seconds() + traits.url_s,
            number=number,
            training_s=self.rng.uniform(*traits.training_s),
            end=self._end(),
            auc=self.rng.choice(AUCS),
        )
        if fate == "lost_answer":
            raise service_error(None, again=True)
        expires = self.clock.now() + timedelta(seconds=traits.url_s) if traits.tells_expiry else None
        url = Secret(f"https://store.test/{name}/{filename}?signature=CANARY")
        return IssuedJob(retrain_job_id=name, upload_url=url, expires_at=expires, date=self._date())

    def _date(self) -> datetime | None:
        """Return what the Date of an answer says, which leaves out what is less than a second."""
        return self.clock.now().replace(microsecond=0) if self.traits.tells_time else None

    def _end(self) -> str:
        draw = self.rng.random()
        if draw < self.traits.failing:
            return "failed"
        return "deleted" if draw < self.traits.failing + self.traits.deleting else "finished"

    def upload(self, url: Secret, file: SentFile, *, content: Checksum | None, watch: UploadWatch) -> Effect:
        name = url.reveal().split("/")[3]
        content = content or sum_of_file(file)
        assert file.size() == content.bytes, "the runner sends the file it announced"
        fate = self._fate(EFFECT_FATES)
        if fate == "never_sent":
            return NeverSent(message="The connection was refused.", hint="Check the network.")
        watch.sent(content.bytes)
        if not watch.may_end():
            return _LOST  # the last bytes did not leave
        body = self._left("put", name, content.sha256)
        if self.traits.keeps_expiry and self.clock.seconds() >= self.jobs[name].expires:
            return _refused("expired_url")
        if fate == "ok" and self._lies():
            body.dropped = True
            return Done(detail="200")
        return self._effect(fate, lambda: self._train(body))

    def _lies(self) -> bool:
        return not self.healed and self.rng.random() < self.traits.lying

    def _train(self, sent: Sent) -> None:
        """Take a body in; a copy of a request whose job is under way changes nothing."""
        job = self.jobs[sent.job]
        if sent.applied_at is None:
            sent.applied_at = self.time.seconds
            job.started_at = self.time.seconds if job.started_at is None else job.started_at

    def _effect(self, fate: str, apply: Callable[[], None]) -> Effect:
        if fate == "refused":
            return _refused("store")
        if fate == "late":
            self.time.after(self.rng.uniform(0, self.traits.latest), apply)
        elif fate != "lost_before":
            apply()
        if fate == "twice":
            self.time.after(self.rng.uniform(0, self.traits.latest), apply)
        return Done(detail="200") if fate in ("ok", "twice") else _LOST

    def _left(self, call: str, name: str, digest: str = "") -> Sent:
        sent = Sent(
            call=call,
            job=name,
            key=self.jobs[name].key,
            at=self.time.seconds,
            durable=self.durable(),
            digest=digest,
        )
        self.log.append(sent)
        return sent

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        if self._read("status") == "lost_answer":
            raise service_error(None, again=True)
        job = self.jobs.get(retrain_job_id)
        if job is None or job.key != key.reveal():
            raise service_error(Code.NOT_FOUND_JOB, date=self._date())
        return replace(self._stands(retrain_job_id, job), date=self._date())

    def _stands(self, retrain_job_id: str, job: ServiceJob) -> Status:
        shown_since = None if job.started_at is None else job.started_at + self._lag()
        if shown_since is None or self.time.seconds < shown_since:
            if self.traits.words[0] is None:
                raise service_error(Code.NOT_FOUND_JOB, date=self._date())
            return going(self.traits.words[0])
        if self.time.seconds < shown_since + job.training_s:
            return going(self.traits.words[1])
        return self._ended(retrain_job_id, job)

    def _lag(self) -> float:
        return 0.0 if self.healed else self.traits.lag

    def _ended(self, name: str, job: ServiceJob) -> Status:
        if job.end == "deleted":
            raise service_error(Code.JOB_DELETED)
        if job.end == "failed":
            return Status(value="job_failed", phase="failed", model_id=None, message="too few rows", download_url=None)
        return Status(
            value="job_finished",
            phase="finished",
            model_id=job.number if self.traits.names_model else None,
            message=None,
            download_url=Secret(f"https://store.test/{name}/result?signature=CANARY"),
        )

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        if self._read("download") == "lost_answer":
            raise service_error(Code.EXPIRED_URL)
        content = _RESULTS[self.jobs[url.reveal().split("/")[3]].auc]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        assert len(content) <= limit, "the limit is far above these files"
        return Downloaded(sha256=sha256_of(content), bytes=len(content))

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        fate = self._fate(EFFECT_FATES)
        if fate == "never_sent":
            return NeverSent(message="The connection was refused.", hint="Check the network.")
        assert self.jobs[retrain_job_id].key == key.reveal(), "a job is switched with its own key"
        sent = self._left("switch", retrain_job_id)
        return self._effect(fate, lambda: self._serve(sent))

    def _serve(self, sent: Sent) -> None:
        sent.applied_at = self.time.seconds if sent.applied_at is None else sent.applied_at
        self.before_serving[sent.key] = self.serving.get(sent.key, ("", 0.0))[0]
        self.serving[sent.key] = (sent.job, self.time.seconds)

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:  # noqa: ARG002 -- the list is the account's
        if not self.traits.readable:
            raise service_error(None)
        if self._read("classifiers") == "lost_answer":
            raise service_error(None, again=True)
        shown = {
            owner: name if self.time.seconds >= since + self._lag() else self.before_serving[owner]
            for owner, (name, since) in self.serving.items()
        }
        models = {owner: self.number_of(name) for owner, name in shown.items() if name}
        self.answers.append(Answered(to=self.time.running, at=self.time.seconds, durable=self.durable(), models=models))
        return tuple(Classifier(classifier_id=None, model_id=number) for number in models.values())

    def _read(self, call: str) -> str:
        """Let a read meet its fate; `lost_answer` is left to the caller."""
        fate = self._fate(("again",) if self.traits.low_priority and call != "download" else READ_FATES)
        if fate == "again":
            raise service_error(None, again=True)
        if fate == "not_again":
            raise service_error(self.rng.choice((None, Code.INVALID_KEY)))
        return fate

    def _fate(self, fates: tuple[str, ...]) -> str:
        self.calls += 1
        if self.traits.all_late and fates == EFFECT_FATES and not self.healed:
            return "late"
        return self.rng.choice(fates) if not self.healed and self.rng.random() < self.traits.faults else "ok"


def _refused(reason: str) -> Rejected:
    return Rejected(
        message="The store refused it.",
        hint="A new job is taken.",
        kind=Kind.SERVICE,
        permanent=False,
        reason="expired_url" if reason == "expired_url" else "store",
    )
