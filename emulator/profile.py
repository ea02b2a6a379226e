"""What an emulated service is like: the one model behind `--profile` and `--faults`.

Every default is what the service's manual says, or the plain guess where it is silent; a profile names what is
different. `schemas/profile.schema.json` is made from these types, and a test keeps the two equal.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Scalar = str | int | float | bool | None
AnyJson = Annotated[Any, Meta(extra_json_schema={"type": ["object", "array", "string", "number", "boolean", "null"]})]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=10**9)]
HttpStatus = Annotated[int, Meta(ge=200, le=599)]
Event = Literal["start", "first", "issued", "uploaded", "finished", "switched"]
IdForm = Literal["hex", "uuid", "integer"]
Audience = Literal["nobody", "account", "key"]


class Call(StrEnum):
    """The calls a rule can name; `any` is every one of them."""

    UPLOAD_URL = "upload_url"
    PUT = "put"
    STATUS = "status"
    DOWNLOAD = "download"
    SWITCH = "switch"
    API_KEY = "api_key"
    MODELS = "models"
    CLASSIFIERS = "classifiers"
    ANY = "any"


class FaultKind(StrEnum):
    """A fault that a rule plays."""

    STATUS_500 = "status_500"
    STATUS_503 = "status_503"
    STATUS_429 = "status_429"
    RESET_BEFORE = "reset_before"
    LOST_ANSWER = "lost_answer"
    HALF_BODY = "half_body"
    SLOW = "slow"
    LATE = "late"
    HTML_200 = "html_200"
    EXPIRED_URL = "expired_url"
    TRAINING_FAILS = "training_fails"
    TRAINING_SLOW = "training_slow"


TIMED = frozenset({FaultKind.SLOW, FaultKind.LATE, FaultKind.TRAINING_SLOW})
"""Kinds that need `seconds`."""

ONLY_FOR = {
    FaultKind.EXPIRED_URL: frozenset({Call.UPLOAD_URL, Call.STATUS, Call.ANY}),
    FaultKind.TRAINING_FAILS: frozenset({Call.PUT, Call.ANY}),
    FaultKind.TRAINING_SLOW: frozenset({Call.PUT, Call.ANY}),
}
"""Kinds that make sense for some calls alone; a rule for `any` call hits just those."""


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a profile: a key that it does not know is an error."""


class Reply(Part, frozen=True, kw_only=True):
    """An answer in so many words: at most one of `json`, `text` and `error` is the body.

    `error` is a message in the profile's own form of errors. In `json`, `text` and `headers`, `${retrain_job_id}`,
    `${model_id}`, `${upload_url}` and `${download_url}` stand for the job's own.
    """

    status: HttpStatus | None = None
    json: AnyJson = UNSET
    text: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    content_type: str | None = None
    headers: Mapping[str, str] = {}


class Rule(Part, frozen=True, kw_only=True, rename={"since_seconds": "from"}):
    """When a request is played with, and how.

    When: `call`, `model`, and either a count or a window. Matching requests are counted from 1, all together or `per`
    model or job; the rule fires for the counts in `nth`, for every `every`-th, or for all after the first `after`. A
    window opens `from` seconds after the event `since` and closes `until` seconds after it; without `from` it is open
    before the event too. `first` is the first request the rule matches.

    How: a fault (`kind`); or an `answer` instead of the service's own, with the request's effect only when
    `effect_after` says after how many seconds (`seconds` is how long a fault or an answer takes); or changes of the
    service's JSON answer: `rename` or move keys (`metadata.retrain_job_id`), `set` or `drop` keys, `wrap` all into a
    key, and `gzip` of whatever body. All changes that match are made, of faults and answers the first is played.
    """

    call: Call
    model: str | None = None
    per: Literal["model", "job"] | None = None
    nth: Annotated[tuple[Count, ...], Meta(min_length=1)] | None = None
    every: Count | None = None
    after: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    since: Event | None = None
    since_seconds: Seconds | None = None
    until: Seconds | None = None
    kind: FaultKind | None = None
    seconds: Seconds | None = None
    answer: Reply | None = None
    effect_after: Seconds | None = None
    wrap: str | None = None
    rename: Mapping[str, str] = {}
    set: Mapping[str, AnyJson] = {}
    drop: tuple[str, ...] = ()
    gzip: bool = False

    @property
    def changes(self) -> bool:
        """Whether the rule changes the service's own answer."""
        return bool(self.wrap or self.rename or self.set or self.drop or self.gzip)


