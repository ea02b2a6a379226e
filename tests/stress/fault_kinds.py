"""The ways in which a connection or an answer goes wrong: one `Kind` each.

A kind acts on the bare socket, given the ordinary answer of the call. What it `claims` about the request decides
whether its effect may be done: a store that took the file and swears that it did not breaks the contract.
"""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from tests.fakes.loopback_port import Answer
from tests.fakes.two_port_records import documented, store_error
from tests.stress.fault_port import Wire, head_of

Operation = Literal["upload_url", "put", "status", "download", "switch", "classifiers", "api_key"]
Claim = Literal["cut", "nothing", "refused", "success", "page"]
Act = Callable[[Wire, Answer], None]
OPERATIONS: tuple[Operation, ...] = ("upload_url", "put", "status", "download", "switch", "classifiers", "api_key")
EFFECTS = frozenset({"put", "switch"})
LATE_S = 4.0  # longer than the client's deadline for a call
ECHO = "{echo}"  # stands for the request's own secrets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """One way to go wrong.

    `claims` is what it tells of an effect. `cut`: the request was not read to its end; `nothing`: it may be done or
    not; `refused`: it is not; `success`: it is; `page`: an answer that proves a store's success by its head, and
    nothing else. `claims_on` overrides that for an operation. `route` names the port of `FaultService` that the
    connection is led to instead, and then nothing acts. `harmless`: the call may well succeed anyway.
    """

    name: str
    act: Act = field(default=lambda _wire, _answer: None)
    claims: Claim = "nothing"
    claims_on: Mapping[str, Claim] = field(default_factory=dict)
    route: str | None = None
    harmless: bool = False
    only: frozenset[str] = frozenset(OPERATIONS)
    secure: bool = False  # needs a world over TLS

    def effects(self, operation: Operation) -> tuple[bool, ...]:
        """Return whether the call's effect may be done, not done, or either, before the fault."""
        if operation not in EFFECTS:
            return (True,)
        claim = self.claims_on.get(operation, self.claims)
        if claim == "page":
            return (True,) if operation == "put" else (False, True)
        return {"cut": (False,), "refused": (False,), "success": (True,), "nothing": (False, True)}[claim]


def _status(number: int, *headers: tuple[str, str], body: bytes = b"") -> Act:
    return lambda wire, _answer: wire.answer(Answer(status=number, body=body, headers=headers))


def _json(body: bytes) -> Act:
    return lambda wire, _answer: wire.answer(Answer(status=200, body=body))


def _cut(cut: Callable[[bytes], int], *, reset: bool = False) -> Act:
    """Send the answer's first bytes; then hang up or reset."""

    def act(wire: Wire, answer: Answer) -> None:
        content = head_of(answer) + answer.body
        wire.say(content[: cut(content)])
        if reset:
            wire.wait(0.02)  # else the reset overtakes the bytes before it
            wire.reset()

    return act


def _in_body(content: bytes) -> int:
    return content.index(b"\r\n\r\n") + 4 + max(len(content) - content.index(b"\r\n\r\n") - 4, 1) // 2


def _late(wire: Wire, answer: Answer) -> None:
    wire.wait(LATE_S)
    wire.answer(answer)


def _length(change: Callable[[int], str]) -> Act:
    return lambda wire, answer: wire.say(head_of(answer, length=change(len(answer.body))), answer.body)


def _drip_of_body(wire: Wire, answer: Answer) -> None:
    wire.say(head_of(answer, length=str(len(answer.body) + 4000)))  # 200 s: longer than any call or model may take
    wire.drip(answer.body + b" " * 4000)


def _encoded(content: Callable[[bytes], bytes]) -> Act:
    def act(wire: Wire, answer: Answer) -> None:
        coded = replace(answer, body=content(answer.body), headers=(*answer.headers, ("Content-Encoding", "gzip")))
        wire.answer(coded)

    return act


def _bomb(_body: bytes) -> bytes:
    return gzip.compress(b"0" * (64 << 20), compresslevel=1)


def _chunked(tail: Callable[[bytes], bytes]) -> Act:
    def act(wire: Wire, answer: Answer) -> None:
        headers = (*answer.headers, ("Transfer-Encoding", "chunked"))
        wire.say(head_of(replace(answer, headers=headers), length=None), tail(answer.body))

    return act


