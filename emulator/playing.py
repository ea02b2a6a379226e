"""How a fault, an answer in so many words, or a change becomes what leaves on the wire."""

import gzip
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from emulator.answer import Answer
from emulator.contract import BAD_REQUEST, BAD_REQUEST_CODE, error_answer
from emulator.profile import ErrorForm, FaultKind, Reply, Rule

_PROXY_PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>\n"
)
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_PLACE = re.compile(r"\$\{(\w+)\}")
_INSTEAD = {
    FaultKind.STATUS_500: Answer(status=500, body=b"Internal Server Error", content_type="text/plain"),
    FaultKind.STATUS_503: Answer(
        status=503, body=b"<h1>Service Unavailable</h1>", content_type=_HTML, headers=(("Retry-After", "1"),)
    ),
    FaultKind.STATUS_429: Answer(status=429, body=b'{"message": "Too Many Requests"}', headers=(("Retry-After", "1"),)),
    FaultKind.HTML_200: Answer(status=200, body=_PROXY_PAGE, content_type=_HTML),
    FaultKind.RESET_BEFORE: Answer(status=0, delivery="reset"),
}

Values = Mapping[str, Callable[[], object]]
"""What the placeholders of a reply stand for; made only when a reply asks."""


def instead_of(rule: Rule | None) -> Answer | None:
    """Return the answer that replaces the handling of the request, if the fault does that."""
    if rule is None or rule.kind is None:
        return None
    if rule.kind is FaultKind.LATE:
        time.sleep(rule.seconds or 0.0)
    return _INSTEAD.get(rule.kind)


def spoil(rule: Rule | None, answer: Answer) -> Answer:
    """Return the answer as it leaves, after the request has had its effect."""
    match rule.kind if rule else None:
        case FaultKind.LOST_ANSWER:
            return replace(answer, status=0, delivery="hang_up")
        case FaultKind.HALF_BODY:
            return replace(answer, delivery="half")
        case _:
            return answer


def hold_back(rule: Rule | None) -> None:
    """Wait before the answer leaves, if the rule is that it is slow."""
    if rule is not None and rule.kind in (FaultKind.SLOW, None):
        time.sleep(rule.seconds or 0.0)


def say(reply: Reply, values: Values, errors: ErrorForm) -> Answer:
    """Return a reply with its placeholders filled in."""
    headers = tuple((name, str(_filled(text, values))) for name, text in reply.headers.items())
    if reply.error is not UNSET:
        answer = error_answer(BAD_REQUEST_CODE, BAD_REQUEST, reply.error, errors)
    elif reply.json is not UNSET:
        answer = Answer(status=200, body=_encoded(_filled(reply.json, values)))
    else:
        text = "" if reply.text is UNSET else str(_filled(reply.text, values))
        answer = Answer(status=200, body=text.encode(), content_type=_HTML if text.startswith("<") else _TEXT)
    return replace(
        answer,
        status=reply.status or answer.status,
        content_type=reply.content_type or answer.content_type,
        headers=headers,
    )


def change(rule: Rule, answer: Answer, values: Values) -> Answer:
    """Return the service's answer with the changes of one rule; keys are changed in a JSON object that succeeds."""
    if answer.status < 300 and (rule.wrap or rule.rename or rule.set or rule.drop):
        document = _object(answer.body)
        if document is not None:
            answer = replace(answer, body=_encoded(_changed(rule, document, values)))
    if rule.gzip and answer.body:
        headers = (*answer.headers, ("Content-Encoding", "gzip"))
        answer = replace(answer, body=gzip.compress(answer.body, mtime=0), headers=headers)
    return answer


def _changed(rule: Rule, document: dict[str, Any], values: Values) -> dict[str, Any]:
    changed = {key: value for key, value in document.items() if key not in (*rule.drop, *rule.rename)}
    for old, new in rule.rename.items():
        if old in document:
            _put(changed, new.split("."), document[old])
    changed |= {key: _filled(value, values) for key, value in rule.set.items()}
    return {rule.wrap: changed} if rule.wrap else changed


def _put(target: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = target.get(key)
        target[key] = dict(inner) if isinstance(inner, dict) else {}
        target = target[key]
    target[path[-1]] = value


def _filled(value: Any, values: Values) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value)
    if whole and whole[1] in values:
        return values[whole[1]]()
    return _PLACE.sub(lambda place: str(values[place[1]]()) if place[1] in values else place[0], value)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
