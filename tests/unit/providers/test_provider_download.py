"""Downloads: a whole, verified, durable file or none."""

import gzip
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.errors import Kind
from runner.lib.secrets import Secret
from runner.providers.base import Code, Downloaded, ServiceError
from runner.providers.prediction_one.client import Client

Serve = Callable[..., Any]
MakeClient = Callable[..., Client]
SIGNED = "/result?sig=signature-canary"
CONTENT = b"PK-not-really" * 200_000  # a few blocks


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "results" / "churn" / "result.zip"


def get(client: Client, server: Any, target: Path, limit: int = 10_000_000) -> Downloaded:
    return client.download(Secret(server.url + SIGNED), target, limit=limit)


def failing(client: Client, server: Any, target: Path, limit: int = 10_000_000) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        get(client, server, target, limit)
    assert not target.exists()
    assert not target.parent.exists() or not list(target.parent.iterdir())
    assert "canary" not in str(caught.value)
    return caught.value


def answering(status: int, body: Any = b"", **headers: str) -> Callable[[Any], None]:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(status, body, **headers)

    return behave


def chunked(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(CONTENT), 100_000):
        block = CONTENT[start : start + 100_000]
        peer.say(f"{len(block):x}\r\n", block, "\r\n")
    peer.say("0\r\n\r\n")