def _chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def _drip_of_chunks(wire: Wire, answer: Answer) -> None:
    """Send the body in chunks of a byte, and then spaces without an end in sight."""
    wire.say(head_of(replace(answer, headers=(("Transfer-Encoding", "chunked"),)), length=None))
    for byte in answer.body + b" " * 4000:
        wire.say(_chunk(bytes([byte])))
        if wire.ending.wait(0.05):
            return


def _drip_without_length(wire: Wire, answer: Answer) -> None:
    wire.say(head_of(answer, length=None))
    wire.drip(answer.body + b" " * 4000)


def _endless_chunks(wire: Wire, answer: Answer) -> None:
    wire.say(head_of(replace(answer, headers=(("Transfer-Encoding", "chunked"),)), length=None))
    wire.repeat(b"1\r\n \r\n")


def _and_more(extra: bytes) -> Act:
    """Answer as usual and continue talking."""

    def act(wire: Wire, answer: Answer) -> None:
        wire.answer(answer)
        wire.say(extra)

    return act


def _before(first: bytes) -> Act:
    def act(wire: Wire, answer: Answer) -> None:
        wire.say(first)
        wire.answer(answer)

    return act


def _altered(change: Callable[[dict[str, object]], object]) -> Act:
    """Answer with the ordinary JSON object, altered; bodies that are none go out as an empty object."""

    def act(wire: Wire, answer: Answer) -> None:
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = {}
        wire.answer(replace(answer, status=200, body=json.dumps(change(value)).encode()))

    return act


def _some_of_the_body(wire: Wire, _answer: Answer) -> None:
    """Take a part of the body, where it did not come with the head, and reset."""
    if not wire.early:
        wire.sock.recv(200)
    wire.reset()


def _in_a_second(wire: Wire, _answer: Answer) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    wire.answer(Answer(status=503, headers=(("Retry-After", when),)))


def _with_url(change: Callable[[str], object]) -> Act:
    """Change the signed URL; an answer without one gets one."""

    def altered(value: dict[str, object]) -> object:
        name = "upload_url" if "upload_url" in value else "download_url"
        return value | {name: change(str(value.get(name, "http://127.0.0.1/x?k=1")))}

    return _altered(altered)


def _of_another_job(value: dict[str, object]) -> object:
    other = {"retrain_job_id": "job-of-somebody-else"}
    return value | other | {"metadata": other} if "upload_url" not in value else value | {"retrain_job_id": ".."}


_REFUSED_SWITCH: Mapping[str, Claim] = {"switch": "refused"}
_HTML = b"<html><head><title>Sign in</title></head><body>Your network needs you to sign in.</body></html>"
_NOTHING_JSON = b'{"detail": "told by the gateway"}'
_BARE = (404, 408, 409, 410, 413, 425, 500, 501, 502, 504, 511, 999)
_OF_PAGES = (400, 401, 403, 407, 411, 451)
_EXPIRED = store_error(403, "AccessDenied")
_DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
_API = frozenset(OPERATIONS) - {"put", "download"}
_NAMING_URLS = frozenset({"upload_url", "status"})

