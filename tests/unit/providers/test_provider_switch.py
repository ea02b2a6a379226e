"""Switches: done by proof only, refused by a documented or plain refusal only, unclear otherwise."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from runner.errors import Kind
from runner.lib.secrets import Secret
from runner.providers.base import Code, Done, NeverSent, Rejected, ServiceOptions, Unknown
from runner.providers.prediction_one.client import Client
from runner.providers.prediction_one.responses import DOCUMENTED, Documented

Serve = Callable[..., Any]
MakeClient = Callable[..., Client]
PROOF = {"metadata": {"retrain_job_id": "job-1"}}


def answering(status: int, body: Any = b"", **headers: str) -> Callable[[Any], None]:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(status, body, **headers)

    return behave


def test_a_switch_is_one_put_without_a_body_with_the_key(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    server = serve(answering(200, PROOF))
    assert isinstance(make_client(server.url).switch(key, "job-1"), Done)
    lines = server.received[0].decode().removesuffix("\r\n\r\n").split("\r\n")
    assert lines[0] == "PUT /v1/external/retrain_jobs/job-1/update_model HTTP/1.1"
    assert sorted(lines[1:]) == [
        "Accept-Encoding: identity",
        "Content-Length: 0",
        f"Host: {server.url.removeprefix('http://')}",
        "User-Agent: retrain-runner",
        "x-api-key: key-canary-4711",
    ]


@pytest.mark.parametrize("proof", ["status", "body"])
@pytest.mark.parametrize(
    "body", [PROOF, {**PROOF, "more": [1]}, {"retrain_job_id": "job-1"}, {"data": {"retrain_job_id": "job-1"}}]
)
def test_a_json_object_that_names_the_job_is_proof(
    *, serve: Serve, make_client: MakeClient, key: Secret, body: Any, proof: Any
) -> None:
    client = make_client(serve(answering(200, body)).url, options=ServiceOptions(switch_proof=proof))
    assert isinstance(client.switch(key, "job-1"), Done)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (204, ""),
        (200, ""),
        (202, " \r\n"),
        (200, {}),
        (200, "null"),
        (200, "[]"),
        (200, '"done"'),
        (200, "OK"),
        (200, {"metadata": None}),
        (200, {"metadata": {}, "more": [1]}),
        (200, {"code": 0, "error": None, "status": "ok", "message": "Accepted."}),
        (200, '{"x": NaN}'),
    ],
)
def test_a_2xx_that_does_not_speak_against_it_is_proof_unless_the_body_is_asked_for(
    *, serve: Serve, make_client: MakeClient, key: Secret, status: int, body: Any
) -> None:
    server = serve(answering(status, body))
    assert isinstance(make_client(server.url).switch(key, "job-1"), Done)
    strict = make_client(server.url, options=ServiceOptions(switch_proof="body"))
    assert isinstance(strict.switch(key, "job-1"), Unknown)


def test_a_packed_answer_is_read(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    packed = gzip.compress(json.dumps(PROOF).encode())
    server = serve(answering(200, packed, Content_Encoding="gzip"))
    client = make_client(server.url, options=ServiceOptions(switch_proof="body"))
    assert isinstance(client.switch(key, "job-1"), Done)


@pytest.mark.plays("R10")
@pytest.mark.parametrize(
    "body",
    [
        "<html>Sign in</html>",
        "Internal error",
        "false",
        '"failed"',
        "OK " * 100,
        '{"metadata": {"retrain_job_id": "job-1"}',
        '{"metadata": {"retrain_job_id": "job-1"}, "metadata": {}}',
        b'{"metadata": {"retrain_job_id": "job-1", "x": "\xff"}}',
        {"metadata": {"retrain_job_id": "job-2"}},
        {"retrain_job_id": "job-2"},
        {"retrain_job_id": "job-1", "data": {"retrain_job_id": "job-2"}},
        {"metadata": {"retrain_job_id": True}},
        {"error": {"message": "something"}},
        {"code": "5001000201", "message": "something"},
        {"status": "error"},
        {"status": 500},
        {"success": False},
        {"message": "Internal server error"},
        {"metadata": {"retrain_job_id": "job-1"}, "error": "something"},
        {"success": "false"},
        {"success": 0},
        {"updated": False},
        {"data": {"success": False}},
        {"data": {"status": "failed"}},
        {"data": {"error": "something"}},
        {"errorMessage": "It failed."},
        {"errorCode": "E1"},
        {"__type": "ThrottlingException"},
        {"message": "Unauthorized"},
        {"message": "Too Many Requests"},
        {"title": "Not Found"},
        {"data": {"job": {"retrain_job_id": "job-2"}}},
        {"jobs": [{"retrain_job_id": "job-1"}, {"retrain_job_id": "job-2"}]},
        "Service Unavailable",
        "Please log in",
        b"\x1f\x8b\x08",
        "<html>".encode("utf-16"),
    ],
)
def test_a_200_with_an_error_a_page_or_another_job_is_unclear(
    serve: Serve, make_client: MakeClient, key: Secret, body: Any
) -> None:
    assert isinstance(make_client(serve(answering(200, body)).url).switch(key, "job-1"), Unknown)


def test_a_200_that_is_encoded_or_too_large_is_unclear(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    encoded = serve(answering(200, PROOF, Content_Encoding="br"))
    large = serve(answering(200, PROOF | {"x": "y" * 1024 * 1024}))
    assert isinstance(make_client(encoded.url).switch(key, "job-1"), Unknown)
    assert isinstance(make_client(large.url).switch(key, "job-1"), Unknown)


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: row.code)
def test_a_documented_message_refuses_the_switch(
    serve: Serve, make_client: MakeClient, key: Secret, row: Documented
) -> None:
    status = 500 if row.code is Code.SETTINGS_GONE else 400
    body = {"code": "4001000204", "error": "PREDA_EXTERNAL_BAD_REQUEST", "message": row.text}
    effect = make_client(serve(answering(status, body)).url).switch(key, "job-1")
    unfinished = row.code is Code.NOT_FINISHED
    assert effect == Rejected(
        message=row.message,
        hint=row.hint,
        kind=row.kind,
        permanent=not unfinished,
        reason="busy" if unfinished else "documented",
    )


def test_a_documented_message_refuses_the_switch_within_a_200_too(
    serve: Serve, make_client: MakeClient, key: Secret
) -> None:
    body = {"code": "4001000204", "message": "Inactive_credential."}
    effect = make_client(serve(answering(200, body)).url).switch(key, "job-1")
    assert isinstance(effect, Rejected)
    assert effect.kind is Kind.CREDENTIALS


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Classifier is updating."),
        (409, "Conflict"),
        (409, ""),
        (400, "Another switch is in progress."),
        (400, "The model is being switched."),
        (400, "ただいま更新中です。"),
    ],
)
def test_a_service_that_is_busy_lets_the_switch_be_made_later(
    *, serve: Serve, make_client: MakeClient, key: Secret, status: int, text: str
) -> None:
    effect = make_client(serve(answering(status, {"message": text})).url).switch(key, "job-1")
    assert isinstance(effect, Rejected)
    assert (effect.reason, effect.permanent) == ("busy", False)


@pytest.mark.parametrize(
    ("status", "text", "kind", "hint"),
    [
        (403, "Classifier is locked.", Kind.SERVICE, "unlocked"),
        (409, "Classifier is locked.", Kind.SERVICE, "unlocked"),
        (423, "", Kind.SERVICE, "unlocked"),
        (400, "Exceeded the limit of models.", Kind.SERVICE, "limit"),
        (400, "モデル数の上限に達しました。", Kind.SERVICE, "limit"),
        (401, "Unauthorized", Kind.CREDENTIALS, "api_key"),
        (400, "APIキーが無効です。", Kind.CREDENTIALS, "api_key"),
        (400, "Odd.", Kind.SERVICE, "support"),
    ],
)
def test_a_refusal_is_told_as_what_it_is(
    *, serve: Serve, make_client: MakeClient, key: Secret, status: int, text: str, kind: Kind, hint: str
) -> None:
    effect = make_client(serve(answering(status, {"message": text})).url).switch(key, "job-1")
    assert isinstance(effect, Rejected)
    assert (effect.kind, effect.permanent) == (kind, True)
    assert hint in effect.hint
    assert "service.url" not in effect.hint


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410])
def test_a_plain_json_refusal_is_permanent(serve: Serve, make_client: MakeClient, key: Secret, status: int) -> None:
    effect = make_client(serve(answering(status, {"message": "Odd"})).url).switch(key, "job-1")
    assert isinstance(effect, Rejected)
    assert (effect.reason, effect.permanent) == ("gateway", True)
    assert effect.kind is (Kind.CREDENTIALS if status in (401, 403) else Kind.SERVICE)
    assert "Odd" in effect.message


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 418, 429, 500, 502, 503, 504])
def test_other_answers_leave_the_switch_unclear(
    serve: Serve, make_client: MakeClient, key: Secret, status: int
) -> None:
    server = serve(answering(status, {"message": "wait"}, Retry_After="0", Location="/elsewhere"))
    assert isinstance(make_client(server.url).switch(key, "job-1"), Unknown)
    assert len(server.peers) == 1


def test_a_refusal_that_is_not_json_is_unclear(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    assert isinstance(make_client(serve(answering(404, "<html>gone</html>")).url).switch(key, "job-1"), Unknown)


def cut_body(peer: Any) -> None:
    peer.request()
    peer.say('HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n{"metadata": {"retrain')


def cut_chunks(peer: Any) -> None:
    peer.request()
    peer.say(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2c\r\n{"metadata": {"retrain_job_id": "job-1"}}   \r\n'
    )


def no_answer(peer: Any) -> None:
    peer.request()


def status_line_only(peer: Any) -> None:
    peer.request()
    peer.say("HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("behave", [cut_body, cut_chunks, no_answer, status_line_only])
def test_a_cut_answer_is_unclear_and_the_switch_is_not_repeated(
    serve: Serve, make_client: MakeClient, key: Secret, behave: Callable[[Any], None]
) -> None:
    server = serve(behave)
    assert isinstance(make_client(server.url).switch(key, "job-1"), Unknown)
    assert len(server.peers) == 1


@pytest.mark.parametrize("body_only", [False, True])
def test_a_dripping_answer_ends_at_the_deadline_and_is_unclear(
    serve: Serve, make_client: MakeClient, key: Secret, body_only: bool
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        if body_only:
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        peer.drip("HTTP/1.1 200 OK\r\nX: " + "x" * 800, pause=0.02)

    began = time.monotonic()
    effect = make_client(serve(behave).url, call=0.5).switch(key, "job-1")
    assert 0.4 < time.monotonic() - began < 10
    assert isinstance(effect, Unknown)
    assert "in the time it had" in effect.message


def test_a_silent_server_is_unclear(serve: Serve, make_client: MakeClient, key: Secret) -> None:
    server = serve(lambda peer: peer.server.ending.wait(20))
    effect = make_client(server.url, silence=0.3).switch(key, "job-1")
    assert isinstance(effect, Unknown)
    assert "in time" in effect.message


def test_nobody_listening_was_never_sent(make_client: MakeClient, key: Secret, free_port: int) -> None:
    assert isinstance(make_client(f"http://127.0.0.1:{free_port}").switch(key, "job-1"), NeverSent)


@pytest.mark.parametrize("value", ["", "key\r\nX-Evil: 1", "key with spaces", "schlüssel", "key\n"])
def test_a_key_that_fits_no_header_is_refused_unsent_and_unshown(
    serve: Serve, make_client: MakeClient, value: str
) -> None:
    server = serve(answering(200, PROOF))
    effect = make_client(server.url).switch(Secret(value), "job-1")
    assert isinstance(effect, Rejected)
    assert (effect.kind, effect.permanent) == (Kind.CREDENTIALS, True)
    assert not server.peers
    assert not value or value not in effect.message + effect.hint


def test_a_connection_the_server_closed_meanwhile_never_makes_a_switch_unclear(
    serve: Serve, make_client: MakeClient, key: Secret
) -> None:
    """Servers that promise keep-alive and hang up: each call has a connection of its own."""
    server = serve(answering(200, PROOF | {"status": "building"}, Connection="keep-alive"))
    client = make_client(server.url)
    for _ in range(5):
        client.status(key, "job-1")
        assert isinstance(client.switch(key, "job-1"), Done)
    assert len(server.peers) == 10
