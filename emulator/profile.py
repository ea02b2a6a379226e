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

    status: Annotated[
        HttpStatus | None, Meta(description="HTTP status; 200, or that of the profile's errors, by default.")
    ] = None
    json: Annotated[AnyJson, Meta(description="A JSON body.")] = UNSET
    text: Annotated[str | UnsetType, Meta(description="A text body; if it begins with `<`, it is HTML.")] = UNSET
    error: Annotated[str | UnsetType, Meta(description="A message, as body in the profile's form of errors.")] = UNSET
    content_type: Annotated[str | None, Meta(description="Replaces the content type that fits the body.")] = None
    headers: Annotated[Mapping[str, str], Meta(description="More headers.")] = {}


class Rule(Part, frozen=True, kw_only=True, rename={"since_seconds": "from"}):
    """When a request is played with, and how: by a fault, by an answer, or by changes of the service's own answer.

    Matching requests are counted from 1; a rule has at most one of `nth`, `every` and `after`. All changes that fire
    are made; of faults and answers the first that fires is played.
    """

    call: Annotated[Call, Meta(description="The call; `any` means every call.")]
    model: Annotated[str | None, Meta(description="One model; all by default.")] = None
    per: Annotated[Literal["model", "job"] | None, Meta(description="Count for each model or job alone.")] = None
    nth: Annotated[
        Annotated[tuple[Count, ...], Meta(min_length=1)] | None, Meta(description="Fire for these counts.")
    ] = None
    every: Annotated[Count | None, Meta(description="Fire for each count that this number divides.")] = None
    after: Annotated[Annotated[int, Meta(ge=0, le=10**9)] | None, Meta(description="Fire for all after so many.")] = (
        None
    )
    since: Annotated[
        Event | None,
        Meta(description="What the window is measured from; `first` is the first request that the rule matches."),
    ] = None
    since_seconds: Annotated[
        Seconds | None, Meta(description="The window opens so many seconds after it; without this key also before it.")
    ] = None
    until: Annotated[Seconds | None, Meta(description="The window closes so many seconds after it.")] = None
    kind: Annotated[FaultKind | None, Meta(description="Play a fault.")] = None
    seconds: Annotated[Seconds | None, Meta(description="How long a timed fault or an answer takes.")] = None
    answer: Annotated[Reply | None, Meta(description="Answer this instead.")] = None
    effect_after: Annotated[
        Seconds | None,
        Meta(description="With `answer`: the request has its effect after so many seconds; never without this key."),
    ] = None
    wrap: Annotated[str | None, Meta(description="Put the answer's object below this key.")] = None
    rename: Annotated[
        Mapping[str, str], Meta(description="Rename or move keys of the answer; `a.b` is a key in an object.")
    ] = {}
    set: Annotated[Mapping[str, AnyJson], Meta(description="Set keys of the answer.")] = {}
    drop: Annotated[tuple[str, ...], Meta(description="Leave keys of the answer out.")] = ()
    gzip: Annotated[bool, Meta(description="Compress the body, whatever was asked for.")] = False

    @property
    def changes(self) -> bool:
        """Whether the rule changes the service's own answer."""
        return bool(self.wrap or self.rename or self.set or self.drop or self.gzip)


class Statuses(Part, frozen=True, kw_only=True):
    """The service's status values. The manual has `job_finished` alone, the others are guesses."""

    waiting: Annotated[Scalar, Meta(description="Before the upload.")] = "waiting_for_upload"
    training: Annotated[Scalar, Meta(description="While it trains.")] = "training"
    finished: Annotated[Scalar, Meta(description="At its end.")] = "job_finished"
    failed: Annotated[Scalar, Meta(description="When it failed.")] = "job_failed"


class ErrorForm(Part, frozen=True, kw_only=True):
    """How a refusal is written. The manual has the table of code, error and message, not the form of the body."""

    form: Annotated[
        Literal["flat", "nested", "list", "array", "line", "text", "message", "html", "xml"],
        Meta(description="`flat` is an object, `nested` one in `error`, `list` in `errors`; `text` has no code."),
    ] = "flat"
    http: Annotated[
        HttpStatus | None,
        Meta(description="The HTTP status of every refusal; the first three digits of the code by default."),
    ] = None
    code: Annotated[
        Literal["text", "number", "short"],
        Meta(description="The code as text, as a number, or as a number of nine digits."),
    ] = "text"
    full_stop: Annotated[bool, Meta(description="Whether messages end with their full stop.")] = True
    messages: Annotated[Mapping[str, str], Meta(description="Other words for messages of the manual.")] = {}


class UrlTerms(Part, frozen=True, kw_only=True):
    """A signed URL: how long it lives, how it is written, and what the store does with a request to it."""

    seconds: Annotated[Annotated[int, Meta(ge=1, le=86_400)], Meta(description="How long the URL lives.")] = 900
    form: Annotated[
        Literal["absolute", "relative", "http", "https"],
        Meta(description="Absolute, without a host, or with this scheme."),
    ] = "absolute"
    signed_headers: Annotated[
        Mapping[str, str],
        Meta(
            description="Headers that must be sent with these values; `${content_type}` is the type of the file's name."
        ),
    ] = {}
    redirects: Annotated[
        Annotated[int, Meta(ge=0, le=20)], Meta(description="How often the store sends the request on to another host.")
    ] = 0
    redirect_status: Annotated[Literal[301, 302, 303, 307, 308], Meta(description="The status of a redirect.")] = 307
    redirect_body: Annotated[
        Literal["before", "after"],
        Meta(description="Whether an upload is redirected before or after its body was read."),
    ] = "after"


