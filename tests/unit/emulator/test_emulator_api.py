"""The retrain calls, every documented error of them, and the neighbouring calls."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.keys import ACCOUNT_KEY, own_key
from tests.unit.emulator.emulator_harness import API, TASKS, Answered, Emulator, started, write_manifest

MODEL_FIELDS = "model_id owner_user_id target_type name version config is_api_option updated_date created_date"
CLASSIFIER_FIELDS = (
    "classifier_id model_id status api_key version url active is_editable create_datetime update_datetime rules"
)
UPLOAD_URL = f"{API}/retrain_jobs/upload_url?filename=a.csv"


def refusal(answer: Answered) -> str:
    """Return the message of a refusal, which has the form of the documented bad request."""
    return documented(answer, code="4001000204", error="PREDA_EXTERNAL_BAD_REQUEST")


def documented(answer: Answered, *, code: str, error: str) -> str:
    """Return the message of an answer in the form of the contract's table of errors."""
    row: dict[str, str] = answer.json()
    assert row == {"code": code, "error": error, "message": row["message"]}
    assert answer.status == int(code[:3])
    assert answer.headers["Content-Type"] == "application/json"
    return row["message"]


@pytest.fixture
def spoilt(shared: Emulator) -> Iterator[Emulator]:
    yield shared
    shared.condition("spare", None)


def calls(emulator: Emulator, key: str | None, job: str) -> list[Answered]:
    return [
        emulator.call("GET", UPLOAD_URL, key=key),
        emulator.call("GET", f"{API}/retrain_jobs/{job}", key=key),
        emulator.call("PUT", f"{API}/retrain_jobs/{job}/update_model", key=key),
    ]


@pytest.mark.parametrize("key", [None, "", "emulator-nobody", "emulator-spare ", "é"])
def test_a_key_that_does_not_exist_is_invalid_for_all_three_calls(shared: Emulator, key: str | None) -> None:
    assert [refusal(answer) for answer in calls(shared, key, "0" * 32)] == 3 * ["invalid_api_key."]


def test_an_expired_key_is_inactive_until_a_new_one_is_fetched(spoilt: Emulator) -> None:
    job, _ = spoilt.take_job("spare")
    model_id = spoilt.describe("spare")["model_id"]
    fetch = f"{API}/api-key?credential_type=retrain&model_id={model_id}"
    old = spoilt.call("GET", fetch, key=ACCOUNT_KEY).json()["api_key"]
    spoilt.condition("spare", "key_expired")
    for key in (own_key("spare"), old):
        assert [refusal(answer) for answer in calls(spoilt, key, job)] == 3 * ["Inactive_credential."]
    fetched = spoilt.call("GET", fetch, key=ACCOUNT_KEY).json()
    assert fetched["api_key"] != old
    left = datetime.fromisoformat(fetched["end_date"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert spoilt.call("GET", UPLOAD_URL, key=fetched["api_key"]).status == 200


def test_a_credential_of_another_kind_or_a_deleted_one_is_not_found(spoilt: Emulator) -> None:
    job, _ = spoilt.take_job("spare")
    assert [refusal(answer) for answer in calls(spoilt, ACCOUNT_KEY, job)] == 3 * ["Not_found_credential."]
    spoilt.condition("spare", "credential_deleted")
    assert [refusal(answer) for answer in calls(spoilt, own_key("spare"), job)] == 3 * ["Not_found_credential."]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("user_deleted", "This user may be deleted."),
        ("model_deleted", "This model may be deleted."),
        ("job_deleted", "This job may be deleted."),
    ],
)
def test_what_is_deleted_refuses_a_new_job(spoilt: Emulator, condition: str, message: str) -> None:
    before = len(spoilt.describe("spare")["jobs"])
    assert spoilt.condition("spare", condition).json()["condition"] == condition
    assert refusal(spoilt.call("GET", UPLOAD_URL, key=own_key("spare"))) == message
    assert len(spoilt.describe("spare")["jobs"]) == before


def test_the_account_deletes_a_model_and_a_models_own_key_does_not(spoilt: Emulator) -> None:
    place = f"{API}/models/{spoilt.describe('spare')['model_id']}"
    assert refusal(spoilt.call("DELETE", place, key=own_key("spare"))) == "Not_found_credential."
    assert refusal(spoilt.call("DELETE", f"{API}/models/999", key=ACCOUNT_KEY)) == "This model may be deleted."
    assert spoilt.call("GET", UPLOAD_URL, key=own_key("spare")).status == 200
    assert (spoilt.call("DELETE", place, key=ACCOUNT_KEY).status, spoilt.describe("spare")["condition"]) == (
        200,
        "model_deleted",
    )
    assert refusal(spoilt.call("GET", UPLOAD_URL, key=own_key("spare"))) == "This model may be deleted."


