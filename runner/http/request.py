"""A request as a value, and how long it may take: per step, and in all."""

import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from typing import Literal

from msgspec import Struct

from runner.http.upload_body import UploadBody
from runner.lib.secrets import Secret

# How long one operation may take: per step, and in all. A socket's own timeout starts again with every byte, so a
# server that drips bytes is never timed out by it. Here each wait on a socket is also cut to what is left of the
# operation's total.


class Deadlines(Struct, frozen=True, kw_only=True):
    """Limits in seconds; `slowest` in bytes per second.

    `connect` bounds the connection and the TLS handshake each, `silence` one wait for the other side, `call` a whole
    call without a file. A file has no total of its own: each of its bytes that moved earns the time it takes at the
    `slowest` rate, but never is more than `call` left, and all ends after `longest`. So a drip ends `call` seconds
    after it began, whatever its announced size, and a slow line is left alone.
    """

    connect: float = 10.0
    silence: float = 60.0
    call: float = 60.0
    slowest: float = 16 * 1024  # a quarter of a line of 512 kbit/s
    longest: float = 6 * 60 * 60


DEFAULT_DEADLINES = Deadlines()


class Countdown:
    """The time left for one operation, on the monotonic clock.

    `heard` says whether a byte of an answer has come.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._end = time.monotonic() + deadlines.call
        self._latest = time.monotonic() + deadlines.longest
        self._takes_file = False
        self.heard = False

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end

    def expect_file(self) -> None:
        """Let what is received from now on earn time; before, it is the head of an answer, which has no size."""
        self._takes_file = True

    def sent(self, size: int) -> None:
        """Earn time for `size` bytes that were handed to the connection.

        What is handed over late earns nothing: a process that slept continues sending what another run has given up.
        """
        now = time.monotonic()
        if now >= self._end:
            return
        limits = self._deadlines
        earned = min(self._end + size / limits.slowest, now + limits.call)
        self._end = min(earned, self._latest)

    def received(self, size: int) -> None:
        """Note that `size` bytes came; they earn time, if they are a file's."""
        self.heard = self.heard or size > 0
        if self._takes_file:
            self.sent(size)

    def patience(self) -> float:
        """Return how long the next wait may take, in seconds.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(self._deadlines.silence, left)


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
    asks = ": it needs a user and a password in its address" if refused[1] == "407" else ""
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
            return f"cannot be reached: {os.strerror(number).lower()}"
        case _:
            return None
