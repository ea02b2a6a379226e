"""What the service says to each key: asked for the status of a job that cannot exist, and of jobs that are recorded.

Such a question has no effect: no job is taken, nothing is uploaded and nothing is switched.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property
from time import sleep
from typing import cast, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from runner.app.planning.service_access import ManifestKeys
from runner.app.service import call_threads
from runner.errors import Kind, ModelError
from runner.execute.model_identity import newest_jobs, vanished_jobs
from runner.execute.upload_evidence import ClockReading
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import RetrainJob
from runner.lib.secrets import Secret, fingerprint
from runner.manifest.model import FetchedKey, Manifest, Model, Task
from runner.providers.base import Code, ListedModel, Provider, ServiceError, Status

NO_JOB = "00000000-0000-0000-0000-000000000000"
_NO_KEY = Secret("retrain-doctor-no-such-key")
KNOWN_KEY = frozenset({Code.NOT_FOUND_JOB, Code.JOB_DELETED, Code.NOT_FINISHED})
_PAUSE_S = 1.0  # before a question is put again
_LONGEST_PAUSE_S = 5.0
_MOST_OTHERS = 60  # jobs of other names that are asked for with one key


class KeyAnswer(Struct, frozen=True, kw_only=True):
    """What came of asking with one model's key.

    `answer` is what the service said of the job that cannot exist, or why it was not asked; None where the service did
    not answer another model before. `reading` has the clocks, where it answered. `end_date` is the service's own text.
    `told_apart` is whether an answer that no manual explains is another one than a key gets that cannot exist; None
    where the answer is explained. `own` is the model's recorded job that the service knows under the key, `lost` the
    newest one where it knows none of them, and `other` a recorded job of another name that it knows, with that name.
    `listed` are the models that the key may list; `is_account` tells that a refused key is that of the account,
    `is_model` that a refused account's key is that of a model.
    """

    model: Model
    answer: Status | ModelError | None = None
    reading: ClockReading | None = None
    end_date: str | None = None
    told_apart: bool | None = None
    own: str | None = None
    lost: str | None = None
    other: tuple[str, str] | None = None
    listed: tuple[ListedModel, ...] = ()
    is_account: bool = False
    is_model: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the service knows the key."""
        documented = isinstance(self.answer, ServiceError) and self.answer.code in KNOWN_KEY
        return documented or self.told_apart is True

    @property
    def unreachable(self) -> bool:
        """Whether no answer came."""
        return isinstance(self.answer, ServiceError) and self.answer.kind == Kind.NETWORK


