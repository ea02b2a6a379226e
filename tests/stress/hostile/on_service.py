"""Whoever answers for the service or the store keeps no core busy and no memory full."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

from runner.http.request import Broken, Deadlines, Request
from runner.http.responses import take_answer
from runner.http.transport import Transport
from runner.lib.secrets import Secret
from tests.stress.hostile.attack import Attack

_CALL = 20.0  # seconds that a call may take
_SOON = 8.0  # seconds in which what has no end is given up; it takes a second on a machine that nobody else uses
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "100 Continue with headers": (b"", b"HTTP/1.1 100 Continue\r\n" + b"a: b\r\n" * 90 + b"\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 1000),
    "a header": (b"HTTP/1.1 200 OK\r\na: ", b"b" * 65536),
    "a status line": (b"HTTP/1.1 200 ", b"b" * 65536),
    "a chunk's extension": (_CHUNKED + b"1;", b"b" * 65536),
    "trailers": (_CHUNKED + b"0\r\n", b"trailer: " + b"b" * 5000 + b"\r\n"),
    "chunks of a byte": (_CHUNKED, b"1\r\na\r\n" * 10_000),
    "chunks with extensions": (_CHUNKED, b"1;" + b"b" * 5000 + b"\r\na\r\n"),
}


def _endless(_folder: Path, random: Random) -> Iterator[str]:
    """Answer a question with something that has no end."""
    name = random.choice(list(_ENDLESS))
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        speaker = threading.Thread(target=_speak, args=(listener, *_ENDLESS[name], asked), daemon=True)
        speaker.start()
        wire = Transport(deadlines=Deadlines(call=_CALL))
        url = Secret(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        began = time.monotonic()
        answer = wire.exchange(Request(method="GET", url=url), take_answer)
        took = time.monotonic() - began
        wire.close()
        speaker.join(_CALL)
    if not asked.is_set():
        raise AssertionError(answer)
    if took > _SOON:
        yield f"{name} without end is listened to for {took:.1f} s"
    if not isinstance(answer, Broken) and answer.flaw is None:
        yield f"{name} without end is an answer: {answer}"


def _speak(listener: socket.socket, begin: bytes, again: bytes, asked: threading.Event) -> None:
    peer, _ = listener.accept()
    with peer, suppress(OSError):
        asked_for = peer.recv(65536)
        if asked_for.startswith(b"GET "):
            asked.set()
        peer.sendall(begin)
        while True:
            peer.sendall(again)


ATTACKS = (Attack(name="an answer without end", sentence="B5", play=_endless),)
