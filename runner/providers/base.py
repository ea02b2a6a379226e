"""What the service's client hands back: typed answers of reads, and the four ends an effect can have.

An effect (upload, switch) never raises for trouble of the network or the service; a read raises `ServiceError`.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.http.proxies import NO_PROXIES, Proxies
from runner.lib.secrets import Redactor, Secret
from runner.providers.facts import ProviderFacts, Statuses
from runner.providers.fields import Fields
from runner.providers.kept_answers import AnswerKeeper

Phase = Literal["going", "finished", "failed"]
RejectionReason = Literal["expired_url", "signature", "busy", "documented", "store", "gateway"]
SwitchProof = Literal["status", "body"]


class Code(StrEnum):
    """Answers a caller may tell apart: the documented error messages, and two more."""

    INVALID_KEY = "invalid_key"
    INACTIVE_KEY = "inactive_key"
    NOT_FOUND_KEY = "not_found_key"
    USER_DELETED = "user_deleted"
    MODEL_DELETED = "model_deleted"
    JOB_DELETED = "job_deleted"
    NOT_FOUND_JOB = "not_found_job"
    NOT_FOUND_CLASSIFIER = "not_found_classifier"
    NOT_FINISHED = "not_finished"
    SETTINGS_GONE = "settings_gone"
    EXPIRED_URL = "expired_url"
    PART_ELSEWHERE = "part_elsewhere"


class IssuedJob(Struct, frozen=True, kw_only=True):
    """A retrain job that has been issued and not yet started; `expires_at` (aware UTC) only where the URL tells.

    `date` is what the service's clock showed (aware UTC, whole seconds), where the answer told.
    """

    retrain_job_id: str
    upload_url: Secret
    expires_at: datetime | None
    date: datetime | None = None


class Status(Struct, frozen=True, kw_only=True):
    """What the service says of a retrain job. `word` is its status, lower case.

    A finished job has a `download_url`, perhaps a little later; `url_keys` are the names of other parts of the answer
    that hold an address. `date` is what the service's clock showed (aware UTC, whole seconds), where the answer told.
    """

    value: str
    phase: Phase
    model_id: int | None
    message: str | None
    download_url: Secret | None
    url_keys: tuple[str, ...] = ()
    date: datetime | None = None


class FetchedApiKey(Struct, frozen=True, kw_only=True):
    """A model's API key fetched with the account's secret key; `end_date` is the service's own text."""

    key: Secret
    end_date: str


class Classifier(Struct, frozen=True, kw_only=True):
    """An entry of the service's list of classifiers: the prediction API, and the number of the model it serves."""

    classifier_id: str | None
    model_id: int


class ListedModel(Struct, frozen=True, kw_only=True):
    """An entry of the service's list of models, in the service's words; what it does not say is None."""

    model_id: int
    name: str | None
    task: str | None
    target: str | None


class Downloaded(Struct, frozen=True, kw_only=True):
    """A durable result file: lower-case hex SHA-256 and its size in bytes; `whole` where its length was announced."""

    sha256: str
    bytes: int
    whole: bool = True


class Done(Struct, frozen=True, kw_only=True):
    """The effect took place; `detail` says by what proof."""

    detail: str


class Rejected(Struct, frozen=True, kw_only=True):
    """The effect certainly did not take place. `permanent`: the same request will not fare better."""

    message: str
    hint: str
    kind: Kind
    permanent: bool
    reason: RejectionReason


class NeverSent(Struct, frozen=True, kw_only=True):
    """Not one byte of the request left for the server; it may be tried again."""

    message: str
    hint: str


class Unknown(Struct, frozen=True, kw_only=True):
    """Whether the effect took place cannot be told from the answer; it must not be repeated blindly."""

    message: str
    hint: str


Effect = Done | Rejected | NeverSent | Unknown