class KeyQuestions(Struct, kw_only=True, dict=True):
    """Asks with the keys of models; `known` is what the journal has of the models of this service, by name."""

    client: Provider
    keys: ManifestKeys
    manifest: Manifest
    known: dict[str, ModelProgress]
    _lists: dict[str, tuple[ListedModel, ...]] = field(default_factory=dict)  # by the key's fingerprint

    def ask_all(self, models: Sequence[Model]) -> list[KeyAnswer]:
        """Return what came of each model, in their order. A service that does not answer the first is left alone."""
        answers: list[KeyAnswer] = []
        for model in models:
            answers.append(self._ask(model))
            if answers[-1].reading is not None or answers[-1].unreachable:
                break
        rest = models[len(answers) :]
        if answers and answers[-1].unreachable:
            return [*answers, *(KeyAnswer(model=model) for model in rest)]
        threads = ThreadPoolExecutor(call_threads(len(models)), thread_name_prefix="ask")
        try:
            return [*answers, *threads.map(self._ask, rest)]
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # whoever presses Ctrl-C waits for nobody

    def _ask(self, model: Model) -> KeyAnswer:
        try:
            key = self.keys.model_key(model)
        except ModelError as error:
            return KeyAnswer(model=model, answer=error, is_model=self._is_model(model, error))
        before = datetime.now(UTC)
        answer = self._status(key, NO_JOB)
        reading = ClockReading(date=answer.date, before=before, after=datetime.now(UTC))
        if isinstance(answer, ServiceError) and answer.kind == Kind.NETWORK:
            return KeyAnswer(model=model, answer=answer)
        found = KeyAnswer(model=model, answer=answer, reading=reading, end_date=self.keys.end_date(model))
        if isinstance(answer, ServiceError) and answer.code in KNOWN_KEY:
            return self._identify(found, key)
        if isinstance(answer, ServiceError) and answer.kind == Kind.CREDENTIALS:
            return replace(found, is_account=bool(self._listed(key)))
        if isinstance(answer, Status) or (answer.code is None and not answer.again):
            found = replace(found, told_apart=_said(answer) != _said(self._of_no_key))
            return self._identify(found, key) if found.told_apart else found
        return found

    @cached_property
    def _of_no_key(self) -> Status | ServiceError:
        """What the service says of the job that cannot exist to a key that cannot exist either."""
        return self._status(_NO_KEY, NO_JOB)

    def _identify(self, found: KeyAnswer, key: Secret) -> KeyAnswer:
        """Return the answer with whose key it is, as far as recorded jobs tell, and the models it may list."""
        model = found.model
        listed = self._listed(self.keys.account_key(model) or key)
        found = replace(found, listed=listed)
        own = newest_jobs(self.known[model.name]) if model.name in self.known else []
        for job in own:
            answer = self._status(key, job.retrain_job_id)
            if isinstance(answer, Status):
                return replace(found, own=job.retrain_job_id)
            if answer.code != Code.NOT_FOUND_JOB:
                return found
        return replace(found, lost=own[0].retrain_job_id if own else None, other=self._other(model, key))

    def _other(self, model: Model, key: Secret) -> tuple[str, str] | None:
        """Return the name and the job under it that the service knows under this key, where there is one."""
        jobs: list[tuple[str, RetrainJob]] = list(vanished_jobs(self.manifest, self.known))
        jobs += [(name, past.last) for name, past in self.known.items() if name in self.manifest.models and past.last]
        for name, job in [pair for pair in jobs if pair[0] != model.name][:_MOST_OTHERS]:
            if isinstance(self._status(key, job.retrain_job_id), Status):
                return name, job.retrain_job_id
        return None

    def _is_model(self, model: Model, error: ModelError) -> bool:
        """Return whether what should be the account's key is the key of a model."""
        if not isinstance(error, ServiceError) or error.kind == Kind.NETWORK or error.again:
            return False
        secret_key = self.keys.account_key(model) if isinstance(model.api_key, FetchedKey) else None
        answer = self._status(secret_key, NO_JOB) if secret_key is not None else None
        return isinstance(answer, ServiceError) and answer.code in KNOWN_KEY

    def _listed(self, key: Secret) -> tuple[ListedModel, ...]:
        """Return the models that the key may list, none where it may not; models share the account's key."""
        name = fingerprint(key)
        if name not in self._lists:
            try:
                self._lists[name] = self.client.models(key)
            except ServiceError:
                self._lists[name] = ()
        return self._lists[name]

    def _status(self, key: Secret, retrain_job_id: str) -> Status | ServiceError:
        return _patiently(lambda: self.client.status(key, retrain_job_id))


def _said(answer: Status | ServiceError) -> tuple[object, ...]:
    """Return what two answers are compared by."""
    return (answer.value, answer.message) if isinstance(answer, Status) else (answer.kind, answer.code, answer.message)


def own_entry(found: KeyAnswer) -> ListedModel | None:
    """Return the model's entry in the service's list: that of its number, or the only one that the key may see."""
    source = found.model.api_key
    if isinstance(source, FetchedKey):
        return next((entry for entry in found.listed if entry.model_id == source.model_id), None)
    return found.listed[0] if len(found.listed) == 1 else None


def task_of(found: KeyAnswer) -> Task | None:
    """Return the task of the model, where the service's list says it; else what the manifest tells the emulator."""
    entry = own_entry(found)
    told = next((task for task in get_args(Task) if entry is not None and entry.task == task), None)
    if told is not None:
        return cast("Task", told)
    return found.model.emulator.task if found.model.emulator else None


def _patiently(question: Callable[[], Status]) -> Status | ServiceError:
    """Return the answer; a question that may fare better is put twice."""
    first = _put(question)
    if isinstance(first, Status) or not first.again:
        return first
    sleep(min(_PAUSE_S if first.after is None else first.after, _LONGEST_PAUSE_S))
    return _put(question)


def _put(question: Callable[[], Status]) -> Status | ServiceError:
    try:
        return question()
    except ServiceError as error:
        return error