WIRE_KINDS = (
    Kind(name="refused", route="closed", claims="cut"),
    Kind(name="unresolvable", route="unresolvable", claims="cut"),
    Kind(name="connect-timeout", route="full", claims="cut"),
    Kind(name="reset-on-accept", route="resetting", claims="cut"),
    Kind(name="hang-up-on-accept", route="hanging-up", claims="cut"),
    Kind(name="reset-before-the-body", act=lambda wire, _answer: wire.reset(), claims="cut"),
    Kind(name="reset-within-the-body", act=_some_of_the_body, claims="cut", only=frozenset({"put"})),
    Kind(name="reset-after-the-body", act=lambda wire, _answer: wire.reset()),
    Kind(name="silence", act=lambda wire, _answer: wire.wait(LATE_S)),
    Kind(name="late-answer", act=_late),
    Kind(name="hang-up-before-the-status-line"),
    Kind(name="hang-up-within-the-status-line", act=_cut(lambda _content: 7)),
    Kind(name="hang-up-after-the-status-line", act=_cut(lambda content: content.index(b"\r\n") + 2)),
    Kind(name="hang-up-within-the-headers", act=_cut(lambda content: content.index(b"\r\n\r\n"))),
    Kind(name="reset-within-the-answer", act=_cut(_in_body, reset=True), claims="page"),
    Kind(name="hang-up-within-the-answer", act=_cut(_in_body), claims="page"),
    Kind(name="drip-of-the-head", act=lambda wire, answer: wire.drip(head_of(answer), pause=0.2)),
    Kind(name="drip-of-the-body", act=_drip_of_body, claims="page"),
    Kind(name="continue-first", act=_before(b"HTTP/1.1 100 Continue\r\n\r\n"), claims="success", harmless=True),
    Kind(name="continue-and-hang-up", act=lambda wire, _answer: wire.say(b"HTTP/1.1 100 Continue\r\n\r\n")),
    Kind(name="continue-for-ever", act=lambda wire, _answer: wire.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
    Kind(name="early-hints", act=_before(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
    Kind(name="switching-protocols", act=_status(101, ("Upgrade", "h2c"))),
    Kind(name="no-http", act=lambda wire, _answer: wire.say(b"this is not the answer of a web server\r\n" * 3)),
    Kind(name="binary-garbage", act=lambda wire, _answer: wire.say(bytes(range(256)) * 8)),
    Kind(name="headers-without-end", act=lambda wire, _answer: wire.say(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000)),
    Kind(name="header-of-a-megabyte", act=lambda wire, _: wire.say(b"HTTP/1.1 200 OK\r\na: " + b"b" * (1 << 20))),
    Kind(name="extra-bytes-after", act=_and_more(b"HTTP/1.1 500 Again\r\n\r\n"),
         claims="success", harmless=True),
    Kind(name="without-length", act=lambda wire, answer: wire.say(head_of(answer, length=None), answer.body),
         claims="success", harmless=True),
    Kind(name="without-length-cut", claims="page",
         act=lambda wire, answer: wire.say(head_of(answer, length=None), answer.body[: len(answer.body) // 2])),
    Kind(name="drip-without-length", act=_drip_without_length, claims="page"),
    Kind(name="length-too-long", act=_length(lambda size: str(size + 10)), claims="page"),
    Kind(name="length-too-short", act=_length(lambda size: str(size // 2)), claims="page"),
    Kind(name="length-is-a-word", act=_length(lambda _size: "many"), claims="page", harmless=True),
    Kind(name="length-below-zero", act=_length(lambda _size: "-5"), claims="page", harmless=True),
    Kind(name="length-twice", act=_length(lambda size: f"{size}\r\nContent-Length: {size + 3}"), claims="page"),
    Kind(name="gzip-not-asked-for", act=_encoded(gzip.compress), claims="page", harmless=True),
    Kind(name="gzip-bomb", act=_encoded(_bomb), claims="page"),
    Kind(name="chunked", act=_chunked(lambda body: _chunk(body) + b"0\r\n\r\n"), claims="success", harmless=True),
    Kind(name="chunked-bad-size", act=_chunked(lambda body: b"xyz\r\n" + body), claims="page"),
    Kind(name="chunked-cut", act=_chunked(_chunk), claims="page"),
    Kind(name="chunked-drip", act=_drip_of_chunks, claims="page"),
    Kind(name="chunked-and-a-length", claims="page",
         act=lambda wire, answer: wire.say(
             head_of(replace(answer, headers=(("Transfer-Encoding", "chunked"),)), length="3"), answer.body)),
    Kind(name="chunked-for-ever", act=_endless_chunks, claims="page"),
)  # fmt: skip

STATUS_KINDS = (
    *(
        Kind(
            name=f"redirect-{number}",
            act=_status(number, ("Location", "http://127.0.0.1:{port}/x?k=" + ECHO)),
            claims_on={"put": "refused"} if number >= 307 else {},  # it asks for the same request elsewhere
        )
        for number in (301, 302, 303, 307, 308)
    ),
    Kind(name="429-good-retry-after", act=_status(429, ("Retry-After", "1"))),
    Kind(name="429-garbage-retry-after", act=_status(429, ("Retry-After", "soon, \xb2 maybe"))),
    Kind(name="503-date-retry-after", act=_in_a_second),
    Kind(name="503-huge-retry-after", act=_status(503, ("Retry-After", "9" * 400))),
    Kind(name="503-negative-retry-after", act=_status(503, ("Retry-After", "-30"))),
    Kind(name="503-odd-date-retry-after", act=_status(503, ("Retry-After", "Fri, 31 Feb 9999 25:61:61 GMT"))),
    *(Kind(name=f"{number}", act=_status(number, body=b"oops")) for number in _BARE),
    *(Kind(name=f"{number}-page", act=_status(number, body=_HTML)) for number in _OF_PAGES),
    Kind(name="204-without-a-body", act=lambda wire, _: wire.say(b"HTTP/1.1 204 No Content\r\n\r\n"), claims="page"),
    Kind(name="206-a-part", act=_status(206, ("Content-Range", "bytes 0-3/9999"), body=b"part"), claims="page"),
    *(
        Kind(name=f"{number}-json", act=_status(number, body=_NOTHING_JSON), claims="refused")
        for number in (400, 401, 403)
    ),
    *(
        Kind(name=f"{number}-json", act=_status(number, body=_NOTHING_JSON), claims_on=_REFUSED_SWITCH)
        for number in (404, 409, 410)
    ),
    Kind(name="400-with-every-secret", act=_status(400, body=b'{"message": "no ' + ECHO.encode() + b'!"}'),
         claims="refused"),
    Kind(name="500-with-every-secret", act=_status(500, body=b"<p>no " + ECHO.encode() + b"</p>")),
    Kind(name="invalid-key", act=lambda wire, _answer: wire.answer(documented("invalid_api_key.")), claims="refused"),
    Kind(name="inactive-key", act=lambda wire, _: wire.answer(documented("Inactive_credential.")), claims="refused"),
    Kind(name="not-finished", act=lambda wire, _: wire.answer(documented("Retrain job is not finished.")),
         claims="refused", only=frozenset({"switch"})),
    Kind(name="expired-url", act=lambda wire, _answer: wire.answer(_EXPIRED), claims="refused"),
)  # fmt: skip

BODY_KINDS = (
    Kind(name="html-with-200", act=_status(200, ("Content-Type", "text/html"), body=_HTML), claims="page"),
    *(
        Kind(name=name, act=_json(body), claims="page")
        for name, body in {
            "array": b"[]",
            "null": b"null",
            "empty-body": b"",
            "nan": b'{"status": NaN, "metadata": Infinity}',
            "key-twice": b'{"status": "job_finished", "status": "fail"}',
            "nested-deeply": _DEEP,
            "not-utf-8": b'{"status": "\xff\xfe"}',
            "huge-body": b'{"status": "' + b"x" * (3 << 20) + b'"}',
            "huge-number": b'{"status": "running", "model_id": ' + b"9" * 5000 + b"}",
            "other-types": b'{"status": 7, "retrain_job_id": [], "upload_url": {}, "metadata": "m"}',
        }.items()
    ),
    Kind(name="another-job", act=_altered(_of_another_job), claims="page", only=_API - {"classifiers", "api_key"}),
    Kind(name="odd-url", act=_with_url(lambda url: url.replace("http://", "ftp://me@")), only=_NAMING_URLS),
    Kind(name="url-is-a-number", act=_with_url(lambda _url: 7), only=_NAMING_URLS),
    Kind(name="no-keys", act=_altered(lambda _value: {"ok": True}), claims="page", only=_API - {"classifiers"}),
    Kind(name="error-with-200", act=_json(b'{"code": "5001000201", "error": "E", "message": "internal"}'),
         claims="page", only=_API - {"classifiers"}),
)  # fmt: skip

TLS_KINDS = (
    Kind(name="tls-untrusted", route="untrusted", claims="cut", secure=True),
    Kind(name="tls-of-another-name", route="another-name", claims="cut", secure=True),
    Kind(name="tls-expired", route="expired", claims="cut", secure=True),
    Kind(name="tls-plain-http", route="plain", claims="cut", secure=True),
    Kind(name="tls-hang-up-in-handshake", route="hanging-up", claims="cut", secure=True),
    Kind(name="tls-silent-handshake", route="silent", claims="cut", secure=True),
    Kind(name="tls-url-without-tls", act=_with_url(lambda url: url.replace("https://", "http://")),
         only=_NAMING_URLS, secure=True),
    Kind(name="tls-cut-within-the-answer", act=_cut(_in_body, reset=True), claims="page", secure=True),
    Kind(name="tls-cut-after-the-body", act=lambda wire, _answer: wire.reset(), secure=True),
    Kind(name="tls-cut-before-the-body", act=lambda wire, _answer: wire.reset(), claims="cut", secure=True),
)  # fmt: skip
KINDS = (*WIRE_KINDS, *STATUS_KINDS, *BODY_KINDS, *TLS_KINDS)
BY_NAME = {kind.name: kind for kind in KINDS}
