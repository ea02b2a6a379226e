"""Connections: sockets within deadlines, kept open for the next request."""

import http.client
import io
import socket
import ssl
import threading
import time
from collections import defaultdict
from typing import Any, Generic, Protocol, TypeVar, cast

from urllib3.util.ssltransport import SSLTransport

from runner.http.request import DEFAULT_DEADLINES, Countdown, Deadlines

# Bytes that wait in the kernel count as sent. It may hold megabytes, on a slow line more than a minute's worth, and the
# answer would be waited for in vain while they leave. So it is to hold little that has not left.
_MOST_UNSENT = 256 * 1024
_ENCRYPTED_AT_ONCE = 112 * 1024  # bytes, seven records: larger pieces of memory come from the system each time

# Bytes of lines. The time of a call ends what has no end, but until then it would keep a core busy.
_MOST_OF_HEAD = 256 * 1024
_MOST_BETWEEN_CHUNKS = 8 * 1024 * 1024

# A server that sends head and body of an answer apart waits for the first one's receipt before it sends the second; a
# kernel that saves receipts lets it wait for 40 ms, on each answer but the first of a connection.
_RECEIPTS_AT_ONCE = getattr(socket, "TCP_QUICKACK", None)


class PlainSocket(socket.socket):
    """A connected TCP socket."""

    countdown: Countdown

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        """Receive as the base class does, within the countdown, which is told nothing: these are TLS's own bytes."""
        self._prepare_to_receive()
        return super().recv(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive as the base class does, within the countdown."""
        self._prepare_to_receive()
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

    def _prepare_to_receive(self) -> None:
        if _RECEIPTS_AT_ONCE is not None:
            self.setsockopt(socket.IPPROTO_TCP, _RECEIPTS_AT_ONCE, 1)  # the kernel forgets it soon
        self.settimeout(self.countdown.patience())


class TlsSocket(SSLTransport):
    """TLS in memory, over a connected TCP socket.

    Python's own TLS socket hands each record of 16 KiB to the kernel by itself. Here several are made first and leave
    together, which wakes the far side less often.
    """

    socket: PlainSocket

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive as the base class does; the countdown is told of what was inside the records."""
        size = cast("int", super().recv_into(*args, **kwargs))  # it is given a buffer
        self.socket.countdown.received(size)
        return size

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all, a few records at a time."""
        left = memoryview(data).cast("B")
        for start in range(0, len(left), _ENCRYPTED_AT_ONCE):
            self._make_records(left[start : start + _ENCRYPTED_AT_ONCE])
            self.socket.sendall(self.outgoing.read(), flags)

    def _make_records(self, left: memoryview) -> None:
        while left:
            left = left[self.sslobj.write(left) :]


class TlsContext(ssl.SSLContext):
    """A context whose sockets are `TlsSocket`s."""

    def wrap_socket(self, sock: socket.socket, *_args: Any, **kwargs: Any) -> TlsSocket:  # type: ignore[override] # urllib3 takes either kind
        """Shake hands over a connected socket, in no more than its timeout in all."""
        seconds = sock.gettimeout() or DEFAULT_DEADLINES.connect
        plain = _plain(sock, Countdown(Deadlines(call=seconds)))
        try:
            return TlsSocket(plain, self, kwargs["server_hostname"])
        except BaseException:
            plain.close()
            raise


def timed(sock: socket.socket | TlsSocket, countdown: Countdown) -> PlainSocket | TlsSocket:
    """Return the connected socket as one that obeys this countdown from now on; the socket given is used up."""
    if isinstance(sock, TlsSocket):
        sock.socket = _plain(sock.socket, countdown)
        return sock
    return _plain(sock, countdown)


def _plain(sock: socket.socket, countdown: Countdown) -> PlainSocket:
    obeying = sock if isinstance(sock, PlainSocket) else PlainSocket(fileno=sock.detach())
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        obeying.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
    obeying.countdown = countdown
    return obeying


class _WholeLines(io.BufferedReader):
    """The lines of a head, those of answers that only say to continue included; then those between a body's chunks."""

    left = _MOST_OF_HEAD

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        wanted = -1 if size is None else size
        if not line.endswith(b"\n") and len(line) != wanted:
            raise ConnectionResetError("the connection ended within a line")
        self.left -= len(line)
        if self.left < 0:
            raise http.client.HTTPException("lines without end")
        return line


class WholeHead(http.client.HTTPResponse):
    """A response that is only one when its status line and headers arrived to their last byte."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._lines = _WholeLines(self.fp.detach())
        self.fp: io.BufferedReader = self._lines

    def begin(self) -> None:
        """Read the head as the base class does; from then on other lines count."""
        super().begin()
        self._lines.left = _MOST_BETWEEN_CHUNKS


_MOST = 16  # for one origin; as many exchanges as continue at once
_LONGEST_IDLE_S = 30.0  # routers and balancers forget idle connections after minutes, some without a word


class Line(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of the connection."""


L = TypeVar("L", bound=Line)
Origin = tuple[str, str, int | None]  # scheme, host and port


class ConnectionPool(Generic[L]):
    """Keeps lines by what they lead to; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: defaultdict[Origin, list[tuple[float, L]]] = defaultdict(list)
        self._closed = False

    def take(self, origin: Origin) -> L | None:
        """Return the line that was used last, or None; those that have been idle for too long are closed."""
        with self._lock:
            idle = self._idle[origin]
            newest = idle.pop() if idle else None
            if newest is None or time.monotonic() - newest[0] <= _LONGEST_IDLE_S:
                return newest and newest[1]
            old = [newest, *idle]  # used before it, each of them
            idle.clear()
        for _, line in old:
            line.close()
        return None

    def put(self, origin: Origin, line: L) -> None:
        """Keep a line whose exchange has come to its end; one too many is closed."""
        with self._lock:
            idle = self._idle[origin]
            if not self._closed and len(idle) < _MOST:
                idle.append((time.monotonic(), line))
                return
        line.close()

    def close(self) -> None:
        """Close the lines kept, and those put here from now on."""
        with self._lock:
            self._closed = True
            lines = [line for idle in self._idle.values() for _, line in idle]
            self._idle.clear()
        for line in lines:
            line.close()
