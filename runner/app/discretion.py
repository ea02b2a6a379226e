"""The service behind a net: whatever it says passes here before anything can be written down.

The client blots out secrets in the bodies it receives; an answer may still carry one in a form that shows only once it
is parsed (escaped JSON), in another letter case, as the signature alone, or cut off by our own limit on lengths.
"""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runner.errors import Kind, ModelError
from runner.execute.ports import Keys, Service
from runner.manifest.model import Model
from runner.secret import Redactor, Secret
from runner.service.outcomes import Done, Downloaded, Effect, Job, ServiceError, Status

T = TypeVar("T")
_QUERY = re.compile(r"(https?://[^\s?]{1,2000}\?)[^\s<>]+", re.IGNORECASE)  # of a URL signed for an earlier process too


class DiscreetService:
    """A `Service` whose answers hold no secret that the redactor knows."""

    def __init__(self, service: Service, redactor: Redactor) -> None:
        self._service = service
        self._redactor = redactor

    def take_job(self, key: Secret, filename: str) -> Job:
        """Return a new job; one whose id is a secret is refused."""
        job = self._read(lambda: self._service.take_job(key, filename))
        if self._redactor.redact(job.retrain_job_id) != job.retrain_job_id:
            raise ServiceError(
                Kind.SERVICE,
                "The service named a retrain job by a secret.",
                hint="Report this to the service's support; nothing was sent.",
                again=False,
            )
        return job

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        """Return the state of a job, its words without secrets."""
        status = self._read(lambda: self._service.status(key, retrain_job_id))
        message = None if status.message is None else self._redactor.redact(status.message)
        return dataclasses.replace(status, word=self._redactor.redact(status.word), message=message)

    def upload(self, url: Secret, file: Path, *, size: int, sha256: str) -> Effect:
        """Send the file with exactly one PUT."""
        return self._told(self._service.upload(url, file, size=size, sha256=sha256))

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Store the result file at `target`, whole or not at all."""
        return self._read(lambda: self._service.download(url, target, limit=limit))

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        """Make the job's model the published one, with exactly one PUT."""
        return self._told(self._service.switch(key, retrain_job_id))

    def models_in_service(self, key: Secret) -> frozenset[int]:
        """Return the ids of the models that serve now."""
        return self._read(lambda: self._service.models_in_service(key))

    def _read(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except ServiceError as error:
            message, hint = self._redactor.redact(error.message), self._redactor.redact(error.hint)
            raise ServiceError(
                error.kind, message, hint=hint, again=error.again, after=error.after, code=error.code
            ) from None

    def _told(self, effect: Effect) -> Effect:
        if isinstance(effect, Done):
            return dataclasses.replace(effect, detail=self._redactor.redact(effect.detail))
        message, hint = self._redactor.redact(effect.message), self._redactor.redact(effect.hint)
        return dataclasses.replace(effect, message=message, hint=hint)


class DiscreetKeys:
    """Keys whose errors hold no secret: a key may be fetched from the service, which may repeat the account's."""

    def __init__(self, keys: Keys, redactor: Redactor) -> None:
        self._keys = keys
        self._redactor = redactor

    def model_key(self, model: Model) -> Secret:
        """Return the model's API key; raises ModelError when it cannot be had."""
        return self._read(lambda: self._keys.model_key(model))

    def account_key(self, model: Model) -> Secret | None:
        """Return the account's secret key where the manifest names one."""
        return self._read(lambda: self._keys.account_key(model))

    def _read(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except ModelError as error:
            message, hint = self._redactor.redact(error.message), self._redactor.redact(error.hint)
            raise ModelError(error.kind, message, hint=hint) from None
