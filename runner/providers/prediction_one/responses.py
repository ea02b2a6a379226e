"""Error answers: the service's documented messages, and what any other refusal says of itself.

The table is the contract's: the message tells the cases apart, the code does not. The shape of the body is not
published, so it is looked for in flat and nested JSON, in XML, HTML and plain text.
"""

import json
import re
from collections.abc import Iterator

from msgspec import Struct

from runner.errors import Kind
from runner.http.responses import NotJsonError, one_line, read_json
from runner.providers.base import Code
from runner.providers.fields import Parts

_MOST_DIGITS = 15  # an integer that JSON readers everywhere keep exactly (below 2**53)


def read_object(body: bytes) -> dict[str, object] | None:
    """Return the strict JSON object of a body, or None when it is something else."""
    try:
        document = read_json(body)
    except NotJsonError:
        return None
    return document if isinstance(document, dict) else None


def whole_number(value: object) -> int | None:
    """Return an id given as an integer or as its digits; None for anything else, a bool too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 10**_MOST_DIGITS else None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    return None


MOST_ERROR_BYTES = 64 * 1024  # as far as an error's body is looked at
_TAGS = re.compile(r"<[^<>]*>")
_UNSEEN = re.compile(r"<(script|style|head)\b", re.IGNORECASE | re.ASCII)
_ENDS = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE | re.ASCII) for name in ("script", "style", "head")}
_LONGEST_SENTENCE = 300  # characters in which a documented message is looked for, between a code and other words
_STORE_CODE = re.compile(r"<Code>\s*([A-Za-z0-9]{1,60})\s*</Code>")
_STORE_MESSAGE = re.compile(r"<Message>([^<]{1,2000})</Message>")
_STORE_HEADER = re.compile(r"<HeaderName>\s*([A-Za-z0-9-]{1,60})\s*</HeaderName>")
_NAMED_HEADER = re.compile(r"\b(x-(?:ms|amz|goog)-[a-z0-9-]{1,60})\b", re.IGNORECASE)
_SUCCESS_CODES = frozenset({"", "0", "00", "200", "201", "202", "204", "null", "ok", "none", "success"})
_SAYING = ("status", "result", "statuscode")
_TELLING = ("message", "detail", "errormessage", "title")
_DENIABLE = ("success", "ok", "succeeded", "result")
_DONE = ("accepted", "applied", "switched", "updated")  # of an effect
_REASONS = ("exception", "fault", "errortype", "__type")
_NO = frozenset({"false", "no", "ng"})
_NEGATIVE = re.compile(
    r"fail|error|denied|reject|invalid|refus|forbid|\bng\b|\bnot\b|失敗|エラー|不正|無効|^[45][0-9]{2}$"
)
_REFUSING = re.compile(
    r"unauthori|unavailable|time[ds]? ?out|too many|throttl|exceed|maintenance|bad gateway|\b(log|sign) ?in\b"
)


class Documented(Struct, frozen=True, kw_only=True):
    """One row of the contract: the service's `text`, and what it means here."""

    code: Code
    text: str
    kind: Kind
    message: str
    hint: str


DOCUMENTED = (
    Documented(
        code=Code.INVALID_KEY,
        text="invalid_api_key.",
        kind=Kind.CREDENTIALS,
        message="The service does not know this API key.",
        hint="Copy the model's API key again from the service into the secret that `api_key` names.",
    ),
    Documented(
        code=Code.INACTIVE_KEY,
        text="Inactive_credential.",
        kind=Kind.CREDENTIALS,
        message="The API key is wrong or past its 30 days.",
        hint="Fetch a new key and replace the old one, or let the runner fetch it with `secret_key` and `model_id`.",
    ),
    Documented(
        code=Code.NOT_FOUND_KEY,
        text="Not_found_credential.",
        kind=Kind.CREDENTIALS,
        message="The service finds no credential for this API key.",
        hint="Check that `api_key` names the key for retraining of this model, not a key for predictions.",
    ),
    Documented(
        code=Code.USER_DELETED,
        text="This user may be deleted.",
        kind=Kind.SERVICE,
        message="The account behind this API key may have been deleted.",
        hint="Ask the owner of the account, then use a key of an account that exists.",
    ),
    Documented(
        code=Code.MODEL_DELETED,
        text="This model may be deleted.",
        kind=Kind.SERVICE,
        message="The model behind this API key may have been deleted.",
        hint="Remove the model from the manifest, or give it the key of a model that exists.",
    ),
    Documented(
        code=Code.JOB_DELETED,
        text="This job may be deleted.",
        kind=Kind.SERVICE,
        message="The service no longer has this retrain job.",
        hint="Train this data again with `retrain run --force` if its result is still wanted.",
    ),
    Documented(
        code=Code.NOT_FOUND_JOB,
        text="Not found retrain job.",
        kind=Kind.SERVICE,
        message="The service does not know this retrain job under this API key.",
        hint="Check that `api_key` is the key of the model that started the job.",
    ),
    Documented(
        code=Code.NOT_FOUND_CLASSIFIER,
        text="Not found classifier.",
        kind=Kind.SERVICE,
        message="The model's prediction API may have been deleted.",
        hint="Publish the model's prediction API again in the service, then run again.",
    ),
    Documented(
        code=Code.NOT_FINISHED,
        text="Retrain job is not finished.",
        kind=Kind.SERVICE,
        message="The retrain job is not finished.",
        hint="Wait for the training; the next run continues with it.",
    ),
    Documented(
        code=Code.SETTINGS_GONE,
        text="Not found configuration_file.",
        kind=Kind.SERVICE,
        message="The service no longer has the stored settings of this model.",
        hint="Create the model again in the service: it cannot be retrained any more.",
    ),
)


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").split()).rstrip(" .")


