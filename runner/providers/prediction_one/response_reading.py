"""From the answer to a read to a typed value, or to a `ServiceError` that says whether asking again may help."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from runner.errors import Kind
from runner.http.addresses import UnfitError
from runner.http.headers import YEARS
from runner.http.request import Broken, RequestStage
from runner.http.responses import Answer, NotJsonError, absolute_url, one_line, read_json
from runner.lib.secrets import Secret
from runner.providers.base import Classifier, Code, FetchedApiKey, IssuedJob, ListedModel, Phase, ServiceError, Status
from runner.providers.facts import Statuses
from runner.providers.fields import Fields, Parts, scalar_text
from runner.providers.prediction_one.errors import PASSING, explain_broken, explain_status
from runner.providers.prediction_one.responses import documented, is_page, read_object, said, says_error, whole_number

# When a signed URL stops working, read from its query. Sources: Amazon S3 "Authenticating Requests: Using Query
# Parameters" (signature versions 4 and 2), Google Cloud Storage "Signed URLs" (V4, V2), Azure Storage "Create a
# service SAS" (`se`).

_STAMP = "%Y%m%dT%H%M%SZ"
_LONGEST_NUMBER = 12  # digits; beyond it no date is meant


def expiry(url: str) -> datetime | None:
    """Return the aware UTC instant at which the URL expires, or None when it does not tell one that can be meant."""
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
        told = (
            _dated(query, "x-amz-date", "x-amz-expires")
            or _dated(query, "x-goog-date", "x-goog-expires")
            or _epoch(query)
            or _sas(query)
        )
    except (ValueError, OverflowError):
        return None
    return told if told is not None and told.year in YEARS else None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise ValueError("not a plain number")
    return int(text)


def _dated(query: Mapping[str, str], date: str, seconds: str) -> datetime | None:
    if date not in query or seconds not in query:
        return None
    signed = datetime.strptime(query[date], _STAMP).replace(tzinfo=UTC)
    return signed + timedelta(seconds=_number(query[seconds]))


def _epoch(query: Mapping[str, str]) -> datetime | None:
    if "expires" not in query:
        return None
    return datetime.fromtimestamp(_number(query["expires"]), UTC)


def _sas(query: Mapping[str, str]) -> datetime | None:
    if "se" not in query:
        return None
    end = datetime.fromisoformat(query["se"])
    return end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC)


_LONGEST_ID = 200
_LONGEST_KEY = 8192  # as of those from elsewhere
_OK = 200
_NOT_SERVING = frozenset({"failed", "terminating", "terminated"})
_SHORTEST_PART = 4  # letters of a status value that is looked for within others; "ng" would be in "training"
_WORDS = re.compile(r"[\W_]+")
_ERROR_STATUS = re.compile(r"error|fail|[45][0-9]{2}")  # of an answer that names no job: the call's own, not the job's
_LIKELY = {
    "status": re.compile(r"stat|phase|progress", re.IGNORECASE),
    "retrain_job_id": re.compile(r"id$|job", re.IGNORECASE),
}
_MOST_KEYS = 12  # of an answer that are named


def arrived(answer: Answer | Broken) -> Answer:
    """Return the answer, or raise a `ServiceError` for an exchange that brought none."""
    if isinstance(answer, Answer):
        return answer
    told = explain_broken(answer)
    again = answer.stage in (RequestStage.NEVER_SENT, RequestStage.UNCLEAR)
    raise ServiceError(told.kind, told.message, hint=told.hint, again=again)


def read_job(answer: Answer, fields: Fields, asked: str) -> IssuedJob:
    """Read the answer to "Retrain Data Upload"; `asked` is the URL that was asked."""
    parts = _read_parts(answer)
    url = parts.text(fields.upload_url)
    retrain_job_id = parts.text(fields.retrain_job_id)
    if url is None:
        raise _missing(answer, parts, "upload_url", "names no upload URL")
    if retrain_job_id is None:
        raise _missing(answer, parts, "retrain_job_id", "names no retrain job")
    if any(len(parts.texts((name,))) > 1 for name in (*fields.retrain_job_id, *fields.upload_url)):
        raise _rejection(answer, "names more than one retrain job or upload URL")
    if not _usable_id(retrain_job_id) or parts.find(fields.retrain_job_id) is True:
        raise _rejection(answer, "names a retrain job by something that is not an id")
    address = _signed_url(answer, url, asked)
    return IssuedJob(
        retrain_job_id=retrain_job_id, upload_url=Secret(address), expires_at=expiry(address), date=answer.date
    )


def is_about(answer: Answer, fields: Fields, *, retrain_job_id: str) -> bool:
    """Return whether the answer is a plain success that names this retrain job."""
    document = read_object(answer.body) if answer.status == _OK else None
    return Parts.of(document).texts(fields.retrain_job_id) == {retrain_job_id}


def read_status(answer: Answer, retrain_job_id: str, fields: Fields, statuses: Statuses, asked: str) -> Status:
    """Read the answer to "Retrain Status Check"; it may leave out which job it is about, but must not name another."""
    parts = _read_parts(answer, retrain_job_id, fields)
    value = parts.text(fields.status)
    named = parts.texts(fields.retrain_job_id)
    if named - {retrain_job_id}:
        raise _rejection(answer, "is about another retrain job")
    if value is None:
        raise _missing(answer, parts, "status", "tells no status")
    value = one_line(value).lower()
    given = parts.text(fields.download_url)
    message = parts.find(fields.message)
    return Status(
        value=value,
        phase=_phase(value, statuses),
        model_id=whole_number(parts.find(fields.model_id)),
        message=one_line(message) or None if isinstance(message, str) else None,
        download_url=None if given is None else Secret(_signed_url(answer, given, asked)),
        url_keys=() if given is not None else _url_keys(parts),
        date=answer.date,
    )


def read_api_key(answer: Answer) -> FetchedApiKey:
    """Read the answer to the call that fetches a model's key; the form of `end_date` is not published."""
    document = _read_of_account(answer)
    parts = document if isinstance(document, dict) else {}
    key = parts.get("api_key")
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or not key.isascii():
        raise _rejection(answer, "holds no API key")
    return FetchedApiKey(key=Secret(key), end_date=one_line(str(parts.get("end_date") or "")))


