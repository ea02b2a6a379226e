"""How a fault changes the answer to one request."""

import time

from msgspec.structs import replace

from emulator.answer import Answer
from emulator.faults import FaultKind, Rule

_PROXY_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to go on</h1></body></html>\n"
_HTML = "text/html; charset=utf-8"
_INSTEAD = {
    FaultKind.STATUS_500: Answer(status=500, body=b"Internal Server Error", content_type="text/plain"),
    FaultKind.STATUS_503: Answer(
        status=503, body=b"<h1>Service Unavailable</h1>", content_type=_HTML, headers=(("Retry-After", "1"),)
    ),
    FaultKind.STATUS_429: Answer(status=429, body=b'{"message": "Too Many Requests"}', headers=(("Retry-After", "1"),)),
    FaultKind.HTML_200: Answer(status=200, body=_PROXY_PAGE, content_type=_HTML),
    FaultKind.RESET_BEFORE: Answer(status=0, delivery="reset"),
}


def instead_of(rule: Rule | None) -> Answer | None:
    """Return the answer that replaces the handling of the request, if the fault does that."""
    if rule is None:
        return None
    if rule.kind is FaultKind.LATE:
        time.sleep(rule.seconds)
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
    """Wait before the answer leaves, if the fault is that it is slow."""
    if rule is not None and rule.kind is FaultKind.SLOW:
        time.sleep(rule.seconds)
