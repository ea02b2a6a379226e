"""The HTTP/1.1 server: werkzeug's, made silent about signed URLs and able to drop a connection on purpose."""

import socket
import struct
import time
from typing import TYPE_CHECKING

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from emulator.exchange import HEADER_NAMES
from runner.errors import UsageError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_IDLE_SECONDS = 60.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close sends RST


class HangUpError(ConnectionError):
    """The connection is to be closed without another byte."""


class ResetError(ConnectionError):
    """The connection is to be reset."""


class Handler(WSGIRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def make_environ(self) -> "WSGIEnvironment":
        """Add the names of all headers; WSGI alone hides repeated ones."""
        environ = super().make_environ()
        environ[HEADER_NAMES] = tuple(name.lower() for name in self.headers.keys())  # noqa: SIM118 # keys repeat
        return environ

    def handle_expect_100(self) -> bool:
        """Leave `100 Continue` to werkzeug, which would send it a second time."""
        return True

    def connection_dropped(self, error: BaseException, environ: "WSGIEnvironment | None" = None) -> None:
        """Close the connection, with a reset if that is what was asked for."""
        del environ
        if isinstance(error, ResetError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time of the header `Date`, by the service's clock."""
        ahead = self.server.clock if isinstance(self.server, Server) else 0.0
        return super().date_time_string((time.time() if timestamp is None else timestamp) + ahead)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 # werkzeug's name
        """Stay silent: these lines would carry signed URLs. `requests.jsonl` has what may be told."""


class Server(ThreadedWSGIServer):
    """Serves each connection in a thread of its own; its clock is `clock` seconds ahead."""

    clock = 0.0

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection; one that is to be reset without the polite end before."""
        if isinstance(request, socket.socket) and _lingers(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)


def make_server(application: "WSGIApplication", *, host: str, port: int) -> Server:
    """Return a server that listens; port 0 takes a free port.

    Raises:
        UsageError: the address is in use or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"The emulator cannot listen on {host} port {port}: {error}.",
            hint="Stop what uses the port, or choose another with --port (0 takes a free one).",
        ) from error
    with listening:
        return Server(host, port, application, Handler, fd=listening.fileno())


def _lingers(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET_ON_CLOSE)) == _RESET_ON_CLOSE
