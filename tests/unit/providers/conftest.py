"""A server on a real socket that misbehaves byte by byte, and clients that lose patience quickly."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace

from runner.http.request import Deadlines
from runner.lib.secrets import Redactor, Secret
from runner.providers.base import ServiceOptions
from runner.providers.kept_answers import AnswerKeeper
from runner.providers.prediction_one.client import Client
from tests.fakes.prediction_one import STATUSES

KEY = "key-canary-4711"


@dataclass
class Peer:
    """One accepted connection as a behaviour sees it; `received` is all that was read from it."""

    sock: socket.socket
    server: "FaultServer"
    received: bytearray = field(default_factory=bytearray)

    def head(self) -> str:
        while b"\r\n\r\n" not in self.received:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self.received += piece
        return bytes(self.received).split(b"\r\n\r\n")[0].decode("latin-1")

    def request(self) -> str:
        """Read the head and as much body as it announces."""
        head = self.head()
        lengths = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        whole = len(head) + 4 + int(lengths[0] if lengths else 0)
        while len(self.received) < whole:
            piece = self.sock.recv(1 << 20)
            if not piece:
                raise EOFError
            self.received += piece
        return head

    def say(self, *parts: str | bytes) -> None:
        for part in parts:
            self.sock.sendall(part.encode() if isinstance(part, str) else part)

    def answer(self, status: int, body: Any = b"", **headers: str) -> None:
        """Answer the request that was read; a body that is not bytes or text goes out as JSON."""
        text = body if isinstance(body, bytes | str) else json.dumps(body)
        content = text.encode() if isinstance(text, str) else text
        given = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        if "Content-Length" not in given and "Transfer-Encoding" not in given:
            given += f"Content-Length: {len(content)}\r\n"
        self.say(f"HTTP/1.1 {status} Word\r\n{given}\r\n", content)

    def drip(self, text: str, pause: float = 0.05) -> None:
        """Send a byte at a time until the other side or the server's end stops it."""
        for letter in text:
            self.say(letter)
            if self.server.ending.wait(pause):
                return

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@dataclass
class FaultServer:
    """Accepts on a loopback port and lets `behave` handle each connection in a thread of its own."""

    behave: Callable[[Peer], None]
    tls: ssl.SSLContext | None = None
    peers: list[Peer] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    handled: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small answers wait for 40 ms
                peer = Peer(sock, self)
                self.peers.append(peer)
                self._start(self._handle, peer)

    def _handle(self, peer: Peer) -> None:
        with suppress(OSError, EOFError):
            if self.tls is not None:
                peer.sock = self.tls.wrap_socket(peer.sock, server_side=True)
            self.behave(peer)
        peer.sock.close()
        self.handled.set()

    def settle(self) -> None:
        """Wait until one connection came and was handled to its end."""
        assert self.handled.wait(5)

    @property
    def received(self) -> list[bytes]:
        return [bytes(peer.received) for peer in self.peers]

    def close(self) -> None:
        self.ending.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            with suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultServer]]:
    servers = []

    def start(behave: Callable[[Peer], None], tls: ssl.SSLContext | None = None) -> FaultServer:
        servers.append(FaultServer(behave, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def free_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def key() -> Secret:
    return Secret(KEY)


@pytest.fixture
def make_client(redactor: Redactor) -> Callable[..., Client]:
    def make(
        base_url: str = "http://127.0.0.1:9",
        ca_bundle: Path | None = None,
        trusted_hosts: Collection[str] = ("service.example",),
        options: ServiceOptions = ServiceOptions(),  # noqa: B008 -- frozen
        keeper: AnswerKeeper | None = None,
        **limits: float,
    ) -> Client:
        deadlines = Deadlines(**{"connect": 2.0, "silence": 3.0, "call": 5.0, **limits})
        return Client(
            base_url=base_url,
            statuses=STATUSES,
            redactor=redactor,
            deadlines=deadlines,
            trusted_hosts=trusted_hosts,
            options=replace(options, ca_bundle=ca_bundle),
            keeper=keeper,
        )

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key and the authority that signed it in one PEM file."""
    made = tmp_path_factory.mktemp("certificate") / "both.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain = [issued.private_key_pem, *issued.cert_chain_pems, authority.cert_pem]
    made.write_bytes(b"".join(part.bytes() for part in chain))
    return made


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
