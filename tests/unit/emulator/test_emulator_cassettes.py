"""A recorded service is played as it answered: words, times, errors, result and switch."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from emulator.cassette_profile import cassette_profile
from emulator.keys import own_key
from runner.lib.cassette import Answered, Cassette, RecordedCall, record, write_cassette
from tests.unit.emulator.emulator_harness import API, started, write_manifest

JOB, URL, RESULT = "abc-1", "https://s.example/up?X-Amz-Signature=1", "https://s.example/down?X-Amz-Signature=2"
TABLE = b"a,b\n1,2\n"


def answer(call: RecordedCall, at: float, status: int, value: object = None, *, body: bytes = b"") -> Answered:
    content = body if value is None else json.dumps(value).encode()
    return Answered(call=call, at=at, status=status, headers={"content-type": "application/json"}, body=content)


def status_data(status: str, **more: object) -> dict[str, object]:
    return {"data": {"status": status, "metadata": {"retrain_job_id": JOB}, **more}}


def recording(*more: Answered, training_s: float = 1.5) -> Cassette:
    answers = [
        answer("unknown_job", 0, 401, {"error": {"code": 1, "message": "Not found retrain job."}}),
        answer("classifiers", 0, 403, {"message": "Forbidden"}),
        answer("upload_url", 1, 429, {"message": "later"}),
        answer("upload_url", 2, 200, {"retrain_job_id": JOB, "upload_url": URL}),
        answer("status", 3, 404, {"message": "no such job"}),
        answer("put", 4, 307),
        answer("put", 4.1, 201),
        answer("status", 4.2, 200, status_data("accepted")),
        answer("status", 4.5, 200, status_data("accepted")),
        answer("status", 4.1 + training_s / 2, 200, status_data("学習中")),
        answer("status", 4.1 + training_s, 200, status_data("done", url=RESULT)),
        answer("download", 6, 200, body=b"metric,value\nAUC,0.7\n"),
        answer("switch", 7, 204),
        *more,
    ]
    known = {JOB: "${retrain_job_id}", URL: "${upload_url}", RESULT: "${download_url}"}
    return record(answers, known=known, made_by="a test", recorded_at="2026-03-01T00:00:00Z")


def test_a_recorded_service_is_played_for_each_model(tmp_path: Path) -> None:
    write_manifest(tmp_path, ["spare", "wine"])
    write_cassette(tmp_path / "cassette.zip", recording())
    with started(tmp_path, "--own-keys", "--profile", str(tmp_path / "cassette.zip")) as emulator:
        for name in ("spare", "wine"):
            take = f"{API}/retrain_jobs/upload_url?filename=a.csv"
            assert emulator.call("GET", take, key=own_key(name)).status == 429
            job, url = emulator.take_job(name)
            path = f"{API}/retrain_jobs/{job}"
            assert emulator.call("GET", path, key=own_key(name)).status == 404
            onward = emulator.call("PUT", url, body=TABLE)
            assert emulator.call("PUT", onward.headers["Location"], body=TABLE).status == 201
            told, deadline = list[dict[str, Any]](), time.monotonic() + 20
            while not told or told[-1]["status"] != "done":
                assert time.monotonic() < deadline
                told.append(emulator.call("GET", path, key=own_key(name)).json()["data"])
                time.sleep(0.05)
            assert list(dict.fromkeys(data["status"] for data in told)) == ["accepted", "学習中", "done"]
            data = told[-1]
            assert data["metadata"]["retrain_job_id"] == job
            assert emulator.call("GET", data["url"]).body == b"metric,value\nAUC,0.7\n"
            assert (emulator.switch(name, job).status, emulator.describe(name)["serving_job"]) == (204, job)
        refused = emulator.call("GET", f"{API}/retrain_jobs/none", key="nobody")
        assert (refused.status, refused.json()["error"]["message"]) == (401, "invalid_api_key.")
        assert emulator.call("GET", f"{API}/classifiers", key=own_key("wine")).status == 403
        assert [entry["effect"] for entry in emulator.requests()].count("started") == 2


def test_a_long_training_is_played_in_proportion() -> None:
    rules = [rule for rule in cassette_profile(recording(training_s=7200)).rules if rule.call == "status"]
    assert [rule.until for rule in rules] == [0.0, pytest.approx(10, abs=0.1), pytest.approx(20, abs=0.1), None]


def test_a_recording_of_nothing_is_the_documented_service() -> None:
    nothing = record([], known={}, made_by="a test", recorded_at="2026-03-01T00:00:00Z")
    assert cassette_profile(nothing).rules == ()
