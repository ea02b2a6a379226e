"""Sockets that obey a `Countdown`, and a response whose head must have arrived whole.

`http.client` takes a connection that ends within the status line's block of headers for a complete answer: "HTTP/1.1
200" and a hang-up would be a success. Here a line without its end is an error.
"""

import http.client
import io
import socket
import ssl
from typing import Any

from runner.service.deadlines import Countdown

# Bytes that wait in the kernel count as sent. It may hold megabytes, on a slow line more than a minute's worth, and the
# answer would be waited for in vain while they leave. So it is to hold little that has not left.
_MOST_UNSENT = 256 * 1024


# A server that sends head and body of an answer apart waits for the first one's receipt before it sends the second; a
# kernel that saves receipts lets it wait for 40 ms, on each answer but the first of a connection.
_RECEIPTS_AT_ONCE = getattr(socket, "TCP_QUICKACK", None)


class PlainSocket(socket.socket):
    """A connected TCP socket."""

    countdown: Countdown

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive as the base class does, within the countdown."""
        _confirm_at_once(self)
        self.settimeout(self.countdown.patience())
        size = super().recv_into(*args, **kwargs)
        self.countdown.received(size)
        return size

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Send a part as the base class does, within the countdown."""
        self.settimeout(self.countdown.patience())
        size = super().send(*args, **kwargs)
        self.countdown.sent(size)
        return size

    def sendall(self, data: Any, *args: Any, **kwargs: Any) -> None:
        """Send all, part by part: the base class has one patience for the whole block, however slow the line."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self.send(left, *args, **kwargs) :]


class TlsSocket(ssl.SSLSocket):
    """A connected TLS socket; the handshake before it is bounded by the connect timeout."""

    countdown: Countdown

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive as the base class does, within the countdown."""
        _confirm_at_once(self)
        self.settimeout(self.countdown.patience())
        size = super().recv_into(*args, **kwargs)
        self.countdown.received(size)
        return size

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Send a part as the base class does, within the countdown; `sendall` is made of these."""
        self.settimeout(self.countdown.patience())
        size = super().send(*args, **kwargs)
        self.countdown.sent(size)
        return size


def timed(sock: socket.socket, countdown: Countdown) -> PlainSocket | TlsSocket:
    """Return the connected socket as one that obeys this countdown from now on; the socket given is used up."""
    obeying = sock if isinstance(sock, PlainSocket | TlsSocket) else PlainSocket(fileno=sock.detach())
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        obeying.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
    obeying.countdown = countdown
    return obeying


def _confirm_at_once(sock: socket.socket) -> None:
    """Let the kernel confirm what comes next; it forgets this soon."""
    if _RECEIPTS_AT_ONCE is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _RECEIPTS_AT_ONCE, 1)


class _WholeLines(io.BufferedReader):
    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        wanted = -1 if size is None else size
        if not line.endswith(b"\n") and len(line) != wanted:
            raise ConnectionResetError("the connection ended within a line")
        return line


class WholeHead(http.client.HTTPResponse):
    """A response that is only one when its status line and headers arrived to their last byte."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: io.BufferedReader = _WholeLines(self.fp.detach())
