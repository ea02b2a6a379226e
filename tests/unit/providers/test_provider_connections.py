"""Connections that carry more than one question: only questions, only while nobody is the worse for it."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import runner.http.sockets as kept_module
from runner.http.sockets import ConnectionPool, PlainSocket
from runner.lib.checksums import sum_of
from runner.lib.secrets import Secret
from runner.providers.base import Done, ServiceError
from runner.providers.prediction_one.client import Client
from tests.fakes.local_files import local

Serve = Callable[..., Any]
MakeClient = Callable[..., Client]
ORIGIN = ("https", "service.test", None)


def status_of(line: str) -> dict[str, Any]:
    return {"status": "training", "metadata": {"retrain_job_id": line.split()[1].rsplit("/", 1)[1]}}


def talkative(peer: Any) -> None:
    """Answer all that comes over one connection."""
    while True:
        line = peer.request()
        peer.received.clear()
        peer.answer(200, {"metadata": {"retrain_job_id": "job-1"}} if line.startswith("PUT") else status_of(line))


def curt(peer: Any) -> None:
    """Answer one question, and hang up on the next one without a word."""
    peer.answer(200, status_of(peer.request()))
    peer.received.clear()
    peer.request()
    peer.reset()


def polite(peer: Any) -> None:
    """Answer one question and end the connection, over TLS with a word that it ends."""
    peer.answer(200, status_of(peer.request()))
    if isinstance(peer.sock, ssl.SSLSocket):
        peer.sock.unwrap()


@pytest.mark.parametrize("encrypted", [False, True])
def test_questions_share_a_connection(
    *, serve: Serve, make_client: MakeClient, key: Secret, tls: Any, certificate: Path, encrypted: bool
) -> None:
    server = serve(talkative, tls if encrypted else None)
    client = make_client(server.url, certificate)
    for number in range(5):
        assert client.status(key, f"job-{number}").value == "training"
    assert len(server.peers) == 1


def test_what_has_an_effect_or_an_answer_that_names_no_job_asked_after_has_a_connection_of_its_own(
    serve: Serve, make_client: MakeClient, key: Secret, tmp_path: Path
) -> None:
    server = serve(talkative)
    client = make_client(server.url)
    client.status(key, "job-1")
    file = tmp_path / "train.csv"
    file.write_bytes(b"a,b\n")
    assert isinstance(client.switch(key, "job-1"), Done)
    assert isinstance(
        client.upload(Secret(server.url + "/a?b"), local(file), content=sum_of([b"a,b\n"])),
        Done,
    )
    for ask in (
        partial(client.take_job, key, "train.csv"),
        partial(client.classifiers, key),
        partial(client.fetch_api_key, key, 1),
    ):
        with suppress(ServiceError):
            ask()
    client.status(key, "job-1")
    assert len(server.peers) == 6


def late(answer_to: Callable[[str], dict[str, Any]]) -> Callable[[Any], None]:
    """Hint early, as proxies do, so that each answer comes when its question is taken for answered."""

    def behave(peer: Any) -> None:
        while True:
            line = peer.request()
            peer.received.clear()
            peer.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            time.sleep(0.05)
            peer.answer(200, answer_to(line))

    return behave


def test_a_job_is_never_taken_for_another_models(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    """The answer to the first model's question comes when the second one's is waited for."""

    def issue(line: str) -> dict[str, Any]:
        name = line.partition("filename=")[2].partition(".")[0]
        return {"retrain_job_id": f"job-of-{name}", "upload_url": f"{server.url}/{name}?signature"}

    server = serve(late(issue))
    client = make_client(server.url)
    for name in ("first", "second", "third"):
        with pytest.raises(ServiceError, match="103"):
            client.take_job(key, f"{name}.csv")
    assert len(server.peers) == 3


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "training"},
        {"status": "training", "metadata": {"retrain_job_id": "another"}},
        {"message": "no such job"},
    ],
)
def test_a_connection_whose_answer_does_not_name_the_job_asked_after_is_not_used_again(
    serve: Serve, make_client: MakeClient, key: Secret, answer: dict[str, Any]
) -> None:
    def behave(peer: Any) -> None:
        while True:
            peer.request()
            peer.received.clear()
            peer.answer(200, answer)

    server = serve(behave)
    client = make_client(server.url)
    for _ in range(3):
        with suppress(ServiceError):
            client.status(key, "job-1")
    assert len(server.peers) == 3


def test_a_connection_with_an_early_hint_is_not_used_again(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    server = serve(late(status_of))
    client = make_client(server.url)
    for number in range(3):
        with pytest.raises(ServiceError):
            client.status(key, f"job-{number}")
    assert len(server.peers) == 3


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("behave", [curt, polite])
def test_a_question_over_a_connection_that_had_ended_is_asked_again(
    *,
    serve: Serve,
    make_client: MakeClient,
    key: Secret,
    tls: Any,
    certificate: Path,
    encrypted: bool,
    behave: Callable[[Any], None],
) -> None:
    server = serve(behave, tls if encrypted else None)
    client = make_client(server.url, certificate)
    assert [client.status(key, f"job-{number}").value for number in range(4)] == ["training"] * 4
    assert len(server.peers) == 4


def test_a_switch_is_never_sent_twice_for_a_connection_that_had_ended(
    serve: Serve, make_client: MakeClient, key: Secret
) -> None:
    asked: list[str] = []

    def behave(peer: Any) -> None:
        asked.append(line := peer.request())
        if line.startswith("GET"):
            peer.answer(200, status_of(line))
            peer.received.clear()
            asked.append(peer.request())
        peer.reset()

    client = make_client(serve(behave).url)
    client.status(key, "job-1")
    assert not isinstance(client.switch(key, "job-1"), Done)
    assert [line.split()[0] for line in asked] == ["GET", "PUT"]


def test_an_answer_cut_short_on_a_kept_connection_is_told_and_not_asked_for_again_in_silence(
    serve: Serve, make_client: MakeClient, key: Secret
) -> None:
    def behave(peer: Any) -> None:
        peer.answer(200, status_of(peer.request()))
        peer.received.clear()
        peer.request()
        peer.say("HTTP/1.1 20")

    server = serve(behave)
    client = make_client(server.url)
    client.status(key, "job-1")
    with pytest.raises(ServiceError) as caught:
        client.status(key, "job-1")
    assert caught.value.again
    assert len(server.peers) == 1


def test_each_question_has_its_own_deadline(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    server = serve(talkative)
    client = make_client(server.url, call=0.4)
    client.status(key, "job-1")
    time.sleep(0.5)
    assert client.status(key, "job-1").value == "training"
    assert len(server.peers) == 1


def test_silence_on_a_kept_connection_ends_by_the_deadline(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    def behave(peer: Any) -> None:
        peer.answer(200, status_of(peer.request()))
        peer.server.ending.wait(10)

    server = serve(behave)
    client = make_client(server.url, call=0.4, silence=0.2)
    client.status(key, "job-1")
    began = time.monotonic()
    with pytest.raises(ServiceError):
        client.status(key, "job-1")
    assert time.monotonic() - began < 5


def test_a_connection_with_an_unread_answer_is_ended_at_once(
    serve: Serve, make_client: MakeClient, key: Secret
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200, "x" * (3 << 20))
        peer.sock.recv(1)  # until the other side ends the connection

    server = serve(behave)
    client = make_client(server.url)
    with pytest.raises(ServiceError, match="larger than"):
        client.status(key, "job-1")
    assert server.handled.wait(5)


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    serve: Serve, make_client: MakeClient, key: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "_LONGEST_IDLE_S", 0.0)
    server = serve(talkative)
    client = make_client(server.url)
    client.status(key, "job-1")
    client.status(key, "job-1")
    assert len(server.peers) == 2


def test_a_closed_client_keeps_no_connection(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    server = serve(talkative)
    client = make_client(server.url)
    client.status(key, "job-1")
    client.close()
    assert server.handled.wait(5)  # the other side sees the end of it


def test_no_line_is_used_by_two_at_once() -> None:
    kept: ConnectionPool[Any] = ConnectionPool()
    busy: set[int] = set()

    class Line:
        def close(self) -> None:
            pass

    def use(_: int) -> None:
        line = kept.take(ORIGIN) or Line()
        assert id(line) not in busy
        busy.add(id(line))
        time.sleep(0.0001)
        busy.discard(id(line))
        kept.put(ORIGIN, line)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(400)))


def test_more_lines_than_are_used_at_once_are_closed_and_so_are_those_after_the_end() -> None:
    closed = threading.Semaphore(0)

    class Line:
        def close(self) -> None:
            closed.release()

    kept: ConnectionPool[Line] = ConnectionPool()
    for _ in range(20):
        kept.put(ORIGIN, Line())
    assert [closed.acquire(blocking=False) for _ in range(5)] == [True, True, True, True, False]
    assert kept.take(("http", "service.test", None)) is None  # of another origin
    kept.close()
    kept.put(ORIGIN, Line())
    assert [closed.acquire(blocking=False) for _ in range(18)] == [True] * 17 + [False]


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="this kernel has no such option")
def test_what_arrives_is_confirmed_at_once_so_that_an_answer_in_two_parts_does_not_wait_for_it(
    serve: Serve, make_client: MakeClient, key: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []

    def note(sock: socket.socket, *option: Any) -> None:
        told.append(option)
        socket.socket.setsockopt(sock, *option)

    client = make_client(serve(talkative).url)
    client.status(key, "job-1")
    monkeypatch.setattr(PlainSocket, "setsockopt", note)
    client.status(key, "job-1")
    assert told[-1] == (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
