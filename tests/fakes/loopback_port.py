"""One port on the loopback interface that hands whole requests to a function and sends back what it returns.

It is as strict as an object store: it does not read chunked bodies, and a cut body is told as cut.
"""

import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Moment = Literal["arrived", "done"]  # before the effect of a call, and after it but before its answer
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived; `whole` says whether all announced bytes of the body did."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool

    def header(self, name: str) -> str:
        """Return the first value of a header, or an empty text."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back after `delay` seconds; `lost` hangs up instead. Without a status: the ordinary one."""

    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    lost: Moment | None = None


def http_date(moment: datetime | None = None) -> str:
    """Return a moment, the present without one, as a Date header has it."""
    return format_datetime(moment or datetime.now(UTC), usegmt=True)


class LoopbackPort:
    """A server on 127.0.0.1 with a port of its own; one thread for each connection."""

    def __init__(self, respond: Callable[[Request], Answer], date: Callable[[], str | None] = http_date) -> None:
        """Listen; `date` gives the Date header of each answer, None for an answer without one."""
        self.errors: list[BaseException] = []
        self._server = _Server(respond, date, self.errors)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, respond: Callable[[Request], Answer], date: Callable[[], str | None], errors: list[BaseException]
    ) -> None:
        self.respond = respond
        self.date = date
        self.errors = errors
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Keep the error for the test; a client that was killed is none."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Print nothing."""

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names the base class looks for

    def _serve(self) -> None:
        headers = tuple(self.headers.items())
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else b""
        chunked = "Transfer-Encoding" in self.headers
        whole = not chunked and len(body) == int(length or 0)
        self._send(
            self.server.respond(Request(method=self.command, target=self.path, headers=headers, body=body, whole=whole))
        )
        if not whole:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        if answer.lost or answer.status is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(answer.status)
        date = self.server.date()
        if date is not None:
            self.send_header("Date", date)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
