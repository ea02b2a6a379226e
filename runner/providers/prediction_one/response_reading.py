"""From the answer to a read to a typed value, or to a `ServiceError` that says whether asking again may help."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from runner.errors import Kind
from runner.http.addresses import UnfitError, read_address
from runner.http.headers import YEARS
from runner.http.request import Broken, RequestStage
from runner.http.response_body import Answer, NotJsonError, one_line, read_json
from runner.lib.secrets import Secret
from runner.providers.base import (
    Classifier,
    FetchedApiKey,
    IssuedJob,
    ListedModel,
    Phase,
    ServiceError,
    Status,
    Statuses,
)
from runner.providers.prediction_one.errors import explain_broken, explain_status
from runner.providers.prediction_one.responses import documented, names_job, read_object, said, whole_number

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
_LONGEST_URL = 16 * 1024  # stores sign in less than 8 KiB
_OK = 200
_NOT_SERVING = frozenset({"failed", "terminating", "terminated"})
_PASSING = frozenset({408, 425, 429})


def arrived(answer: Answer | Broken) -> Answer:
    """Return the answer, or raise a `ServiceError` for an exchange that brought none."""
    if isinstance(answer, Answer):
        return answer
    told = explain_broken(answer)
    again = answer.stage in (RequestStage.NEVER_SENT, RequestStage.UNCLEAR)
    raise ServiceError(told.kind, told.message, hint=told.hint, again=again)


def read_job(answer: Answer, *, secure: bool) -> IssuedJob:
    """Read the answer to "Retrain Data Upload"; with `secure` the signed URL must be https."""
    document = _read_success(answer)
    if not isinstance(document, dict) or not {"retrain_job_id", "upload_url"} <= document.keys():
        raise _rejection(answer, "names no retrain job and upload URL")
    retrain_job_id = document["retrain_job_id"]
    if not isinstance(retrain_job_id, str) or not _usable_id(retrain_job_id):
        raise _rejection(answer, "names a retrain job by something that is not an id")
    url = _signed_url(answer, document["upload_url"], secure=secure)
    return IssuedJob(retrain_job_id=retrain_job_id, upload_url=Secret(url), expires_at=expiry(url), date=answer.date)


def is_about(answer: Answer, *, retrain_job_id: str) -> bool:
    """Tell whether the answer is a plain success that names this retrain job."""
    document = read_object(answer.body) if answer.status == _OK else None
    return document is not None and names_job(document, retrain_job_id) is True


def read_status(answer: Answer, retrain_job_id: str, statuses: Statuses, *, secure: bool) -> Status:
    """Read the answer to "Retrain Status Check"; `metadata` may be absent but must not name another job."""
    document = _read_success(answer)
    if not isinstance(document, dict) or not isinstance(document.get("status"), str):
        raise _rejection(answer, "tells no status")
    if names_job(document, retrain_job_id) is False:
        raise _rejection(answer, "is about another retrain job")
    value = one_line(document["status"]).lower()
    phase = _phase(value, statuses)
    given = document.get("download_url") or None
    if phase == "finished" and given is None:
        raise _rejection(answer, "calls the retrain job finished without a download URL", kind=Kind.RESULT)
    url = None if given is None else Secret(_signed_url(answer, given, secure=secure))
    message = document.get("message")
    return Status(
        value=value,
        phase=phase,
        model_id=_model_id(answer, document.get("model_id")),
        message=one_line(message) or None if isinstance(message, str) else None,
        download_url=url,
        date=answer.date,
    )


def read_api_key(answer: Answer) -> FetchedApiKey:
    """Read the answer to the call that fetches a model's key; the form of `end_date` is not published."""
    document = _read_of_account(answer)
    key = document.get("api_key") if isinstance(document, dict) else None
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or not key.isascii():
        raise _rejection(answer, "holds no API key")
    return FetchedApiKey(key=Secret(key), end_date=one_line(str(document.get("end_date") or "")))


def _read_of_account(answer: Answer) -> Any:
    """Read an answer to the account's secret key: what the service says of a wrong key is said of this one."""
    try:
        return _read_success(answer)
    except ServiceError as error:
        if error.kind != Kind.CREDENTIALS:
            raise
        values = said(answer.body).rstrip(" .") or str(answer.status)
        code = error.code
    raise ServiceError(
        Kind.CREDENTIALS,
        f"{answer.host} handed out no API key for this model: {values}.",
        hint="Check the account's secret key that `secret_key` names, and `model_id`.",
        again=False,
        code=code,
    )


