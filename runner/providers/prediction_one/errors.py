"""What an answer means: of an effect success, refusal or nothing (`Unknown`); of a refusal what a person can do."""

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

from runner.errors import Kind
from runner.http.request import Broken, RequestStage
from runner.http.responses import Answer, NotJsonError, read_json
from runner.providers.base import (
    Code,
    Done,
    Effect,
    NeverSent,
    Rejected,
    RejectionReason,
    ServiceOptions,
    Unknown,
)
from runner.providers.fields import Parts
from runner.providers.prediction_one.responses import (
    Documented,
    documented,
    is_page,
    said,
    says_error,
    store_code,
    store_header,
    store_said,
)

PASSING = frozenset({408, 425, 429})  # of a client's errors those that say nothing about the request
_GATEWAY_REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 409, 410, 422, 423})
_EXPIRED = re.compile(r"expired|not valid in the specified time|signature not valid in the", re.IGNORECASE)
_SIGNATURE = re.compile(r"signature|accessdenied|authentic|invalidaccesskey|forbidden", re.IGNORECASE)
_TOO_LARGE = re.compile(r"too.?large|exceeds the maximum", re.IGNORECASE)
_PASSING_CODES = frozenset({"RequestTimeout", "IncompleteBody"})
_LOCKED = re.compile(r"\block(ed|s)?\b|ロック", re.IGNORECASE)
_LIMIT = re.compile(r"\b(limit|quota|exceed\w*|too many|maximum)\b|上限|超過|超え|制限", re.IGNORECASE)
_KEY = re.compile(
    r"api.?key|credential|token|unauthori|forbidden|not authori|denied|authentic|認証|キー|鍵|権限", re.IGNORECASE
)
_LONGEST_PROOF = 200  # bytes of a plain text that may confirm a switch
_READ_STATUS_HINT = "The status of the retrain job will tell; do not upload this data by hand."
_READ_BACK_HINT = "The runner reads back which model is in service where it can; `retrain status` shows what it learnt."

REDIRECTED_AFTERWARDS = Unknown(
    message="The store redirected the upload, and the retrain job may have taken the data anyway.",
    hint=_READ_STATUS_HINT,
)


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
    if broken.stage is RequestStage.MISLED:
        return Explained(
            kind=Kind.SERVICE,
            message=f"{broken.host} {broken.cause}.",
            hint="Report this to the service's support with the retrain job's id.",
        )
    hint = "Check the network and `service.url`, then run again."
    if "certificate" in broken.cause:
        hint = (
            "Where a company's proxy or authority signs, name its certificates with `ca_bundle: FILE` under `service:`."
        )
    elif "proxy" in broken.cause:
        hint = "Check HTTPS_PROXY and NO_PROXY, or `proxy` under `service:` (`proxy: none` uses none), then run again."
    return Explained(kind=Kind.NETWORK, message=f"{broken.host} {broken.cause}.", hint=hint)


def explain_status(answer: Answer) -> Explained:
    """Explain an HTTP status other than 2xx without a documented message, by the words of whoever answered."""
    words = said(answer.body).rstrip(" .。")
    message = f"{answer.host} answered {answer.status}{f': {words}' if words else ''}."
    kind, hint = _advice(answer.status, words)
    return Explained(kind=kind, message=message, hint=hint)


def _advice(status: int, words: str) -> tuple[Kind, str]:
    """Return what kind of trouble a refusal is, and what to do."""
    return next((kind, hint) for fits, kind, hint in _ADVICE if fits(status, words))


# In the order that counts: the words before the status where that is used for several things.
_ADVICE: tuple[tuple[Callable[[int, str], object], Kind, str], ...] = (
    (
        lambda status, _: 300 <= status <= 399,
        Kind.CONFIG,
        "Redirects are not followed, because the key would travel along: set `service.url` to the final host.",
    ),
    (
        lambda status, _: status == 429,
        Kind.SERVICE,
        "The service limits how often it is asked: run again later; if it stays, ask its support for the limit.",
    ),
    (
        lambda status, _: status >= 500,
        Kind.SERVICE,
        "Run again later; if it stays, report it to the service's support.",
    ),
    (
        lambda status, words: status == 423 or _LOCKED.search(words),
        Kind.SERVICE,
        "It is locked: have it unlocked in the product, then run again.",
    ),
    (
        lambda status, words: status == 402 or _LIMIT.search(words),
        Kind.SERVICE,
        "A limit of the account is reached: remove in the product what it counts, or have it raised, then run again.",
    ),
    (
        lambda status, words: status in {401, 403} or _KEY.search(words),
        Kind.CREDENTIALS,
        "Check the secret that `api_key` names: it must be this model's own key for retraining.",
    ),
    (
        lambda status, words: status in {404, 405} and words.isascii(),
        Kind.SERVICE,
        "Check that `service.url` is the service's host, and that the model and its key belong together.",
    ),
    (
        lambda _status, _words: True,
        Kind.SERVICE,
        "Run again; if it stays, report these words to the service's support.",
    ),
)


