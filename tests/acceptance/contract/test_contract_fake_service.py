"""The examiner examined: the fake store is strict, the fake API keeps the contract, and the log forgets nothing."""

import http.client
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.loopback_port import Answer
from tests.fakes.two_port_records import ScriptedModel
from tests.fakes.two_port_service import TwoPortService

KEY = {"x-api-key": "the key"}


@pytest.fixture
def model(service: TwoPortService) -> ScriptedModel:
    return service.add(ScriptedModel(name="churn", key="the key", results=[b"result"]))


def _ask(
    url: str, method: str = "GET", *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _json(url: str, method: str = "GET", **headers: str) -> Any:
    return json.loads(_ask(url, method, headers={**KEY, **headers})[1])


def _job(service: TwoPortService) -> tuple[str, str]:
    answer = _json(f"{service.url}/v1/external/retrain_jobs/upload_url?filename=a%20b.csv")
    return answer["retrain_job_id"], answer["upload_url"]


def test_a_job_goes_from_its_url_to_its_switch(service: TwoPortService, model: ScriptedModel) -> None:
    job, url = _job(service)
    status = f"{service.url}/v1/external/retrain_jobs/{job}"
    assert _json(status)["status"] == "waiting"
    assert _json(f"{status}/update_model", "PUT")["message"] == "Retrain job is not finished."
    assert _ask(url, "PUT", body=b"data")[0] == 200
    assert [_json(status)["status"] for _ in range(2)] == ["running", "job_finished"]
    assert _ask(_json(status)["download_url"]) == (200, b"result")
    assert _json(f"{status}/update_model", "PUT") == {"metadata": {"retrain_job_id": job}}
    assert service.accepted("churn") == [b"data"]
    assert service.switches("churn") == [job]
    assert model.results == [b"result"]


def test_the_store_refuses_what_an_object_store_refuses(service: TwoPortService, model: ScriptedModel) -> None:
    _, url = _job(service)
    assert _ask(url.replace("CANARY", "FORGED"), "PUT", body=b"x")[0] == 403
    assert _ask(url, "PUT", body=b"x", headers=KEY)[0] == 400
    assert _ask(url, "PUT", headers={"Transfer-Encoding": "chunked"})[0] == 501
    model.url_seconds = 0
    _, expired = _job(service)
    time.sleep(0.01)
    assert _ask(expired, "PUT", body=b"x")[0] == 403
    assert service.accepted("churn") == []
    assert len(service.calls(name="put")) == 4


def test_a_body_that_was_cut_is_not_an_upload_but_in_the_log(service: TwoPortService, model: ScriptedModel) -> None:
    _, url = _job(service)
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as raw:
        raw.sendall(f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
        raw.shutdown(socket.SHUT_WR)
        raw.recv(1000)
    [call] = service.calls(model.name, "put")
    assert (call.size, call.whole) == (3, False)
    assert service.accepted("churn") == []


def test_a_second_upload_to_one_url_is_counted_as_a_second_start(service: TwoPortService, model: ScriptedModel) -> None:
    _, url = _job(service)
    _ask(url, "PUT", body=b"one")
    _ask(url, "PUT", body=b"two")
    assert service.accepted(model.name) == [b"one", b"two"]


def test_a_lost_answer_comes_after_its_effect_or_instead_of_it(service: TwoPortService, model: ScriptedModel) -> None:
    model.next_answer("put", Answer(lost="arrived"), Answer(lost="done"))
    _, url = _job(service)
    for expected in (0, 1):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            _ask(url, "PUT", body=b"x")
        assert len(service.accepted("churn")) == expected


def test_an_unknown_key_and_the_job_of_another_are_refused(service: TwoPortService, model: ScriptedModel) -> None:
    service.add(ScriptedModel(name="other", key="another key", results=[b""]))
    job, _ = _job(service)
    status = f"{service.url}/v1/external/retrain_jobs/{job}"
    assert _json(status, **{"x-api-key": "wrong"})["message"] == "invalid_api_key."
    assert _json(status, **{"x-api-key": "another key"})["message"] == "Not found retrain job."
    model.before = None
    assert _json(status)["message"] == "Not found retrain job."