def read_classifiers(answer: Answer) -> tuple[Classifier, ...]:
    """Read all classifiers that are not failed or being terminated, wherever they stand in the answer.

    An answer without any is believed only when it is a list of classifiers by its form: "nothing serves" lets a
    switch be sent once more, so a page of something else must not say it.
    """
    document = _read_success(answer)
    found = tuple(_classifiers(document))
    if not found and not _lists_classifiers(document):
        raise _rejection(answer, "is no list of classifiers", again=True)
    return found


def _lists_classifiers(document: Any) -> bool:
    if isinstance(document, dict):
        return isinstance(document.get("classifiers"), list)
    return isinstance(document, list) and bool(document) and all("model_id" in entry for entry in _objects(document))


def _objects(items: list[Any]) -> list[dict[str, Any]]:
    return [item if isinstance(item, dict) else {} for item in items]


def _read_success(answer: Answer) -> Any:
    if not 200 <= answer.status <= 299:
        raise _refusal(answer)
    if answer.flaw is not None:
        raise _rejection(answer, answer.flaw, again=True)
    try:
        return read_json(answer.body)
    except NotJsonError as error:  # perhaps the page of a proxy in between, which may pass
        raise _rejection(answer, str(error), again=True) from None


def _documented_error(answer: Answer) -> ServiceError | None:
    row = documented(answer.body)
    if row is None:
        return None
    return ServiceError(row.kind, row.message, hint=row.hint, again=False, code=row.code, date=answer.date)


def _refusal(answer: Answer) -> ServiceError:
    told = explain_status(answer)
    again = answer.status in _PASSING or answer.status >= 500
    after = answer.after if again else None
    return _documented_error(answer) or ServiceError(told.kind, told.message, hint=told.hint, again=again, after=after)


def _rejection(answer: Answer, flaw: str, *, again: bool = False, kind: Kind = Kind.SERVICE) -> ServiceError:
    """Return the error for a 2xx answer that is not what the contract says; a documented message in it goes first."""
    return _documented_error(answer) or ServiceError(
        kind,
        f"The answer of {answer.host} {flaw}.",
        hint="Check that `service.url` is the service's host and nothing in between answers for it; then run again.",
        again=again,
    )


def _usable_id(text: str) -> bool:
    """Whether the id can stand in a path: a `.` or `..` would lead elsewhere."""
    return 0 < len(text) <= _LONGEST_ID and text.isprintable() and text.strip() == text and text.strip(".") != ""


def _signed_url(answer: Answer, value: Any, *, secure: bool) -> str:
    if not isinstance(value, str):
        raise _rejection(answer, "holds a signed URL that is not text")
    if len(value) > _LONGEST_URL:
        raise _rejection(answer, f"holds a signed URL of more than {_LONGEST_URL} characters")
    try:
        address = read_address(value)
    except UnfitError as error:
        flaw = str(error)
    else:
        if address.scheme == "https" or not secure:
            return value
        flaw = "is not encrypted, although the service's own URL is"
    raise _rejection(answer, f"holds a signed URL that {flaw}")


def _phase(value: str, statuses: Statuses) -> Phase:
    if value in statuses.finished:
        return "finished"
    return "failed" if any(part in value for part in statuses.failed) else "going"


def _model_id(answer: Answer, value: Any) -> int | None:
    number = whole_number(value)
    if number is None and value is not None and value != "":
        raise _rejection(answer, "holds a model id that is not a number")
    return number


def _classifiers(document: Any) -> Iterator[Classifier]:
    waiting = [document]  # not by recursion: the nesting is the service's
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            number = whole_number(part.get("model_id"))
            if number is not None and str(part.get("status", "")).strip().lower() not in _NOT_SERVING:
                yield Classifier(classifier_id=_classifier_id(part), model_id=number)


def _classifier_id(part: dict[str, Any]) -> str | None:
    """Return the entry's own id; a whole number counts as its text."""
    value = next((part[key] for key in ("classifier_id", "id") if key in part), None)
    if isinstance(value, str):
        return value
    number = whole_number(value)
    return None if number is None else str(number)


def read_models(answer: Answer) -> tuple[ListedModel, ...]:
    """Read all models with a number, wherever they stand in the answer."""
    found, waiting = list[ListedModel](), [_read_success(answer)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            number = whole_number(part.get("model_id"))
            if number is not None:
                found.append(_listed_model(number, part))
    return tuple(found)


def _listed_model(number: int, part: dict[str, Any]) -> ListedModel:
    """Return an entry; task (`tt`) and target (`tc`) stand in its `config`, or beside its number."""
    config = part.get("config")
    told = {**part, **(config if isinstance(config, dict) else {})}
    name, task, target = (told.get("name", told.get("model_name")), told.get("tt"), told.get("tc", told.get("target")))
    words = (one_line(value) if isinstance(value, str) and value else None for value in (name, task, target))
    name, task, target = words
    return ListedModel(model_id=number, name=name, task=task, target=target)
