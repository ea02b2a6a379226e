"""Why a connection failed, in plain words. Foreign messages are not quoted: they carry URLs with signatures."""

import os
import socket
import ssl
from collections.abc import Iterator

from runner.http.deadlines import Countdown

_DEEPEST = 20


def cause(error: BaseException, countdown: Countdown) -> str:
    """Return what went wrong as the end of a sentence about the server."""
    if countdown.over:
        return "did not finish in the time it had"
    for link in _chain(error):
        words = _words(link)
        if words is not None:
            return words
    return "broke the connection or its answer"


def hung_up(error: BaseException) -> bool:
    """Tell whether the other side ended the connection; silence is no end."""
    ends = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return any(isinstance(link, ends) for link in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_DEEPEST):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


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