def _read_of_account(answer: Answer) -> object:
    """Read an answer to the account's secret key: what the service says of a wrong key is said of this one."""
    try:
        return _read_success(answer)
    except ServiceError as error:
        if error.kind != Kind.CREDENTIALS:
            raise
        words = said(answer.body).rstrip(" .") or str(answer.status)
        code, understood = error.code, error.understood
    raise ServiceError(
        Kind.CREDENTIALS,
        f"{answer.host} handed out no API key for this model: {words}.",
        hint="Check the account's secret key that `secret_key` names, and `model_id`.",
        again=False,
        code=code,
        understood=understood,
    )


def read_classifiers(answer: Answer) -> tuple[Classifier, ...]:
    """Read all classifiers that are not failed or being terminated, wherever they are in the answer.

    An answer without any is believed only when it is a list of classifiers by its form: "nothing serves" lets a
    switch be sent once more, so a page of something else must not say it.
    """
    document = _read_success(answer)
    found = tuple(_classifiers(document))
    if not found and not _lists_classifiers(document):
        raise _rejection(answer, "is not a list of classifiers", again=True)
    return found


def _lists_classifiers(document: object) -> bool:
    if isinstance(document, dict):
        return isinstance(document.get("classifiers"), list)
    return isinstance(document, list) and bool(document) and all("model_id" in entry for entry in _objects(document))


def _objects(items: list[object]) -> list[dict[str, object]]:
    return [item if isinstance(item, dict) else {} for item in items]


def _read_success(answer: Answer) -> object:
    if not 200 <= answer.status <= 299:
        raise _refusal(answer)
    if answer.flaw is not None:
        raise _rejection(answer, answer.flaw, again=True)
    try:
        return read_json(answer.body)
    except NotJsonError as error:  # perhaps the page of a proxy in between, which may pass
        raise _rejection(answer, str(error), again=True) from None


def _read_parts(answer: Answer, retrain_job_id: str = "", fields: Fields | None = None) -> Parts:
    """Read a success and take it apart; a 2xx that speaks of an error is one, unless it is the named job's status."""
    document = _read_success(answer)
    parts = Parts.of(document)
    status = parts.text(fields.status) if fields is not None else None
    if fields is not None and status and parts.texts(fields.retrain_job_id) == {retrain_job_id}:
        return parts
    error = _documented_error(answer)
    if error is not None:
        raise error
    if status is None:
        wrong = says_error(document)
    else:
        others = {name: value for name, value in parts.outer.items() if scalar_text(value) != status}
        wrong = says_error(others) or _ERROR_STATUS.fullmatch(status.lower()) is not None
    if wrong:
        raise _error_in_success(answer)
    return parts


def _documented_error(answer: Answer) -> ServiceError | None:
    row = documented(answer.body)
    if row is None:
        return None
    return ServiceError(row.kind, row.message, hint=row.hint, again=False, code=row.code, date=answer.date)


