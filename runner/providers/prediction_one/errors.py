"""What an answer to an effect proves: success, refusal, or nothing (`Unknown`)."""

from msgspec import Struct

from runner.errors import Kind
from runner.http.request import Broken, RequestStage
from runner.http.response_body import Answer
from runner.providers.base import Code, Done, Effect, NeverSent, Rejected, RejectionReason, Unknown
from runner.providers.prediction_one.responses import (
    Documented,
    documented,
    looks_like_error,
    names_job,
    read_object,
    said,
    store_code,
)

_KEY_STATUSES = frozenset({401, 403})


class Explained(Struct, frozen=True, kw_only=True):
    """Kind, message and hint of an error that is yet to be made."""

    kind: Kind
    message: str
    hint: str


def explain_broken(broken: Broken) -> Explained:
    """Explain an exchange that brought no answer."""
    if broken.stage is RequestStage.UNFIT_KEY:
        return Explained(
            kind=Kind.CREDENTIALS,
            message=f"Nothing was sent: {broken.cause}.",
            hint="Look for line ends, quotes or spaces in the secret that `api_key` names.",
        )
    if broken.stage is RequestStage.UNFIT_URL:
        return Explained(
            kind=Kind.SERVICE,
            message=f"Nothing was sent: the URL to ask {broken.cause}.",
            hint="Check `service.url`; if it is right, report this to the service's support.",
        )
    return Explained(
        kind=Kind.NETWORK,
        message=f"{broken.host} {broken.cause}.",
        hint="Check the network and `service.url`, then run again.",
    )


def explain_status(answer: Answer) -> Explained:
    """Explain an HTTP status other than 2xx without a documented message."""
    said_text = said(answer.body).rstrip(" .")
    message = f"{answer.host} answered {answer.status}{f': {said_text}' if said_text else ''}."
    if answer.status in _KEY_STATUSES:
        hint = "Check the secret that `api_key` names, and whether a gateway in between asks for more."
        return Explained(kind=Kind.CREDENTIALS, message=message, hint=hint)
    if 300 <= answer.status <= 399:
        hint = "Redirects are not followed, because the key would travel along: set `service.url` to the final host."
        return Explained(kind=Kind.CONFIG, message=message, hint=hint)
    if answer.status == 429 or answer.status >= 500:
        hint = "Run again later; lower `limits.parallel` if this happens often."
        return Explained(kind=Kind.SERVICE, message=message, hint=hint)
    hint = "Check that `service.url` is the service's host and that the retrain job belongs to this model's key."
    return Explained(kind=Kind.SERVICE, message=message, hint=hint)


_GATEWAY_REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 410})
_STORE_REFUSALS = frozenset({400, 403, 411, 412, 501})
_EXPIRED_CODES = frozenset({"ExpiredToken"})
_PASSING_CODES = frozenset({"RequestTimeout", "IncompleteBody"})
_READ_STATUS_HINT = "The status of the retrain job will tell; do not upload this data by hand."
_READ_BACK_HINT = "The runner reads back which model is in service where it can; `retrain status` shows what it learnt."


def upload_effect(answer: Answer | Broken, *, handed_over: bool) -> Effect:
    """Judge the answer to an upload; `handed_over` tells whether every byte of the body was sent."""
    if isinstance(answer, Broken):
        return _broken(answer, f"Whether the upload reached {answer.host} is not known", _READ_STATUS_HINT)
    if 200 <= answer.status <= 299 and handed_over:
        return Done(detail=f"The store answered {answer.status}.")
    code = store_code(answer.body)
    if answer.status in _STORE_REFUSALS and code is not None:  # without it, a page of whoever stands in between
        return _refused_by_store(answer.status, code)
    return Unknown(
        message=f"{answer.host} answered the upload with {answer.status}, which proves nothing.",
        hint=_READ_STATUS_HINT,
    )


def switch_effect(answer: Answer | Broken, retrain_job_id: str) -> Effect:
    """Judge the answer to a switch to the given job's model."""
    if isinstance(answer, Broken):
        return _broken(answer, f"Whether the switch reached {answer.host} is not known", _READ_BACK_HINT)
    if 200 <= answer.status <= 299:
        return _switched(answer, retrain_job_id)
    row = documented(answer.body)
    if row is not None:
        return _refused_by_service(row)
    if answer.status in _GATEWAY_REFUSALS and read_object(answer.body) is not None:
        return _refused_by_gateway(answer)
    return Unknown(
        message=f"{answer.host} answered the switch with {answer.status}, which proves nothing.", hint=_READ_BACK_HINT
    )


def _broken(broken: Broken, doubt: str, hint: str) -> Effect:
    if broken.stage is RequestStage.UNCLEAR:
        return Unknown(message=f"{doubt}: {broken.host} {broken.cause}.", hint=hint)
    told = explain_broken(broken)
    if broken.stage is RequestStage.NEVER_SENT:
        return NeverSent(message=f"Nothing was sent: {told.message}", hint=told.hint)
    reason: RejectionReason = "gateway" if broken.stage is RequestStage.UNFIT_KEY else "store"
    return Rejected(message=told.message, hint=told.hint, kind=told.kind, permanent=True, reason=reason)


def _refused_by_store(status: int, code: str) -> Rejected:
    told = f"{status} {code}"
    if status == 403 or code in _EXPIRED_CODES:
        return Rejected(
            message=f"The store refused the upload ({told}): its signed URL has expired or is not valid.",
            hint="The runner takes a new retrain job when that is safe; check this machine's clock if it stays.",
            kind=Kind.SERVICE,
            permanent=False,
            reason="expired_url",
        )
    return Rejected(
        message=f"The store refused the upload ({told}).",
        hint="Run again; if the answer stays, report it to the service's support with the retrain job's id.",
        kind=Kind.SERVICE,
        permanent=code not in _PASSING_CODES,
        reason="store",
    )


def _switched(answer: Answer, retrain_job_id: str) -> Effect:
    document = read_object(answer.body)
    if document is None or looks_like_error(document) or names_job(document, retrain_job_id) is None:
        return Unknown(
            message=f"{answer.host} answered the switch with {answer.status}, but not with the proof of a switch.",
            hint=_READ_BACK_HINT,
        )
    if not names_job(document, retrain_job_id):
        return Unknown(
            message=f"{answer.host} answered the switch with the id of another retrain job.", hint=_READ_BACK_HINT
        )
    return Done(detail=f"The service answered {answer.status}.")


def _refused_by_service(row: Documented) -> Rejected:
    unfinished = row.code is Code.NOT_FINISHED
    return Rejected(
        message=row.message,
        hint=row.hint,
        kind=row.kind,
        permanent=not unfinished,
        reason="not_finished" if unfinished else "documented",
    )


def _refused_by_gateway(answer: Answer) -> Rejected:
    told = explain_status(answer)
    return Rejected(message=told.message, hint=told.hint, kind=told.kind, permanent=True, reason="gateway")