class Statuses(Part, frozen=True, kw_only=True):
    """The service's status values. The manual has `job_finished` alone, the others are guesses."""

    waiting: Scalar = "waiting_for_upload"
    training: Scalar = "training"
    finished: Scalar = "job_finished"
    failed: Scalar = "job_failed"


class ErrorForm(Part, frozen=True, kw_only=True):
    """How a refusal is written. The manual has the table of code, error and message, not the form of the body.

    `http` is the status of every refusal; without it that is the first three digits of the code. `messages` gives
    other words for the manual's.
    """

    form: Literal["flat", "nested", "list", "array", "line", "text", "message", "html", "xml"] = "flat"
    http: HttpStatus | None = None
    code: Literal["text", "number", "short"] = "text"
    full_stop: bool = True
    messages: Mapping[str, str] = {}


class UrlTerms(Part, frozen=True, kw_only=True):
    """A signed URL: how long it lives, how it is written, and what the store does with a request to it.

    `signed_headers` must be sent as they are, by their values; `${content_type}` is the type of the file's name.
    `redirects` is how often the store sends a request on to another host with `redirect_status`, `body: before` without
    reading the body.
    """

    seconds: Annotated[int, Meta(ge=1, le=86_400)] = 900
    form: Literal["absolute", "relative", "http", "https"] = "absolute"
    signed_headers: Mapping[str, str] = {}
    redirects: Annotated[int, Meta(ge=0, le=20)] = 0
    redirect_status: Literal[301, 302, 303, 307, 308] = 307
    redirect_body: Literal["before", "after"] = "after"


class Urls(Part, frozen=True, kw_only=True):
    """The signed URLs of the store."""

    upload: UrlTerms = UrlTerms()
    download: UrlTerms = UrlTerms()


class Member(Part, frozen=True, kw_only=True):
    """A file of the result. Exactly one of the others says what is in it.

    `trained` is the name of a file that the training wrote. In `text`, and in the cells of `workbook`, `${AUC}` is a
    metric by its English name, `${AUC:percent}` the same in per cent and `${AUC:comma}` with a decimal comma.
    `members` make a zip in the zip.
    """

    path: Annotated[str, Meta(min_length=1, max_length=500)]
    trained: str | None = None
    text: str | None = None
    encoding: str = "utf-8"
    workbook: tuple[tuple[Scalar, ...], ...] | None = None
    base64: bytes | None = None
    members: "tuple[Member, ...] | None" = None


class Result(Part, frozen=True, kw_only=True):
    """The result file: without `members` what the training wrote. `bare` gives the only member without a container."""

    container: Literal["zip", "tar.gz", "gzip", "bare"] = "zip"
    members: tuple[Member, ...] | None = None
    name: Annotated[str, Meta(pattern="^[^/?#]{1,200}$")] = "result.zip"
    content_type: str = "application/zip"


class Training(Part, frozen=True, kw_only=True):
    """A training takes `seconds` at least. A model in `metrics` (`any` is all others) is not trained: it scores so."""

    seconds: Seconds = 0.0
    metrics: Mapping[str, Mapping[str, float]] = {}
    fails: str | None = None


class Lists(Part, frozen=True, kw_only=True):
    """Who may read the lists: nobody, the account, or a model's retrain key too."""

    models: Audience = "account"
    classifiers: Audience = "account"


class KeyTerms(Part, frozen=True, kw_only=True):
    """The keys that the account fetches: `end_date` is a text in which `%Y-%m-%d` and the like stand for the day."""

    days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    end_date: str = "%Y-%m-%dT%H:%M:%SZ"


class Profile(Part, frozen=True, kw_only=True):
    """A service: `title` says what it is, every other key what differs from the manual and its plain guesses.

    `second_put` is what a store does with another upload to the same URL; `put_headers` are headers that it asks for
    without signing them; `clock` is by how many seconds the service's clock is ahead.
    """

    title: str = ""
    statuses: Statuses = Statuses()
    errors: ErrorForm = ErrorForm()
    urls: Urls = Urls()
    result: Result = Result()
    training: Training = Training()
    lists: Lists = Lists()
    keys: KeyTerms = KeyTerms()
    second_put: Literal["refuse", "accept", "train_again"] = "accept"
    put_headers: Mapping[str, str] = {}
    ids: IdForm = "hex"
    clock: Annotated[float, Meta(ge=-86_400, le=86_400)] = 0.0
    rules: tuple[Rule, ...] = field(default=())


DOCUMENTED = Profile(title="what the manual says, and the plain guess where it is silent")