def _refusal(answer: Answer) -> ServiceError:
    told = explain_status(answer)
    again = answer.status in PASSING or answer.status >= 500
    after = answer.after if again else None
    return _documented_error(answer) or ServiceError(
        told.kind, told.message, hint=told.hint, again=again, after=after, understood=False, date=answer.date
    )


def _error_in_success(answer: Answer) -> ServiceError:
    """Return the error that a 2xx speaks of in words that are not documented."""
    told = explain_status(answer)
    return ServiceError(told.kind, told.message, hint=told.hint, again=False, understood=False, date=answer.date)


def _rejection(answer: Answer, flaw: str, *, again: bool = False) -> ServiceError:
    """Return the error for a 2xx answer that cannot be read; a documented message in it goes first."""
    page = is_page(answer.body, answer.headers.get("Content-Type", ""))
    between = "Check that `service.url` is the service's host, and that no proxy answers in its place; then run again."
    return _documented_error(answer) or ServiceError(
        Kind.SERVICE,
        f"The answer of {answer.host} {flaw}.",
        hint=between if page else "Run again; if it stays, report it to the service's support.",
        again=again,
        understood=False,
        date=answer.date,
    )


def _missing(answer: Answer, parts: Parts, field: str, flaw: str) -> ServiceError:
    """Return the error for an answer without a part that is needed; it says how to name another key for it."""
    keys = [one_line(key) for key in parts.scalar_keys()][:_MOST_KEYS]
    error = _rejection(answer, f"{flaw}; its keys are {', '.join(keys)}" if keys else flaw)
    if not keys or error.understood:
        return error
    likely = _url_keys(parts) if field.endswith("_url") else tuple(filter(_LIKELY[field].search, keys))
    key = likely[0] if len(likely) == 1 else "KEY"
    hint = f"If one of these is it, name it with `fields: {{{field}: {key}}}` under `service:`, then run again."
    return error.with_texts(error.message, hint, code=Code.PART_ELSEWHERE if len(likely) == 1 else None)


def _url_keys(parts: Parts) -> tuple[str, ...]:
    """Return the keys whose values look like an address."""
    return parts.keys_of(lambda value: isinstance(value, str) and re.match(r"https?://|/[^/]", value) is not None)


def _usable_id(text: str) -> bool:
    """Whether the id can be in a path: a `.` or `..` would lead elsewhere."""
    return 0 < len(text) <= _LONGEST_ID and text.isprintable() and text.strip() == text and text.strip(".") != ""


def _signed_url(answer: Answer, value: str, asked: str) -> str:
    try:
        return absolute_url(value, asked)
    except UnfitError as error:
        flaw = str(error)
    raise _rejection(answer, f"holds a signed URL that {flaw}")


def _phase(value: str, statuses: Statuses) -> Phase:
    if value in statuses.finished:
        return "finished"
    parts = _WORDS.split(value)
    failed = any(part in (value if len(part) >= _SHORTEST_PART else parts) for part in statuses.failed)
    return "failed" if failed else "going"


def _classifiers(document: object) -> Iterator[Classifier]:
    for number, part in _of_models(document):
        if str(part.get("status", "")).strip().lower() not in _NOT_SERVING:
            yield Classifier(classifier_id=_classifier_id(part), model_id=number)


def _of_models(document: object) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield all objects that have the number of a model, with it, wherever they are in the answer."""
    waiting = [document]  # not by recursion: the nesting is the service's
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            number = whole_number(part.get("model_id"))
            if number is not None:
                yield number, part


def _classifier_id(part: dict[str, object]) -> str | None:
    """Return the entry's own id; a whole number counts as its text."""
    value = next((part[key] for key in ("classifier_id", "id") if key in part), None)
    if isinstance(value, str):
        return value
    number = whole_number(value)
    return None if number is None else str(number)


def read_models(answer: Answer) -> tuple[ListedModel, ...]:
    """Read all models with a number, wherever they are in the answer."""
    return tuple(_listed_model(number, part) for number, part in _of_models(_read_success(answer)))


def _listed_model(number: int, part: dict[str, object]) -> ListedModel:
    """Return an entry; task (`tt`) and target (`tc`) are in its `config`, or beside its number."""
    config = part.get("config")
    told = {**(config if isinstance(config, dict) else {}), **part}
    name, task, target = (told.get("name", told.get("model_name")), told.get("tt"), told.get("tc", told.get("target")))
    words = (one_line(value) if isinstance(value, str) and value else None for value in (name, task, target))
    name, task, target = words
    return ListedModel(model_id=number, name=name, task=task, target=target)