@pytest.mark.parametrize("behave", [answering(200, CONTENT), chunked])
def test_a_whole_file_is_stored_with_its_digest_and_asked_for_without_a_key(
    serve: Serve, make_client: MakeClient, target: Path, behave: Callable[[Any], None]
) -> None:
    server = serve(behave)
    got = get(make_client(), server, target)
    assert got == Downloaded(sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o600
    assert [line.split(":")[0] for line in server.received[0].decode().split("\r\n")[1:] if line] == [
        "Host",
        "Accept-Encoding",
        "User-Agent",
    ]


def test_exactly_the_limit_is_allowed_and_one_byte_more_is_not(
    serve: Serve, make_client: MakeClient, target: Path
) -> None:
    for behave in (answering(200, CONTENT), chunked):
        server = serve(behave)
        error = failing(make_client(), server, target, len(CONTENT) - 1)
        assert (error.kind, error.again) == (Kind.RESULT, False)
        assert get(make_client(), server, target, len(CONTENT)).bytes == len(CONTENT)
        target.unlink()


def truncated(peer: Any) -> None:
    peer.request()
    peer.say(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n", CONTENT[:-1])


def truncated_chunk(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nabc")


def without_the_last_chunk(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")


def reset_within(peer: Any) -> None:
    peer.request()
    peer.say(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n", CONTENT[:1000])
    peer.reset()


@pytest.mark.parametrize("behave", [truncated, truncated_chunk, without_the_last_chunk, reset_within])
def test_a_cut_file_leaves_nothing_behind_and_is_worth_another_try(
    serve: Serve, make_client: MakeClient, target: Path, behave: Callable[[Any], None]
) -> None:
    error = failing(make_client(), serve(behave), target)
    assert (error.kind, error.again) == (Kind.NETWORK, True)


def test_a_cut_file_leaves_the_old_one(serve: Serve, make_client: MakeClient, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    with pytest.raises(ServiceError):
        get(make_client(), serve(truncated), target)
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_a_body_that_nothing_tells_the_end_of_is_taken_when_it_comes_twice(
    serve: Serve, make_client: MakeClient, target: Path
) -> None:
    bodies = [CONTENT, CONTENT]

    def behave(peer: Any) -> None:
        peer.request()
        peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", bodies.pop())

    assert get(make_client(), serve(behave), target).bytes == len(CONTENT)
    assert target.read_bytes() == CONTENT
    bodies += [CONTENT, CONTENT[:1000]]
    error = failing(make_client(), serve(behave), target.parents[1] / "other" / "result.zip")
    assert (error.kind, error.again) == (Kind.RESULT, True)
    assert "length" in error.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(serve: Serve, make_client: MakeClient, target: Path, status: int) -> None:
    region = serve(answering(200, CONTENT))
    server = serve(answering(status, Location=f"{region.url}/r?sig=signature-canary"))
    assert get(make_client(), server, target).bytes == len(CONTENT)
    assert region.received[0].startswith(b"GET /r?sig=signature-canary HTTP/1.1\r\n")
    assert b"x-api-key" not in region.received[0]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity"])
def test_a_body_within_gzip_is_stored_as_it_came(
    serve: Serve, make_client: MakeClient, target: Path, encoding: str
) -> None:
    packed = gzip.compress(CONTENT)
    server = serve(answering(200, packed, Content_Encoding=encoding))
    assert get(make_client(), server, target).bytes == len(packed)
    assert target.read_bytes() == packed


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x-odd"])
def test_an_encoded_body_is_refused(serve: Serve, make_client: MakeClient, target: Path, encoding: str) -> None:
    error = failing(make_client(), serve(answering(200, CONTENT, Content_Encoding=encoding)), target)
    assert (error.kind, error.again) == (Kind.RESULT, False)


def test_an_empty_file_is_stored_as_it_is(serve: Serve, make_client: MakeClient, target: Path) -> None:
    assert get(make_client(), serve(answering(200)), target).bytes == 0
    assert target.read_bytes() == b""


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (403, ""), (400, "ExpiredToken")])
def test_an_expired_url_asks_for_a_new_status(
    *, serve: Serve, make_client: MakeClient, target: Path, status: int, code: str
) -> None:
    body = f"<Error><Code>{code}</Code></Error>" if code else ""
    error = failing(make_client(), serve(answering(status, body)), target)
    assert (error.code, error.again) == (Code.EXPIRED_URL, True)


@pytest.mark.parametrize(
    ("status", "again"),
    [(503, True), (500, True), (429, True), (408, True), (404, False), (400, False), (206, False)],
)
def test_other_answers_of_the_store(
    *, serve: Serve, make_client: MakeClient, target: Path, status: int, again: bool
) -> None:
    server = serve(answering(status, "no", Retry_After="7", Location="http://127.0.0.1:9/"))
    error = failing(make_client(), server, target)
    assert error.again is again
    assert error.after == (7 if again else None)
    assert str(status) in error.message


def drip(peer: Any) -> None:
    peer.drip("x" * 1000, pause=0.02)


def drip_chunks(peer: Any) -> None:
    for _ in range(1000):
        peer.say("1\r\nx\r\n")
        if peer.server.ending.wait(0.02):
            return


GIGABYTE = f"Content-Length: {1 << 30}"


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(
    ("header", "first", "slowly"),
    [
        ("Content-Length: 1000", b"", drip),
        (GIGABYTE, b"", drip),
        (GIGABYTE, b"x" * 3_000_000, drip),
        ("Transfer-Encoding: chunked", b"", drip_chunks),
        ("Transfer-Encoding: chunked", b"2dc6c0\r\n" + b"x" * 3_000_000 + b"\r\n", drip_chunks),
    ],
)
def test_a_drip_ends_a_calls_time_after_it_began_whatever_the_size(
    *,
    serve: Serve,
    make_client: MakeClient,
    target: Path,
    tls: Any,
    certificate: Path,
    encrypted: bool,
    header: str,
    first: bytes,
    slowly: Callable[[Any], None],
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.say(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n", first)
        slowly(peer)

    server = serve(behave, tls if encrypted else None)
    began = time.monotonic()
    error = failing(make_client(call=0.5, ca_bundle=certificate), server, target, limit=2 << 30)
    assert 0.4 < time.monotonic() - began < 10
    assert error.again


@pytest.mark.parametrize("header", [f"Content-Length: {100 * 1024}", "Transfer-Encoding: chunked"])
def test_a_slow_download_that_keeps_coming_is_left_alone(
    serve: Serve, make_client: MakeClient, target: Path, header: str
) -> None:
    """It takes three times as long as a call may."""

    def behave(peer: Any) -> None:
        peer.request()
        peer.say(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n")
        for _ in range(100):
            peer.server.ending.wait(0.015)
            peer.say(*(("400\r\n", b"y" * 1024, "\r\n") if "chunked" in header else (b"y" * 1024,)))
        peer.say("0\r\n\r\n" if "chunked" in header else "")

    client = make_client(call=0.5, slowest=16 * 1024)
    began = time.monotonic()
    assert get(client, serve(behave), target).bytes == 100 * 1024
    assert time.monotonic() - began > 1.5


def test_a_download_ends_after_the_longest_time_however_fast_it_comes(
    serve: Serve, make_client: MakeClient, target: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.say(f"HTTP/1.1 200 OK\r\n{GIGABYTE}\r\n\r\n")
        while not peer.server.ending.wait(0.01):
            peer.say(b"x" * 10_000)

    began = time.monotonic()
    assert failing(make_client(longest=1.0), serve(behave), target, limit=2 << 30).again
    assert time.monotonic() - began < 10


def test_a_dripping_head_earns_no_time(serve: Serve, make_client: MakeClient, target: Path) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n")
        peer.drip("X: " + "x" * 5000, pause=0.01)

    began = time.monotonic()
    assert failing(make_client(call=0.5, slowest=1), serve(behave), target).again
    assert time.monotonic() - began < 10


def test_a_disk_that_refuses_is_told_as_such(serve: Serve, make_client: MakeClient, tmp_path: Path) -> None:
    blocking = tmp_path / "results"
    blocking.write_text("a file where a folder should be")
    with pytest.raises(ServiceError, match="cannot be written") as caught:
        get(make_client(), serve(answering(200, CONTENT)), blocking / "result.zip")
    assert (caught.value.kind, caught.value.again) == (Kind.RESULT, False)


def test_nobody_listening_is_worth_another_try(make_client: MakeClient, free_port: int, target: Path) -> None:
    with pytest.raises(ServiceError, match="refused") as caught:
        make_client().download(Secret(f"http://127.0.0.1:{free_port}{SIGNED}"), target, limit=10)
    assert (caught.value.kind, caught.value.again) == (Kind.NETWORK, True)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
