"""What has no end is given up soon, and not only when the time of the call is over."""

import gzip
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.lib.secrets import Secret
from runner.providers.base import ServiceError
from runner.providers.prediction_one.client import Client
from tests.unit.providers.conftest import FaultServer, Peer

MakeClient = Callable[..., Client]
Serve = Callable[..., FaultServer]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
PACKED = gzip.compress(b"{}")
ENDLESS = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 100),
    "a header": (b"HTTP/1.1 200 OK\r\na: ", b"b" * 65536),
    "an extension of a chunk": (CHUNKED + b"1;", b"b" * 65536),
    "what follows a body in gzip": (
        GZIP + b"%x\r\n" % len(PACKED) + PACKED + b"\r\n",
        b"10000\r\n" + bytes(65536) + b"\r\n",
    ),
    "nothing in gzip": (GZIP + b"a\r\n" + PACKED[:10] + b"\r\n", b"5\r\n\x00\x00\x00\xff\xff\r\n" * 5000),
    "trailers": (CHUNKED + b"0\r\n", b"trailer: " + b"b" * 5000 + b"\r\n"),
}
MOST = 64 << 20  # bytes that go out before the other side hangs up; buffers of the kernel among them


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_given_up(
    name: str,
    encrypted: bool,
    serve: Serve,
    make_client: MakeClient,
    certificate: Path,
    tls: ssl.SSLContext,
    key: Secret,
) -> None:
    begin, again = ENDLESS[name]
    said: list[int] = []

    def behave(peer: Peer) -> None:
        peer.request()
        peer.say(begin)
        while True:
            peer.say(again)
            said.append(len(again))

    server = serve(behave, tls if encrypted else None)
    client = make_client(server.url, certificate if encrypted else None, call=30.0)
    began = time.monotonic()
    with pytest.raises(ServiceError):
        client.status(key, "job")
    assert time.monotonic() - began < 20
    assert sum(said) < MOST


def test_a_hundred_times_go_on_is_an_answer(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    def behave(peer: Peer) -> None:
        peer.request()
        peer.say("HTTP/1.1 100 Continue\r\n\r\n" * 100)
        peer.answer(200, {"status": "training", "metadata": {"retrain_job_id": "job"}})

    assert make_client(serve(behave).url).status(key, "job").value == "training"