_BY_TEXT = {_plain(row.text): row for row in DOCUMENTED}


def documented(body: bytes) -> Documented | None:
    """Return the documented row whose message is in the body, alone or within a short text, or None."""
    texts = [_plain(text) for text in _texts(body)]
    alone = next((_BY_TEXT[text] for text in texts if text in _BY_TEXT), None)
    return alone or next((row for text in texts for row in DOCUMENTED if _holds(text, row)), None)


def _holds(text: str, row: Documented) -> bool:
    return len(text) <= _LONGEST_SENTENCE and re.search(rf"\b{re.escape(_plain(row.text))}\b", text) is not None


def said(body: bytes) -> str:
    """Return what an error body says, on one line and shortened; empty when it says nothing."""
    document = _lenient_json(body)
    if document is None:
        text = _decoded(body)
        return one_line(_TAGS.sub(" ", _seen(text)))
    by_name = dict(_named_strings(document))
    chosen = (by_name[name] for name in ("message", "error_message", "detail", "error", "title") if name in by_name)
    return one_line(next(chosen, ""))


def _seen(html: str) -> str:
    """Return HTML without the elements that a reader does not see, in linear time; one without an end stays."""
    parts, at, endless = list[str](), 0, set[str]()
    for begin in _UNSEEN.finditer(html):
        name = begin[1].lower()
        end = None if begin.start() < at or name in endless else _ENDS[name].search(html, begin.end())
        if end is not None:
            parts += [html[at : begin.start()], " "]
            at = end.end()
        elif begin.start() >= at:
            endless.add(name)
    return "".join([*parts, html[at:]])


def store_code(body: bytes) -> str | None:
    """Return the error code of an object store's XML, such as `AccessDenied`."""
    found = _STORE_CODE.search(_decoded(body))
    return found[1] if found else None


def store_said(body: bytes) -> str:
    """Return what a store says of a refusal, on one line: its code and its message.

    Nothing else of its XML: the rest of such a body repeats parts of the signed URL.
    """
    code, message = store_code(body), _STORE_MESSAGE.search(_decoded(body))
    if code is None and message is None:
        return "" if _decoded(body).lstrip().startswith("<?xml") else said(body)
    return one_line(": ".join(part for part in (code, message[1] if message else None) if part))


def store_header(body: bytes) -> str | None:
    """Return the header that a store names as missing, in lower case."""
    found = _STORE_HEADER.search(_decoded(body))
    words = store_said(body)
    if found is None and "header" in words.lower():
        found = _NAMED_HEADER.search(words)
    return found[1].lower() if found else None


def is_page(body: bytes, content_type: str) -> bool:
    """Return whether a body is a page or other markup: the word of somebody in between, not of the service."""
    return "html" in content_type.lower() or body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def says_error(document: object, *, of_effect: bool = False) -> bool:
    """Return whether a JSON answer, whatever its HTTP status, speaks of an error.

    Of an effect the words of its messages count too, and what an envelope holds.
    """
    if of_effect:
        levels = Parts.of(document).levels
        return _says_error(document, of_effect=True) or any(_says_error(level, of_effect=True) for level in levels)
    return _says_error(document, of_effect=False)


def _says_error(document: object, *, of_effect: bool) -> bool:
    if isinstance(document, list):
        document = document[0] if document else None
    if isinstance(document, str):
        return _is_negative(document, of_effect=of_effect)
    if not isinstance(document, dict):
        return document is False
    parts = {str(name).lower().replace("_", "") if name != "__type" else name: item for name, item in document.items()}
    denied = any(_denies(parts.get(name)) for name in (*_DENIABLE, *(_DONE if of_effect else ())))
    denied = denied or any(parts.get(name) == 0 for name in ("success", "ok", "succeeded"))
    told = any(parts.get(name) for name in ("error", "errors", *(_REASONS if of_effect else ())))
    code = str(parts.get("code", parts.get("errorcode", ""))).strip().lower()
    words = (str(parts[name]) for name in (*_SAYING, *(_TELLING if of_effect else ())) if name in parts)
    return (
        denied
        or told
        or code not in _SUCCESS_CODES
        or any(_is_negative(word.replace("_", " "), of_effect=of_effect) for word in words)
    )


def _denies(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in _NO)


def _is_negative(words: str, *, of_effect: bool) -> bool:
    text = words.lower()
    return _NEGATIVE.search(text) is not None or (of_effect and _REFUSING.search(text) is not None)


def _texts(body: bytes) -> Iterator[str]:
    document = _lenient_json(body)
    if document is not None:
        yield from (text for _, text in _named_strings(document))
        return
    text = _decoded(body)
    yield text
    yield from _TAGS.split(text)


def _decoded(body: bytes) -> str:
    return body[:MOST_ERROR_BYTES].decode("utf-8-sig", errors="replace")


def _lenient_json(body: bytes) -> dict[str, object] | list[object] | None:
    """Return the JSON object or array of an error body, or None; a duplicate key does not lose its message."""
    try:
        document = json.loads(_decoded(body))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list) else None


def _named_strings(document: dict[str, object] | list[object], depth: int = 2) -> Iterator[tuple[str, str]]:
    """Give each string with its lower-case key; inner objects first, so that outer keys win in a mapping."""
    inner = document.items() if isinstance(document, dict) else [("", item) for item in document]
    own = []
    for name, value in inner:
        if isinstance(value, str):
            own.append((name.lower(), value))
        elif isinstance(value, dict | list) and depth:
            yield from _named_strings(value, depth - 1)
    yield from own
