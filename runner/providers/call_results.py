"""What the service's client hands back: typed answers of reads, and the four ends an effect can have.

An effect (upload, switch) never raises for trouble of the network or the service; a read raises `ServiceError`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.lib.secrets import Secret

Phase = Literal["going", "finished", "failed"]
RejectionReason = Literal["expired_url", "not_finished", "documented", "store", "gateway"]


class Code(StrEnum):
    """Answers a caller may tell apart: the service's documented error messages, and an expired signed URL."""

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


class IssuedJob(Struct, frozen=True, kw_only=True):
    """A retrain job that has been issued and not yet started; `expires_at` (aware UTC) only where the URL tells.

    `date` is what the service's clock showed (aware UTC, whole seconds), where the answer told.
    """

    retrain_job_id: str
    upload_url: Secret
    expires_at: datetime | None
    date: datetime | None = None


class Status(Struct, frozen=True, kw_only=True):
    """What the service says of a retrain job. `word` is its status, lower case; a finished job has a `download_url`.

    `date` is what the service's clock showed (aware UTC, whole seconds), where the answer told.
    """

    word: str
    phase: Phase
    model_id: int | None
    message: str | None
    download_url: Secret | None
    date: datetime | None = None


class FetchedApiKey(Struct, frozen=True, kw_only=True):
    """A model's API key fetched with the account's secret key; `end_date` is the service's own text."""

    key: Secret
    end_date: str


class Classifier(Struct, frozen=True, kw_only=True):
    """An entry of the service's list of classifiers: the prediction API, and the number of the model it serves."""

    classifier_id: str | None
    model_id: int


class Downloaded(Struct, frozen=True, kw_only=True):
    """A result file that is whole and durable: lower-case hex SHA-256 and its size in bytes."""

    sha256: str
    bytes: int


class Done(Struct, frozen=True, kw_only=True):
    """The effect took place; `detail` says by what proof."""

    detail: str


class Rejected(Struct, frozen=True, kw_only=True):
    """The effect surely did not take place. `permanent`: the same request will not fare better."""

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
    ) -> None:
        super().__init__(kind, message, hint=hint)
        self.again = again
        self.after = after
        self.code = code
        self.date = date