def test_a_missing_configuration_is_the_one_internal_error(spoilt: Emulator) -> None:
    spoilt.condition("spare", "configuration_missing")
    answer = spoilt.call("GET", UPLOAD_URL, key=own_key("spare"))
    message = documented(answer, code="5001000201", error="PREDA_EXTERNAL_INTERNAL_SERVER_ERROR")
    assert message == "Not found configuration_file."


def test_a_deleted_job_says_so_in_its_status_and_cannot_be_switched_to(shared: Emulator) -> None:
    job, url = shared.take_job("spare")
    assert shared.call("DELETE", f"/v1/emulator/jobs/{job}").status == 200
    assert refusal(shared.call("GET", f"{API}/retrain_jobs/{job}", key=own_key("spare"))) == "This job may be deleted."
    assert refusal(shared.switch("spare", job)) == "Not found retrain job."
    assert shared.call("PUT", url, body=b"a,b\n1,2\n").status == 404
    assert shared.call("DELETE", "/v1/emulator/jobs/none").status == 404


def test_a_wrong_job_id_and_another_models_job_are_not_found(shared: Emulator) -> None:
    job, _ = shared.take_job("wine")
    for wrong in (job, "0" * 32, "upload_url2"):
        _, status, switch = calls(shared, own_key("spare"), wrong)
        assert refusal(status) == "Not found retrain job."
        assert refusal(switch) == "Not found retrain job."


def test_a_switch_needs_a_finished_job_and_a_classifier_and_may_be_repeated(spoilt: Emulator, small: bytes) -> None:
    waiting, _ = spoilt.take_job("spare")
    assert refusal(spoilt.switch("spare", waiting)) == "Retrain job is not finished."
    job = spoilt.train("spare", small)["metadata"]["retrain_job_id"]
    before = spoilt.describe("spare")
    spoilt.condition("spare", "classifier_deleted")
    assert refusal(spoilt.switch("spare", job)) == "Not found classifier."
    assert spoilt.describe("spare")["serving_job"] == before["serving_job"]
    spoilt.condition("spare", None)
    body = spoilt.call("PUT", f"{API}/retrain_jobs/{job}/update_model", key=own_key("spare"), body=b"x")
    assert body.status == 400
    for _ in range(2):
        answer = spoilt.switch("spare", job)
        assert (answer.status, answer.json()) == (200, {"metadata": {"retrain_job_id": job}})
    after = spoilt.describe("spare")
    assert (after["serving_job"], after["switches"]) == (job, before["switches"] + 1)
    effects = [entry["effect"] for entry in spoilt.requests() if entry["retrain_job_id"] == job]
    assert [effect for effect in effects if effect] == ["issued", "started", "switched", "switched_again"]


def test_a_failed_job_cannot_be_switched_to(shared: Emulator) -> None:
    status = shared.train("refused", b"a,b\n1,2\n")
    assert status["status"] == "job_failed"
    assert refusal(shared.switch("refused", status["metadata"]["retrain_job_id"])) == "Retrain job is not finished."


def test_the_lists_show_all_to_the_account_and_nothing_to_a_models_key(shared: Emulator) -> None:
    page = shared.call("GET", f"{API}/models?offset=1&limit=2", key=ACCOUNT_KEY).json()
    shown = [
        (model["model_id"], model["name"], model["config"]["tt"], model["config"]["tc"]) for model in page["models"]
    ]
    assert shown == [(number, name, *TASKS[name]) for number, name in list(enumerate(TASKS, start=1))[1:3]]
    assert page["metadata"] == {"offset": 1, "limit": 2, "total": len(TASKS)}
    assert page["models"][0].keys() == set(MODEL_FIELDS.split())
    for answer in (shared.call("GET", f"{API}/{name}", key=own_key("wine")) for name in ("models", "classifiers")):
        assert refusal(answer) == "Not_found_credential."
    assert refusal(shared.call("GET", f"{API}/models", key="nobody")) == "invalid_api_key."
    assert shared.call("GET", f"{API}/models?offset=-1", key=ACCOUNT_KEY).status == 400


def test_the_classifiers_tell_which_model_id_serves(shared: Emulator, small: bytes) -> None:
    status = shared.train("predicted", small)
    shared.switch("predicted", status["metadata"]["retrain_job_id"])
    fetched = shared.call("GET", f"{API}/api-key?credential_type=deploy", key=ACCOUNT_KEY).json()["api_key"]
    for key in (ACCOUNT_KEY, fetched):
        everyone = shared.call("GET", f"{API}/classifiers", key=key).json()["classifiers"]
        assert len(everyone) == len(TASKS)
        mine = everyone[list(TASKS).index("predicted")]
        assert (mine["model_id"], mine["status"]) == (status["model_id"], "running")
        assert mine.keys() == set(CLASSIFIER_FIELDS.split())


