"""A last look at what the client hands back: no text of it holds a secret that the redactor knows.

The client blots out its call's key in an error's body before it is shortened. An answer may still carry a secret in a
form that shows only once it is parsed (escaped JSON), another secret, the signature alone, or one cut off by our own
limit on lengths.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import Kind
from runner.http.request import Broken
from runner.http.responses import Answer
from runner.lib.secrets import Redactor
from runner.providers.base import Done, Effect, IssuedJob, ListedModel, Rejected, ServiceError, Status, Unknown
from runner.providers.kept_answers import AnswerKeeper, Call, kept_answer
from runner.providers.prediction_one.facts import FACTS


@contextmanager
def discreet_errors(redactor: Redactor) -> Iterator[None]:
    """Blot out the secrets in a `ServiceError` on its way to the caller."""
    try:
        yield
    except ServiceError as error:
        raise error.with_texts(redactor.redact(error.message), redactor.redact(error.hint)) from None


def discreet_effect(effect: Effect, redactor: Redactor) -> Effect:
    """Return what happened to an effect, its texts without secrets."""
    if isinstance(effect, Done):
        return replace(effect, detail=redactor.redact(effect.detail))
    return replace(effect, message=redactor.redact(effect.message), hint=redactor.redact(effect.hint))


def discreet_status(status: Status, redactor: Redactor) -> Status:
    """Return the state of a job, its words without secrets."""
    message = None if status.message is None else redactor.redact(status.message)
    return replace(status, value=redactor.redact(status.value), message=message)


def discreet_models(models: Iterable[ListedModel], redactor: Redactor) -> tuple[ListedModel, ...]:
    """Return the entries of a list, their words without secrets."""

    def clean(text: str | None) -> str | None:
        return None if text is None else redactor.redact(text)

    return tuple(
        replace(model, name=clean(model.name), task=clean(model.task), target=clean(model.target)) for model in models
    )


def discreet_job(job: IssuedJob, redactor: Redactor) -> IssuedJob:
    """Return the job as it is.

    Raises:
        ServiceError: its id is a secret; it would be written down wherever the job is named.
    """
    if redactor.redact(job.retrain_job_id) == job.retrain_job_id:
        return job
    raise ServiceError(
        Kind.SERVICE,
        "The service named a retrain job by a secret.",
        hint="Report this to the service's support; nothing was sent.",
        again=False,
    )


T = TypeVar("T")


class AnswerNotes(Struct, frozen=True, kw_only=True):
    """What a client notes of its answers; without a keeper nothing."""

    keeper: AnswerKeeper | None
    redactor: Redactor

    def read(self, call: Call, path: str, answer: Answer | Broken, reader: Callable[[], T]) -> T:
        """Return what is read of an answer, and keep the answer; an error about one says where it is.

        Raises:
            ServiceError: that of the reader.
        """
        try:
            read = reader()
        except ServiceError as error:
            self._keep(call, "GET", path, answer, understood=error.understood)
            if error.understood:
                raise
            raise error.with_texts(error.message, self._with_place(error.hint)) from None
        self._keep(call, "GET", path, answer, understood=True)
        return read

    def effect(self, call: Call, path: str, answer: Answer | Broken, effect: Effect) -> Effect:
        """Return the effect, and keep its answer."""
        unclear = isinstance(effect, Unknown) or (isinstance(effect, Rejected) and effect.reason != "documented")
        understood = isinstance(answer, Broken) or not unclear
        self._keep(call, "PUT", path, answer, understood=understood)
        return effect if understood or isinstance(effect, Done) else replace(effect, hint=self._with_place(effect.hint))

    def _with_place(self, hint: str) -> str:
        place = self.keeper.place if self.keeper is not None else None
        return f"{hint} The whole answer is in {place}." if place else hint

    def _keep(self, call: Call, method: str, path: str, answer: Answer | Broken, *, understood: bool) -> None:
        if self.keeper is None:
            return
        told = answer if isinstance(answer, Answer) else None
        make = partial(
            kept_answer,
            self.redactor,
            at=datetime.now(UTC),
            call=call,
            method=method,
            host=answer.host,
            path=f"{FACTS.base_path}{path}" if path else "",
            status=told.status if told else None,
            headers=told.headers if told else {},
            body=told.body if told else b"",
            understood=understood,
            error=answer.cause if isinstance(answer, Broken) else "",
        )
        self.keeper.keep(call, make, understood=understood)