def upload_effect(answer: Answer | Broken, *, handed_over: bool) -> Effect:
    """Judge the answer to an upload; `handed_over` says whether every byte of the body was sent."""
    if isinstance(answer, Broken):
        return _broken(answer, f"Whether the upload reached {answer.host} is not known", _READ_STATUS_HINT)
    if 200 <= answer.status <= 299 and handed_over:
        return Done(detail=f"The store answered {answer.status}.")
    refused = 400 <= answer.status <= 499 and answer.status not in PASSING
    if refused or (answer.status in (301, 501) and store_code(answer.body) is not None):
        return _refused_by_store(answer)
    return Unknown(
        message=f"{answer.host} answered the upload with {answer.status}, which proves nothing.",
        hint=_READ_STATUS_HINT,
    )


def _refused_by_store(answer: Answer) -> Rejected:
    words = store_said(answer.body).rstrip(" .。")
    told = f"{answer.status} {words}".strip()
    code = store_code(answer.body)
    reason: RejectionReason = "store"
    if _EXPIRED.search(words):
        reason = "expired_url"
    elif answer.status in (401, 403) or _SIGNATURE.search(words):
        reason = "signature"
    return Rejected(
        message=f"The store refused the upload ({told}).",
        hint=_store_advice(answer, words, reason),
        kind=Kind.SERVICE,
        permanent=reason != "expired_url" and code not in _PASSING_CODES,
        reason=reason,
    )


def _store_advice(answer: Answer, words: str, reason: RejectionReason) -> str:
    header = store_header(answer.body)
    if header is not None:
        value = "BlockBlob" if header == "x-ms-blob-type" else "VALUE"
        line = f"upload: {{headers: {{{header}: {value}}}}}"
        return f"The store asks for the header {header}: add `{line}` under `service:`, then run again."
    if reason == "expired_url":
        return "The runner takes a new retrain job; if it stays, check this machine's clock."
    if reason == "signature":
        return (
            "Its signed URL has not expired. If it signs a header, such as content-type, give its value with "
            "`upload: {headers: {content-type: TYPE}}` under `service:`; otherwise report it to the service's support."
        )
    if answer.status == 413 or _TOO_LARGE.search(words):
        return "The file is too large for the store: train with fewer rows or columns."
    return "Run again; if the answer stays, report it to the service's support with the retrain job's id."


def switch_effect(
    answer: Answer | Broken, retrain_job_id: str, options: ServiceOptions, busy: tuple[str, ...]
) -> Effect:
    """Judge the answer to a switch to the given job's model; `busy` are words of a refusal that passes."""
    if isinstance(answer, Broken):
        return _broken(answer, f"Whether the switch reached {answer.host} is not known", _READ_BACK_HINT)
    row = documented(answer.body)
    if row is not None:
        return _refused_by_service(row)
    if 200 <= answer.status <= 299:
        return _switched(answer, retrain_job_id, options)
    if answer.status in _GATEWAY_REFUSALS and not is_page(answer.body, answer.headers.get("Content-Type", "")):
        return _refused_by_gateway(answer, busy)
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


def _switched(answer: Answer, retrain_job_id: str, options: ServiceOptions) -> Effect:
    """Judge a 2xx: it proves the switch, unless its body is an error, a page or about another job."""
    document, flaw = _confirmation(answer)
    named = Parts.of(document).texts(options.fields.retrain_job_id)
    if any(Parts.of(part).texts(options.fields.retrain_job_id) - {retrain_job_id} for part in _objects(document)):
        flaw = "with the id of another retrain job"
    elif flaw is None and options.switch_proof == "body" and not named:
        flaw = "but not with the id of the retrain job, which `switch_proof: body` asks for"
    if flaw is None:
        return Done(detail=f"The service answered {answer.status}.")
    return Unknown(message=f"{answer.host} answered the switch with {answer.status}, {flaw}.", hint=_READ_BACK_HINT)


def _objects(document: object) -> Iterator[object]:
    """Give every object of a document; not by recursion: the nesting is the service's."""
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _confirmation(answer: Answer) -> tuple[object, str | None]:
    """Return the JSON of a 2xx, None without any, and what speaks against it."""
    if answer.flaw is not None:
        return None, f"but its body {answer.flaw}"
    if not answer.body.strip():
        return None, None
    if is_page(answer.body, answer.headers.get("Content-Type", "")):
        return None, "but with a page, not with an answer of the service"
    try:
        document = read_json(answer.body)
    except NotJsonError:
        text = answer.body.decode("utf-8", errors="replace")
        plain = (
            len(answer.body) <= _LONGEST_PROOF and text.lstrip()[:1] not in ("{", "[") and text.strip().isprintable()
        )
        unclear = not plain or "\ufffd" in text or says_error(text, of_effect=True)
        return None, "but not with the proof of a switch" if unclear else None
    return document, "but its body speaks of an error" if says_error(document, of_effect=True) else None


def _refused_by_service(row: Documented) -> Rejected:
    unfinished = row.code is Code.NOT_FINISHED
    return Rejected(
        message=row.message,
        hint=row.hint,
        kind=row.kind,
        permanent=not unfinished,
        reason="busy" if unfinished else "documented",
    )


def _refused_by_gateway(answer: Answer, busy: tuple[str, ...]) -> Rejected:
    told, words = explain_status(answer), said(answer.body).lower()
    passes = not _LOCKED.search(words) and (answer.status == 409 or any(word in words for word in busy))
    return Rejected(
        message=told.message,
        hint="Run again later; the decision is kept, and the next run switches." if passes else told.hint,
        kind=Kind.SERVICE if passes else told.kind,
        permanent=not passes,
        reason="busy" if passes else "gateway",
    )