class ServiceError(ModelError):
    """A read failed.

    Attributes:
        again: whether asking again may help.
        after: the seconds the server asked to wait, 0 to 300, or None.
        code: which documented answer it was, or None.
        understood: whether it is clear what the answer means; False for one that no document describes.
        date: what the service's clock showed (aware UTC, whole seconds), or None.
    """

    def __init__(  # noqa: PLR0913 - all by name: what a caller needs to decide on the next step
        self,
        kind: Kind,
        message: str,
        *,
        hint: str,
        again: bool,
        after: float | None = None,
        code: Code | None = None,
        date: datetime | None = None,
        understood: bool = True,
    ) -> None:
        super().__init__(kind, message, hint=hint)
        self.again = again
        self.after = after
        self.code = code
        self.date = date
        self.understood = understood

    def with_texts(self, message: str, hint: str, *, code: Code | None = None) -> "ServiceError":
        """Return the same error in other words; `code` is added where it had none."""
        return ServiceError(
            self.kind,
            message,
            hint=hint,
            again=self.again,
            after=self.after,
            code=self.code or code,
            date=self.date,
            understood=self.understood,
        )


if TYPE_CHECKING:  # it brings threads, and most commands hash nothing
    from runner.http.upload_body import SentFile, UploadWatch
    from runner.lib.checksums import Checksum


class ProviderCalls(Protocol):
    """The calls of a provider that a model's training makes, each made once, from many threads.

    Reads raise `ServiceError`, which says whether asking again may help. Effects (upload, switch) do not raise for
    trouble of the network or the service: what happened to them is their value. No secret is in a text handed back.
    """

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        """Return a new job id with its upload URL; without an upload it has no effect."""

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        """Return the state of a job."""

    def upload(self, url: Secret, file: "SentFile", *, content: "Checksum | None", watch: "UploadWatch") -> Effect:
        """Send the file with exactly one request; where `watch` forbids its end, what arrives is not an upload.

        `content` is None for a file that is checked while it is sent: it can be opened once, and `watch` knows at its
        end whether it may be sent whole.
        """

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Store the result file at `target`, whole or not at all.

        It is read by `runner.results.result_file`; a provider with a form of its own stores what that reads.
        """

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        """Make the job's model the published one, with exactly one request."""

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        """Return the classifiers that this key may list, each with the model it serves now."""


class Provider(ProviderCalls, Protocol):
    """All calls of a provider."""

    def fetch_api_key(self, secret_key: Secret, model_id: int) -> FetchedApiKey:
        """Return a model's API key for the account's secret key."""

    def models(self, key: Secret) -> tuple[ListedModel, ...]:
        """Return the models that this key may list."""

    def close(self) -> None:
        """Begin no further call."""


class ServiceOptions(Struct, frozen=True, kw_only=True):
    """How the service is spoken with, where that is not documented.

    `switch_proof` says what proves a switch: a 2xx that does not speak against it, or only a body that names the job.
    `upload_headers` are sent with each upload, their names in lower case. `ca_bundle` are certificates to trust instead
    of the public ones.
    """

    fields: Fields = Fields()
    switch_proof: SwitchProof = "status"
    upload_headers: Mapping[str, str] = {}
    proxies: Proxies = NO_PROXIES
    ca_bundle: Path | None = None


class Connection(Struct, frozen=True, kw_only=True):
    """What a provider is connected with.

    `base_url` has no trailing slash; `trusted_hosts` are those that the operator trusts beside the provider's own and
    this machine. The redactor learns every secret that passes through; the keeper gets every answer.
    """

    base_url: str
    statuses: Statuses
    redactor: Redactor
    trusted_hosts: Collection[str] = ()
    options: ServiceOptions = ServiceOptions()
    keeper: AnswerKeeper | None = None


class ProviderEntry(Struct, frozen=True, kw_only=True):
    """A provider as the registry has it.

    `connect` makes no request, and raises UsageError where keys may not be sent to the host.
    """

    facts: ProviderFacts
    connect: Callable[[Connection], Provider]
