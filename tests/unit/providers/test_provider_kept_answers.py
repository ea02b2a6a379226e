"""Answers are kept for people: the last of each call, those not understood, and no secret."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runner.lib.atomic_files import write_whole
from runner.lib.secrets import Redactor, Secret
from runner.providers.base import ServiceError, Unknown
from runner.providers.kept_answers import MOST_BODY, AnswerFile, KeptAnswer, kept_answer, without_secrets
from runner.providers.prediction_one.client import Client

CANARY = "canary-0123456789abcdef"


def answer(
    body: Any = b"{}", *, call: Any = "status", understood: bool = True, redactor: Redactor | None = None
) -> KeptAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return kept_answer(
        redactor or Redactor(),
        at=datetime(2026, 11, 30, tzinfo=UTC),
        call=call,
        method="GET",
        host="service.example",
        path=f"/v1/external/retrain_jobs/j?x={CANARY}",
        status=200,
        headers={"Content-Type": "application/json", "Set-Cookie": CANARY, "Location": f"https://s/{CANARY}"},
        body=content,
        understood=understood,
    )


@pytest.mark.plays("R7")
@pytest.mark.parametrize(
    "body",
    [
        {"api_key": CANARY},
        {"classifiers": [{"model_id": 1, "inference_api_key": CANARY}]},
        {"link": f"https://store.example/{CANARY}/x?sig={CANARY}"},
        {"link": f"/v1/external/result?sig={CANARY}"},
        f'{{"u": "https:\\/\\/s\\/p?a=1\\u0026sig={CANARY}"}}'.encode(),
        f"<Error><AWSAccessKeyId>{CANARY}</AWSAccessKeyId><StringToSign>{CANARY}\nx</StringToSign></Error>".encode(),
        f'{{"token": "{CANARY}'.encode(),
        f'{{"api\\u005fkey": "{CANARY}"}}'.encode(),
        {"api_keys": [CANARY]},
        {"credentials": {"value": CANARY, "number": [{"x": CANARY}]}},
        {"api key": CANARY},
        {"pw": CANARY, "auth": CANARY, "sig": CANARY, "session": CANARY},
        {"body": json.dumps({"api_key": CANARY})},
        json.dumps(json.dumps({"api_key": CANARY})).encode(),
        f'{{"u": "https:\\u002f\\u002fs\\u002f{CANARY}\\u003fsig={CANARY}"}}'.encode(),
        {"upload_url": f"up?sig={CANARY}"},
        {"link": f"https://user:{CANARY}@s"},
        f"{{'api_key': '{CANARY}'}}".encode(),
        f"api_key={CANARY}&x=1".encode(),
        f"api_key: {CANARY}".encode(),
        f"Authorization: Bearer {CANARY}".encode(),
        f"<key api_key='{CANARY}'/>".encode(),
        json.dumps({"api_key": CANARY}).encode("utf-16"),
    ],
)
def test_what_by_its_name_or_place_may_be_a_secret_is_not_kept(body: Any) -> None:
    kept = repr(answer(body))
    assert CANARY not in kept
    assert CANARY not in kept.replace("\\x00", "")


@pytest.mark.plays("R4")
@pytest.mark.parametrize("piece", ["/", "a/", '"key', "key", "<key", "key=", "<key ", '"', "?", "//", "[", '{"a":'])
def test_no_answer_takes_long_to_keep(piece: str) -> None:
    for start in ("", '"', "<"):
        began = time.thread_time()
        answer((start + piece * MOST_BODY)[:MOST_BODY].encode())
        assert time.thread_time() - began < 1.5  # it takes a tenth


def test_a_known_secret_is_not_kept_either_where_the_body_is_cut_within_it() -> None:
    redactor = Redactor()
    redactor.learn(Secret(CANARY))
    kept = answer(b"x" * (MOST_BODY - 12) + CANARY.encode(), redactor=redactor)
    assert CANARY[:12] not in kept.body
    assert len(kept.body) <= MOST_BODY + 1


def test_json_stays_json_where_a_secret_is_taken_out_of_it() -> None:
    said = {
        "upload_url": f"https://store.example/a?X-Amz-Signature={CANARY}&x=1",
        "message": f'api_key={CANARY} is not known, token: "{CANARY}" neither',
        "status": "running",
    }
    kept = json.loads(answer(said, call="upload_url").body)
    assert kept["status"] == "running"
    assert kept["upload_url"].startswith("https://store.example/")
    assert CANARY not in str(kept)


def test_what_tells_no_secret_stays() -> None:
    text = '{"status": "succeeded", "metadata": {"retrain_job_id": "j-1"}}'
    assert without_secrets(text, Redactor()) == text


def test_a_file_has_the_last_answer_of_each_call_and_all_that_were_not_understood(tmp_path: Path) -> None:
    path, recording = tmp_path / "answers.jsonl", tmp_path / "all.jsonl"
    with recording.open("wb") as stream:
        kept = AnswerFile(path, write_whole, stream)
        for number in range(3):
            kept.keep("status", partial(answer, {"number": number}), understood=True)
        kept.keep("status", partial(answer, {"odd": 1}, understood=False), understood=False)
        assert path.read_text().count("\n") == 2  # there as soon as a hint names it
        kept.keep("put", partial(answer, b"<xml/>", call="put"), understood=True)
        kept.close()
    bodies = [json.loads(line)["body"] for line in path.read_text().splitlines()]
    assert sorted(bodies) == sorted(['{"number": 2}', '{"odd": 1}', "<xml/>"])
    assert len(recording.read_text().splitlines()) == 5


def test_the_hint_about_an_answer_that_is_not_understood_names_the_file(
    serve: Callable[..., Any], make_client: Callable[..., Client], key: Secret, tmp_path: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(503, f"<html>down {key.reveal()}</html>")

    path = tmp_path / "answers.jsonl"
    client = make_client(serve(behave).url, keeper=AnswerFile(path, write_whole))
    effect = client.switch(key, "job-1")
    assert isinstance(effect, Unknown)
    assert effect.hint.endswith(f"The whole answer is in {path}.")
    with pytest.raises(ServiceError) as caught:
        client.status(key, "job-1")
    assert str(path) in caught.value.hint
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["call"], first["status"], second["call"]) == ("switch", 503, "status")
    assert key.reveal() not in path.read_text()
