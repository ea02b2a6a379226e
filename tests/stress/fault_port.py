"""A raw port on the loopback interface: it reads requests itself and lets a function answer on the bare socket."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from tests.fakes.loopback_port import Answer, Request

_PATIENCE_S = 10.0
_LONGEST_HEAD = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Wire:
    """One accepted connection; `ending` is set when the port closes."""

    sock: socket.socket
    ending: threading.Event
    early: bytes = b""  # of the body, read together with the head
    words: dict[str, str] = field(default_factory=dict)  # what stands for these texts in answers

    def say(self, *parts: bytes) -> None:
        """Send bytes."""
        for part in parts:
            self.sock.sendall(part)

    def answer(self, answer: Answer, *, reason: str = "Word") -> None:
        """Send a whole answer, its `words` put in."""
        body, headers = answer.body, answer.headers
        for text, word in self.words.items():
            body = body.replace(text.encode(), word.encode())
            headers = tuple((name, value.replace(text, word)) for name, value in headers)
        meant = replace(answer, body=body, headers=headers)
        self.say(head_of(meant, reason=reason), body)

    def drip(self, content: bytes, pause: float = 0.05) -> None:
        """Send a byte at a time until the other side or the port's end stops it."""
        for place in range(len(content)):
            self.say(content[place : place + 1])
            if self.ending.wait(pause):
                return

    def repeat(self, piece: bytes, pause: float = 0.01) -> None:
        """Send the same bytes again and again until the other side or the port's end stops it."""
        while not self.ending.wait(pause):
            self.say(piece)

    def wait(self, seconds: float) -> None:
        """Say nothing for a while."""
        self.ending.wait(seconds)

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def read_head(self) -> Request | None:
        """Read a request's head; None when the connection ended before it was whole."""
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.sock.recv(65536)
            if not piece or len(received) > _LONGEST_HEAD:
                return None
            received += piece
        head, _, self.early = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ", 2)
        named = (line.partition(":") for line in lines)
        headers = tuple((name, value.strip()) for name, _, value in named)
        return Request(method=method, target=target, headers=headers, body=b"", whole=False)

    def read_body(self, request: Request) -> Request:
        """Read as much body as the head announces; a request whose body was cut is told as not whole."""
        length = int(request.header("Content-Length") or 0)
        body = self.early
        while len(body) < length:
            piece = self.sock.recv(1 << 20)
            if not piece:
                break
            body += piece
        chunked = bool(request.header("Transfer-Encoding"))
        return Request(
            method=request.method,
            target=request.target,
            headers=request.headers,
            body=body,
            whole=not chunked and len(body) == length,
        )


def head_of(answer: Answer, *, reason: str = "Word", length: str | None = "right") -> bytes:
    """Return status line and headers; `length` is the announced one, `right` for the body's own, None for none."""
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in answer.headers)]
    if length is not None:
        lines.append(f"Content-Length: {len(answer.body) if length == 'right' else length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(slots=True, kw_only=True)
class RawPort:
    """Listens on 127.0.0.1 and hands each connection to `behave`, in a thread of its own."""

    behave: Callable[[Wire], None]
    tls: ssl.SSLContext | None = None
    accepted: int = 0
    errors: list[BaseException] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    listener: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def number(self) -> int:
        """Return the port's number."""
        number: int = self.listener.getsockname()[1]
        return number

    def close(self) -> None:
        """Close the port and let every connection come to its end."""
        self.ending.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.accepted += 1
                threading.Thread(target=self._handle, args=(sock,), daemon=True).start()

    def _handle(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small answers wait for 40 ms
            sock.settimeout(_PATIENCE_S)
            wire = Wire(sock=sock, ending=self.ending)
            if self.tls is not None:
                wire.sock = self.tls.wrap_socket(sock, server_side=True)
            with wire.sock:
                self.behave(wire)
        except OSError:
            return  # the other side left
        except Exception as error:  # noqa: BLE001 -- a broken port would look like a fault; the suite reports it
            self.errors.append(error)


@contextmanager
def full_port() -> Iterator[int]:
    """Give a port whose queue is full, so that a connection to it is never made."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = listener.getsockname()
    waiting = []
    for _ in range(3):
        sock = socket.socket()
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(address)
        waiting.append(sock)
    try:
        yield address[1]
    finally:
        for sock in (*waiting, listener):
            sock.close()


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens and which nobody else is given meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]