class Urls(Part, frozen=True, kw_only=True):
    """The signed URLs of the store."""

    upload: Annotated[UrlTerms, Meta(description="For the data.")] = UrlTerms()
    download: Annotated[UrlTerms, Meta(description="For the result.")] = UrlTerms()


class Member(Part, frozen=True, kw_only=True):
    """A file of the result. Exactly one of the keys beside `path` and `encoding` says what is in it.

    In `text`, and in the cells of `workbook`, `${AUC}` is a metric by its English name, `${AUC:percent}` the same in
    per cent and `${AUC:comma}` with a decimal comma.
    """

    path: Annotated[Annotated[str, Meta(min_length=1, max_length=500)], Meta(description="Its path in the archive.")]
    trained: Annotated[str | None, Meta(description="A file that the training wrote, by its name.")] = None
    text: Annotated[str | None, Meta(description="A text.")] = None
    encoding: Annotated[str, Meta(description="The encoding of the text.")] = "utf-8"
    workbook: Annotated[tuple[tuple[Scalar, ...], ...] | None, Meta(description="The rows of a workbook (.xlsx).")] = (
        None
    )
    base64: Annotated[bytes | None, Meta(description="Any bytes.")] = None
    members: Annotated["tuple[Member, ...] | None", Meta(description="A zip in the zip.")] = None


class Result(Part, frozen=True, kw_only=True):
    """The result file, as it is downloaded."""

    container: Annotated[
        Literal["zip", "tar.gz", "gzip", "bare"],
        Meta(description="What the members are in; `bare` and `gzip` take one member."),
    ] = "zip"
    members: Annotated[
        tuple[Member, ...] | None, Meta(description="The files; those that the training wrote by default.")
    ] = None
    name: Annotated[
        Annotated[str, Meta(pattern="^[^/?#]{1,200}$")], Meta(description="The last part of the download URL.")
    ] = "result.zip"
    content_type: Annotated[str, Meta(description="The type that the store tells.")] = "application/zip"


class Training(Part, frozen=True, kw_only=True):
    """How long a training takes, and how it ends."""

    seconds: Annotated[Seconds, Meta(description="How long a training takes at least.")] = 0.0
    metrics: Annotated[
        Mapping[str, Mapping[str, float]],
        Meta(description="Scores by the name of a model, `any` being all others; such a model is not trained."),
    ] = {}
    fails: Annotated[str | None, Meta(description="Why every training fails.")] = None


class Lists(Part, frozen=True, kw_only=True):
    """Who may read the lists: nobody, the account, or a model's retrain key too."""

    models: Annotated[Audience, Meta(description="Who may list the models.")] = "account"
    classifiers: Annotated[Audience, Meta(description="Who may list the classifiers.")] = "account"


class KeyTerms(Part, frozen=True, kw_only=True):
    """The keys that the account fetches."""

    days: Annotated[Annotated[float, Meta(gt=0, le=36_500)], Meta(description="How long a fetched key is good.")] = 30.0
    end_date: Annotated[str, Meta(description="How its end is written, with `%Y-%m-%d` and the like.")] = (
        "%Y-%m-%dT%H:%M:%SZ"
    )


class Profile(Part, frozen=True, kw_only=True):
    """A service: `title` says what it is, every other key what differs from the manual and its plain guesses."""

    title: Annotated[str, Meta(description="What kind of service it is.")] = ""
    statuses: Annotated[Statuses, Meta(description="Status values.")] = Statuses()
    errors: Annotated[ErrorForm, Meta(description="The form of errors.")] = ErrorForm()
    urls: Annotated[Urls, Meta(description="Signed URLs.")] = Urls()
    result: Annotated[Result, Meta(description="The result file.")] = Result()
    training: Annotated[Training, Meta(description="Trainings.")] = Training()
    lists: Annotated[Lists, Meta(description="Who may read the lists.")] = Lists()
    keys: Annotated[KeyTerms, Meta(description="Keys that the account fetches.")] = KeyTerms()
    second_put: Annotated[
        Literal["refuse", "accept", "train_again"], Meta(description="What another upload to the same URL does.")
    ] = "accept"
    put_headers: Annotated[
        Mapping[str, str], Meta(description="Headers that the store asks for and that are not signed.")
    ] = {}
    ids: Annotated[IdForm, Meta(description="The form of job ids.")] = "hex"
    clock: Annotated[
        Annotated[float, Meta(ge=-86_400, le=86_400)],
        Meta(description="By how many seconds the service's clock is ahead."),
    ] = 0.0
    rules: Annotated[tuple[Rule, ...], Meta(description="Faults, answers and changes.")] = field(default=())


DOCUMENTED = Profile(title="what the manual says, and the plain guess where it is silent")