@pytest.mark.parametrize(
    ("key", "query", "message"),
    [
        (own_key("spare"), "credential_type=retrain&model_id=1", "invalid_api_key."),
        (ACCOUNT_KEY, "credential_type=retrain&model_id=999", "This model may be deleted."),
        (ACCOUNT_KEY, "credential_type=retrain", "Model id is required."),
        (
            ACCOUNT_KEY,
            "credential_type=inference&model_id=1",
            "credential_type must be one of train, deploy and retrain.",
        ),
    ],
)
def test_a_key_is_fetched_with_the_accounts_secret_key_alone(
    shared: Emulator, key: str, query: str, message: str
) -> None:
    assert refusal(shared.call("GET", f"{API}/api-key?{query}", key=key)) == message


def test_an_unknown_path_or_method_is_refused_without_a_traceback(shared: Emulator) -> None:
    assert shared.call("GET", "/").status == 404
    assert shared.call("GET", f"{API}//models", key=ACCOUNT_KEY).status == 404
    assert shared.call("POST", UPLOAD_URL, key=own_key("spare")).status == 405
    assert shared.call("GET", "/v1/emulator/models/nobody").status == 404
    assert "Traceback" not in (shared.data.parent / "stderr.txt").read_text()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"condition": 1}', b'{"condition": "sad"}', b"[" * 100_000])
def test_a_condition_that_does_not_exist_is_refused(shared: Emulator, body: bytes) -> None:
    assert shared.call("PUT", "/v1/emulator/models/spare", body=body).status == 400


def test_the_log_tells_effects_and_never_a_key_or_a_signature(shared: Emulator, small: bytes) -> None:
    job, url = shared.take_job("spare")
    shared.call("PUT", url, body=small)
    shared.wait("spare", job)
    entries = [entry for entry in shared.requests() if entry["retrain_job_id"] == job]
    put = next(entry for entry in entries if entry["effect"] == "started")
    assert (put["host"], put["status"], put["bytes"], put["model"]) == ("store", 200, len(small), "spare")
    assert put["key"] is None
    assert "content-length" in put["headers"]
    assert len(entries[0]["key"]) == 12
    text = (shared.data / "requests.jsonl").read_text() + (shared.data.parent / "stderr.txt").read_text()
    assert own_key("spare") not in text
    assert "Signature=" not in text
    assert url.rsplit("=", 1)[1] not in text


def test_the_start_says_what_is_served_and_shows_own_keys_but_no_users_key(tmp_path: Path) -> None:
    file = write_manifest(tmp_path, ["spare", "wine"])
    file.write_text(file.read_text().replace("NO_SUCH_KEY_1", "SPARE_KEY"))
    with started(tmp_path, SPARE_KEY="canary-key-1") as emulator:
        assert emulator.said[:2] == [
            "spare: binary_classification of diagnosis, key from env SPARE_KEY",
            "wine: multi_classification of cultivar, x-api-key: emulator-wine",
        ]
        assert emulator.call("GET", UPLOAD_URL, key="canary-key-1").status == 200
        assert emulator.call("GET", UPLOAD_URL, key=own_key("wine")).status == 200
        assert refusal(emulator.call("GET", UPLOAD_URL, key=own_key("spare"))) == "invalid_api_key."
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary-key-1" not in written


def test_a_key_fetched_for_one_model_is_never_the_own_key_of_another(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(TASKS, "a", TASKS["spare"])
    monkeypatch.setitem(TASKS, "a-1", TASKS["spare"])
    monkeypatch.setitem(TASKS, "secret", TASKS["spare"])
    write_manifest(tmp_path, ["a", "a-1", "secret"])
    with started(tmp_path, "--own-keys") as emulator:
        fetched = emulator.call("GET", f"{API}/api-key?credential_type=retrain&model_id=1", key=ACCOUNT_KEY).json()
        assert fetched["api_key"] == "emulator-a-2"
        for key, model in (("emulator-a-2", "a"), ("emulator-a-1", "a-1"), ("emulator-secret", "secret")):
            assert emulator.call("GET", UPLOAD_URL, key=key).status == 200
            assert [job["status"] for job in emulator.describe(model)["jobs"]] == ["waiting_for_upload"]
        assert json.dumps(emulator.describe("a"))
