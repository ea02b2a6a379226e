"""Uploads over real sockets: what may be called done, refused, never sent, and what must stay unclear."""

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.errors import Kind
from runner.http.upload_body import UploadWatch
from runner.lib.checksums import sum_of
from runner.lib.secrets import Secret
from runner.providers.base import Done, Effect, NeverSent, Rejected, ServiceOptions, Unknown
from runner.providers.prediction_one.client import Client
from tests.fakes.local_files import local

Serve = Callable[..., Any]
MakeClient = Callable[..., Client]
SIGNED = "/bucket/a?X-Amz-Signature=signature-canary"
BLOCK = 1024 * 1024
CONTENT = bytes(range(256)) * 4096 * 6 + b"tail"  # more than is read ahead, and a bit


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "train.csv"
    file.write_bytes(CONTENT)
    return file


def upload(
    client: Client, url: str, file: Path, content: bytes = CONTENT, *, fast: bool = False, **more: Any
) -> Effect:
    return client.upload(Secret(url), local(file), content=sum_of([content], fast=fast), **more)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_after_the_whole_body_is_done_and_the_store_got_exactly_the_file(
    serve: Serve, make_client: MakeClient, data: Path, status: int
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(status)

    server = serve(behave)
    assert isinstance(upload(make_client(), server.url + SIGNED, data), Done)
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert body == CONTENT
    host = server.url.removeprefix("http://")
    assert head.decode().split("\r\n")[0] == f"PUT {SIGNED} HTTP/1.1"
    assert sorted(head.decode().split("\r\n")[1:]) == [
        "Accept-Encoding: identity",
        f"Content-Length: {len(CONTENT)}",
        f"Host: {host}",
        "User-Agent: retrain-runner",
    ]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_sizes_around_a_block_arrive_whole(
    serve: Serve, make_client: MakeClient, tmp_path: Path, size: int, fast: bool
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200)

    server = serve(behave)
    file = tmp_path / "train.csv"
    file.write_bytes(b"x" * size)
    told: list[int] = []
    watch = UploadWatch(sent=told.append, may_end=lambda: True)
    assert isinstance(upload(make_client(), server.url + "/a?b", file, b"x" * size, watch=watch, fast=fast), Done)
    assert server.received[0].partition(b"\r\n\r\n")[2] == b"x" * size
    assert told[-1] == size
    assert told == sorted(set(told))


@pytest.mark.parametrize("target", ["/a/../c?x=%2b%2B", "/a//b?sig=%e3%81%82&x=~'[|]", "/%7Euser/./a?", "/a?b=c/../d"])
def test_a_signed_url_is_sent_byte_for_byte(serve: Serve, make_client: MakeClient, data: Path, target: str) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200)

    server = serve(behave)
    assert isinstance(upload(make_client(), server.url + target, data), Done)
    assert server.received[0].split(b"\r\n")[0].decode() == f"PUT {target} HTTP/1.1"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a b", "http://127.0.0.1:9/é", "http://u:p@127.0.0.1:9/a", "ftp://h/a", "/a", "http://h"]
)
def test_a_url_that_cannot_be_sent_as_it_stands_is_refused_without_showing_it(
    make_client: MakeClient, data: Path, url: str
) -> None:
    effect = upload(make_client(), url, data)
    assert isinstance(effect, Rejected)
    assert effect.permanent
    assert url not in effect.message + effect.hint


