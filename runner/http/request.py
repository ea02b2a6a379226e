"""A request and its answer, and what a network error means for it."""

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from typing import Literal

from msgspec import Struct

from runner.http.deadlines import Countdown
from runner.http.upload_body import UploadBody
from runner.lib.secrets import Secret


class RequestStage(Enum):
    """How far an exchange came that brought no answer."""

    UNFIT_KEY = auto()
    UNFIT_URL = auto()
    NEVER_SENT = auto()
    MISLED = auto()  # by a redirect that is not followed: nothing was carried out
    UNCLEAR = auto()


class Request(Struct, frozen=True, kw_only=True):
    """One exchange to make. Without a key no header tells who asks."""

    method: Literal["GET", "HEAD", "PUT"]
    url: Secret
    key: Secret | None = None
    headers: Mapping[str, str] = {}
    body: UploadBody | None = None


class ResponseHead(Struct, frozen=True, kw_only=True):
    """The head of an answer that arrived whole.

    `length` is the body's announced size in bytes; a body neither `chunked` nor with a length cannot be known to be
    whole. `expect_file` is called by who takes the body as a file: it may take as long as its bytes keep coming.
    """

    host: str
    status: int
    headers: Mapping[str, str]
    length: int | None
    chunked: bool
    expect_file: Callable[[], None]


class Broken(Struct, frozen=True, kw_only=True):
    """No whole answer; `cause` is the end of a sentence about `host`."""

    stage: RequestStage
    host: str
    cause: str


_DEEPEST = 20
_PROXY_REFUSAL = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")


def cause(error: BaseException, countdown: Countdown) -> str:
    """Return what went wrong as the end of a sentence about the server."""
    if countdown.over:
        return "did not finish in the time it had"
    for link in _chain(error):
        words = _proxy_words(link) or _words(link)
        if words is not None:
            return words
    return "broke the connection or its answer"


def hung_up(error: BaseException) -> bool:
    """Return whether the other side ended the connection; silence is not an end."""
    ends = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return any(isinstance(link, ends) for link in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_DEEPEST):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _proxy_words(link: BaseException) -> str | None:
    refused = _PROXY_REFUSAL.match(str(link)) if isinstance(link, OSError) else None
    if refused is None:
        return None
    asks = ": it wants a user and a password in its address" if refused[1] == "407" else ""
    return f"cannot be reached through the proxy, which answered {refused[1]}{asks}"


def _words(link: BaseException) -> str | None:
    match link:
        case ssl.SSLCertVerificationError():
            return f"shows a certificate that is not trusted: {link.verify_message.rstrip(' .')}"
        case socket.gaierror():
            return "has a name that cannot be resolved"
        case TimeoutError():
            return "did not answer in time"
        case ssl.SSLError():
            return "could not agree on an encrypted connection"
        case OSError(errno=int() as number):
            return f"cannot be talked to: {os.strerror(number).lower()}"
        case _:
            return None
