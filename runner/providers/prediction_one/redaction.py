"""A last look at what the client hands back: no text of it holds a secret that the redactor knows.

The client blots out its call's key in an error's body before it is shortened. An answer may still carry a secret in a
form that shows only once it is parsed (escaped JSON), another secret, the signature alone, or one cut off by our own
limit on lengths.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from runner.errors import Kind
from runner.lib.secrets import Redactor
from runner.providers.base import Done, Effect, IssuedJob, ListedModel, ServiceError, Status


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