def test_an_early_2xx_before_the_whole_body_was_sent_is_unclear(
    serve: Serve, make_client: MakeClient, tmp_path: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.head()
        peer.answer(200)
        peer.sock.shutdown(socket.SHUT_RD)
        peer.server.ending.wait(0.5)

    content = b"y" * (64 * BLOCK)
    file = tmp_path / "train.csv"
    file.write_bytes(content)
    server = serve(behave)
    assert isinstance(upload(make_client(call=2.0, silence=1.0), server.url + "/a?b", file, content), Unknown)


@pytest.mark.parametrize("size", [1, BLOCK, BLOCK + 1])
def test_a_run_that_lost_its_state_does_not_send_the_last_64_kib_of_its_upload(
    serve: Serve, make_client: MakeClient, tmp_path: Path, size: int
) -> None:
    server = serve(lambda peer: peer.request())
    file = tmp_path / "train.csv"
    file.write_bytes(b"x" * size)
    watch = UploadWatch(sent=lambda _handed: None, may_end=lambda: False)
    effect = upload(make_client(), server.url + "/a?b", file, b"x" * size, watch=watch)
    assert isinstance(effect, Rejected)
    assert (effect.kind, effect.permanent) == (Kind.SERVICE, False)
    assert "was sent by a run that holds its state no longer" in effect.message
    server.settle()
    sent = len(server.received[0].partition(b"\r\n\r\n")[2])
    assert 0 < size - sent <= 64 * 1024


@pytest.mark.parametrize("leave", [True, False])
def test_the_end_of_a_file_that_is_checked_while_it_is_sent_waits_for_leave(
    serve: Serve, make_client: MakeClient, data: Path, leave: bool
) -> None:
    server = serve(answering(200))
    watch = UploadWatch(sent=lambda _handed: None, may_end=lambda: leave, may_repeat=lambda: False)
    effect = make_client().upload(Secret(server.url + SIGNED), local(data), content=None, watch=watch)
    assert isinstance(effect, Done if leave else Rejected)
    server.settle()
    sent = server.received[0].partition(b"\r\n\r\n")[2]
    assert sent == (CONTENT if leave else CONTENT.removesuffix(b"tail"))


@pytest.mark.parametrize(
    ("status", "body", "reason", "permanent"),
    [
        (403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", "expired_url", False),
        (403, "<Error><Code>AccessDenied</Code></Error>", "signature", True),
        (403, "", "signature", True),
        (403, '{"message": "Forbidden"}', "signature", True),
        (403, "<html><body>Blocked by the gateway</body></html>", "signature", True),
        (400, "<Error><Code>SignatureDoesNotMatch</Code></Error>", "signature", True),
        (400, "<Error><Code>ExpiredToken</Code></Error>", "expired_url", False),
        (400, "<Error><Code>EntityTooLarge</Code></Error>", "store", True),
        (400, "<Error><Code>RequestTimeout</Code></Error>", "store", False),
        (404, "", "store", True),
        (409, "", "store", True),
        (411, "<Error><Code>MissingContentLength</Code></Error>", "store", True),
        (412, "<Error><Code>PreconditionFailed</Code></Error>", "store", True),
        (413, "", "store", True),
        (418, "", "store", True),
        (301, "<Error><Code>PermanentRedirect</Code></Error>", "store", True),
        (501, "<Error><Code>NotImplemented</Code></Error>", "store", True),
    ],
)
def test_the_stores_refusals_certainly_had_no_effect(
    *, serve: Serve, make_client: MakeClient, data: Path, status: int, body: str, reason: str, permanent: bool
) -> None:
    server = serve(answering(status, body))
    effect = upload(make_client(), server.url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert (effect.reason, effect.permanent, effect.kind) == (reason, permanent, Kind.SERVICE)
    assert str(status) in effect.message
    assert len(server.peers) == 1


def answering(status: int, body: str = "", **headers: str) -> Callable[[Any], None]:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(status, body, **headers)

    return behave


def test_the_stores_own_words_are_told(serve: Serve, make_client: MakeClient, data: Path) -> None:
    body = "<Error><Code>KeyTooLong</Code><Message>Your key is too long</Message><Key>key-canary</Key></Error>"
    effect = upload(make_client(), serve(answering(400, body)).url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert effect.message == "The store refused the upload (400 KeyTooLong: Your key is too long)."


@pytest.mark.parametrize(
    "told", ["<HeaderName>x-ms-blob-type</HeaderName>", "<Message>No header: x-ms-blob-type.</Message>"]
)
def test_a_header_that_the_store_asks_for_is_told_as_a_line_to_paste(
    serve: Serve, make_client: MakeClient, data: Path, told: str
) -> None:
    body = f"<Error><Code>MissingRequiredHeader</Code>{told}</Error>"
    effect = upload(make_client(), serve(answering(400, body)).url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert "`upload: {headers: {x-ms-blob-type: BlockBlob}}` under `service:`" in effect.hint


def test_headers_of_the_manifest_go_to_the_store(serve: Serve, make_client: MakeClient, data: Path) -> None:
    server = serve(answering(200))
    client = make_client(options=ServiceOptions(upload_headers={"x-ms-blob-type": "BlockBlob"}))
    assert isinstance(upload(client, server.url + SIGNED, data), Done)
    assert b"\r\nx-ms-blob-type: BlockBlob\r\n" in server.received[0]


def test_a_signed_header_that_nobody_sends_is_told_with_the_line(
    serve: Serve, make_client: MakeClient, data: Path
) -> None:
    url = "/train.csv?X-Amz-SignedHeaders=host%3Bx-amz-acl&X-Amz-Signature=signature-canary"
    server = serve(answering(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>"))
    effect = upload(make_client(), server.url + url, data)
    assert isinstance(effect, Rejected)
    assert "`upload: {headers: {x-amz-acl: VALUE}}` under `service:`" in effect.hint
    assert len(server.peers) == 1


@pytest.mark.parametrize("wanted", ["application/octet-stream", "text/csv"])
def test_a_content_type_that_the_url_signs_is_guessed(
    serve: Serve, make_client: MakeClient, data: Path, wanted: str
) -> None:
    def behave(peer: Any) -> None:
        right = f"content-type: {wanted}" in peer.request()
        peer.answer(200 if right else 403, "" if right else "<Error><Code>SignatureDoesNotMatch</Code></Error>")

    url = "/train.csv?X-Amz-SignedHeaders=content-type%3Bhost&X-Amz-Signature=signature-canary"
    server = serve(behave)
    assert isinstance(upload(make_client(), server.url + url, data), Done)
    assert len(server.peers) == (1 if wanted == "application/octet-stream" else 2)


@pytest.mark.plays("R9")
@pytest.mark.parametrize("status", [307, 403])
def test_what_may_have_been_taken_is_not_sent_once_more(
    serve: Serve, make_client: MakeClient, data: Path, status: int
) -> None:
    url = "/train.csv?X-Amz-SignedHeaders=content-type%3Bhost&X-Amz-Signature=signature-canary"
    server = serve(answering(status, Location="/again"))
    watch = UploadWatch(sent=lambda _handed: None, may_end=lambda: True, may_repeat=lambda: False)
    effect = upload(make_client(), server.url + url, data, watch=watch)
    assert isinstance(effect, Unknown if status == 307 else Rejected)
    assert len(server.peers) == 1


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("early", [False, True])
def test_a_redirect_of_the_store_is_followed_with_the_whole_file_and_without_the_key(
    *, serve: Serve, make_client: MakeClient, data: Path, status: int, early: bool
) -> None:
    region = serve(answering(200))

    def behave(peer: Any) -> None:
        peer.head() if early else peer.request()
        peer.answer(status, Location=f"{region.url}/b?sig=signature-canary", Connection="close")

    server = serve(behave)
    assert isinstance(upload(make_client(), server.url + SIGNED, data), Done)
    assert [len(server.peers), len(region.peers)] == [1, 1]
    assert region.received[0].startswith(b"PUT /b?sig=signature-canary HTTP/1.1\r\n")
    assert region.received[0].endswith(data.read_bytes())
    assert b"x-api-key" not in region.received[0]


@pytest.mark.parametrize("location", ["http://store.example:8080/a", "ftp://store.example/a", "https://u@s.example/a"])
def test_a_redirect_to_where_nothing_may_be_sent_is_a_refusal(
    serve: Serve, make_client: MakeClient, data: Path, location: str
) -> None:
    effect = upload(make_client(), serve(answering(307, Location=location)).url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert "redirects to an address that" in effect.message


def test_redirects_are_followed_three_times(serve: Serve, make_client: MakeClient, data: Path) -> None:
    server = serve(answering(307, Location="/again"))
    effect = upload(make_client(), server.url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert len(server.peers) == 4


def test_an_error_body_that_echoes_the_signature_is_not_shown(
    serve: Serve, make_client: MakeClient, data: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(400, "<Error><Code>Odd</Code><SignatureProvided>signature-canary</SignatureProvided></Error>")

    effect = upload(make_client(), serve(behave).url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert "Odd" in effect.message
    assert "canary" not in repr(effect)


@pytest.mark.parametrize("status", [301, 302, 303, 408, 425, 429, 500, 501, 502, 503])
def test_answers_that_prove_nothing_leave_the_upload_unclear(
    serve: Serve, make_client: MakeClient, data: Path, status: int
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(status, Location="http://127.0.0.1:9/elsewhere", Retry_After="0")

    server = serve(behave)
    effect = upload(make_client(), server.url + SIGNED, data)
    assert isinstance(effect, Unknown)
    assert str(status) in effect.message
    assert len(server.peers) == 1  # no second PUT


def reset_before_reading(peer: Any) -> None:
    peer.reset()


def reset_within_the_body(peer: Any) -> None:
    peer.head()
    peer.sock.recv(1000)
    peer.reset()


def reset_after_the_body(peer: Any) -> None:
    peer.request()
    peer.reset()


def hang_up_without_an_answer(peer: Any) -> None:
    peer.request()


def hang_up_after_the_status_line(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\n")


def hang_up_within_the_status_line(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200")


def hang_up_within_the_headers(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")


def hang_up_within_a_header(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\nContent-Le")


def answer_something_else(peer: Any) -> None:
    peer.request()
    peer.say("SSH-2.0-OpenSSH_9.2\r\n")


def answer_two_lengths(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")


@pytest.mark.parametrize(
    "behave",
    [
        reset_within_the_body,
        reset_after_the_body,
        hang_up_without_an_answer,
        hang_up_after_the_status_line,
        hang_up_within_the_status_line,
        hang_up_within_the_headers,
        hang_up_within_a_header,
        answer_something_else,
        answer_two_lengths,
    ],
)
def test_a_connection_that_breaks_after_the_first_byte_is_unclear_and_never_repeated(
    serve: Serve, make_client: MakeClient, data: Path, behave: Callable[[Any], None]
) -> None:
    server = serve(behave)
    effect = upload(make_client(), server.url + SIGNED, data)
    assert isinstance(effect, Unknown)
    assert "canary" not in repr(effect)
    assert len(server.peers) == 1


def test_a_reset_before_anything_was_read_is_not_a_success(serve: Serve, make_client: MakeClient, data: Path) -> None:
    server = serve(reset_before_reading)
    assert isinstance(upload(make_client(), server.url + SIGNED, data), Unknown | NeverSent)
    assert len(server.peers) == 1


def test_a_refused_connection_was_never_sent(make_client: MakeClient, free_port: int, data: Path) -> None:
    effect = upload(make_client(), f"http://127.0.0.1:{free_port}{SIGNED}", data)
    assert isinstance(effect, NeverSent)
    assert "refused" in effect.message
    assert "canary" not in repr(effect)


def test_a_host_without_an_address_was_never_sent(
    make_client: MakeClient, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    effect = upload(make_client(), f"http://store.invalid{SIGNED}", data)
    assert isinstance(effect, NeverSent)
    assert "store.invalid" in effect.message
    assert "resolved" in effect.message


def test_a_connection_that_is_not_accepted_in_time_was_never_sent(make_client: MakeClient, data: Path) -> None:
    """A listener whose queue is full leaves the handshake unanswered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        time.sleep(0.1)
        effect = upload(make_client(connect=0.3), f"http://127.0.0.1:{address[1]}{SIGNED}", data)
        for sock in waiting:
            sock.close()
    assert isinstance(effect, NeverSent)
    assert "in time" in effect.message


def test_a_certificate_nobody_vouches_for_was_never_sent(
    serve: Serve, make_client: MakeClient, data: Path, tls: Any
) -> None:
    server = serve(lambda peer: peer.request(), tls)
    effect = upload(make_client(), server.url + SIGNED, data)
    assert isinstance(effect, NeverSent)
    assert "certificate" in effect.message
    assert server.received == [b""]


def silent(peer: Any) -> None:
    peer.server.ending.wait(20)


def drip_a_handshake(peer: Any) -> None:
    peer.say(b"\x16\x03\x03\x40\x00\x02")
    peer.drip("\0" * 600)


@pytest.mark.parametrize("behave", [silent, drip_a_handshake])
def test_a_handshake_that_does_not_end_in_time_was_never_sent(
    serve: Serve, make_client: MakeClient, data: Path, behave: Callable[[Any], None]
) -> None:
    url = serve(behave).url.replace("http:", "https:") + SIGNED
    began = time.monotonic()
    assert isinstance(upload(make_client(connect=0.4), url, data), NeverSent)
    assert time.monotonic() - began < 10


def test_a_certificate_of_another_host_was_never_sent(
    serve: Serve, make_client: MakeClient, data: Path, tls: Any, certificate: Path
) -> None:
    server = serve(lambda peer: peer.request(), tls)
    url = server.url.replace("127.0.0.1", "localhost") + SIGNED
    effect = upload(make_client(ca_bundle=certificate), url, data)
    assert isinstance(effect, NeverSent)
    assert "certificate" in effect.message
    assert ".." not in effect.message


def test_an_upload_over_tls_with_a_given_ca_bundle_is_done(
    serve: Serve, make_client: MakeClient, data: Path, tls: Any, certificate: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200)

    content = random.Random(6).randbytes(2 * BLOCK + 4711)  # noqa: S311 -- only to differ everywhere
    data.write_bytes(content)
    server = serve(behave, tls)
    assert isinstance(upload(make_client(ca_bundle=certificate), server.url + SIGNED, data, content), Done)
    assert server.received[0].partition(b"\r\n\r\n")[2] == content


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_dripping_head_ends_at_the_deadline_and_is_unclear(
    *, serve: Serve, make_client: MakeClient, data: Path, tls: Any, certificate: Path, encrypted: bool
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.drip("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + "x" * 500)

    server = serve(behave, tls if encrypted else None)
    began = time.monotonic()
    effect = upload(make_client(ca_bundle=certificate, call=0.6, slowest=1e9), server.url + SIGNED, data)
    assert time.monotonic() - began < 10
    assert isinstance(effect, Unknown)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_store_that_reads_slowly_is_given_time_as_long_as_it_reads(
    *, serve: Serve, make_client: MakeClient, tmp_path: Path, tls: Any, certificate: Path, encrypted: bool
) -> None:
    """The upload takes twice as long as a call may."""

    def behave(peer: Any) -> None:
        whole = len(peer.head()) + 4 + 4 * BLOCK
        while len(peer.received) < whole:
            enough = min(len(peer.received) + 64 * 1024, whole)
            while len(peer.received) < enough:
                piece = peer.sock.recv(16 * 1024)
                if not piece:
                    return
                peer.received += piece
            peer.server.ending.wait(0.03)
        peer.answer(200)

    content = b"s" * (4 * BLOCK)
    file = tmp_path / "train.csv"
    file.write_bytes(content)
    server = serve(behave, tls if encrypted else None)
    server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    client = make_client(call=1.0, silence=1.0, slowest=128 * 1024, ca_bundle=certificate)
    began = time.monotonic()
    assert isinstance(upload(client, server.url + SIGNED, file, content), Done)
    assert time.monotonic() - began > 1.5


def test_a_store_that_took_a_large_file_cannot_drip_its_answer_for_hours(
    serve: Serve, make_client: MakeClient, tmp_path: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.drip("HTTP/1.1 200 OK\r\nX-Long: " + "x" * 5000)

    content = b"d" * (4 * BLOCK)
    file = tmp_path / "train.csv"
    file.write_bytes(content)
    began = time.monotonic()
    effect = upload(make_client(call=0.6, slowest=1024), serve(behave).url + SIGNED, file, content)
    assert isinstance(effect, Unknown)
    assert time.monotonic() - began < 10


def test_a_store_that_stops_reading_is_left_at_the_deadline(
    serve: Serve, make_client: MakeClient, tmp_path: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.head()
        peer.server.ending.wait(20)

    content = b"z" * (32 * BLOCK)
    file = tmp_path / "train.csv"
    file.write_bytes(content)
    began = time.monotonic()
    effect = upload(make_client(silence=0.5), serve(behave).url + SIGNED, file, content)
    assert isinstance(effect, Unknown)
    assert "in time" in effect.message
    assert 0.4 < time.monotonic() - began < 5


def test_an_empty_file_is_refused_before_anything_is_sent(
    serve: Serve, make_client: MakeClient, tmp_path: Path
) -> None:
    file = tmp_path / "train.csv"
    file.touch()
    server = serve(lambda peer: peer.request())
    effect = upload(make_client(), server.url + SIGNED, file, b"")
    assert isinstance(effect, Rejected)
    assert effect.kind is Kind.DATA
    assert not server.peers


@pytest.mark.parametrize("changed", [CONTENT + b"more", CONTENT[:-1], b""])
def test_a_file_of_another_size_is_refused_before_anything_is_sent(
    serve: Serve, make_client: MakeClient, data: Path, changed: bytes
) -> None:
    data.write_bytes(changed)
    server = serve(lambda peer: peer.request())
    effect = upload(make_client(), server.url + SIGNED, data)
    assert isinstance(effect, Rejected)
    assert (effect.kind, effect.permanent) == (Kind.DATA, True)
    assert not server.peers


def test_a_missing_file_is_refused_before_anything_is_sent(make_client: MakeClient, tmp_path: Path) -> None:
    effect = upload(make_client(), "http://127.0.0.1:9" + SIGNED, tmp_path / "gone.csv")
    assert isinstance(effect, Rejected)
    assert effect.kind is Kind.DATA
    assert "No such file" in effect.message


def change_a_byte(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(5 * BLOCK + 5)
        opened.write(b"!")


def grow(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def shrink(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(2 * BLOCK)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("change", [change_a_byte, grow, shrink])
def test_a_file_that_changes_while_it_is_sent_never_becomes_a_whole_body(
    serve: Serve, make_client: MakeClient, data: Path, change: Callable[[Path], None], fast: bool
) -> None:
    server = serve(lambda peer: peer.request())
    changes = iter([change])

    def sent(_: int) -> None:
        for one in changes:
            one(data)

    watch = UploadWatch(sent=sent, may_end=lambda: True)
    effect = upload(make_client(), server.url + SIGNED, data, watch=watch, fast=fast)
    assert isinstance(effect, Rejected)
    assert (effect.kind, effect.reason, effect.permanent) == (Kind.DATA, "store", True)
    server.settle()
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert f"Content-Length: {len(CONTENT)}" in head.decode()
    assert BLOCK <= len(body) < len(CONTENT)


@pytest.mark.parametrize("fast", [False, True])
def test_another_content_of_the_same_size_never_becomes_a_whole_body(
    serve: Serve, make_client: MakeClient, data: Path, fast: bool
) -> None:
    data.write_bytes(CONTENT[::-1])
    server = serve(lambda peer: peer.request())
    effect = upload(make_client(), server.url + SIGNED, data, fast=fast)
    assert isinstance(effect, Rejected)
    server.settle()
    assert len(server.received[0].partition(b"\r\n\r\n")[2]) < len(CONTENT)


def test_nothing_is_sent_after_close(serve: Serve, make_client: MakeClient, data: Path) -> None:
    server = serve(lambda peer: peer.request())
    client = make_client()
    client.close()
    assert isinstance(upload(client, server.url + SIGNED, data), NeverSent)
    assert not server.peers
