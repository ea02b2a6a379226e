"""Reads against the contract: what each answer becomes, and whether asking again may help."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

from runner.errors import Kind
from runner.lib.secrets import Redactor, Secret
from runner.providers.base import Code, IssuedJob, ServiceError, ServiceOptions, Status
from runner.providers.facts import Statuses
from runner.providers.fields import Fields
from runner.providers.prediction_one.client import Client
from runner.providers.prediction_one.responses import DOCUMENTED, Documented
from tests.fakes.prediction_one import STATUSES

MakeClient = Callable[..., Client]
BASE = "https://service.example"
API = BASE + "/v1/external"
STATUS_URL = API + "/retrain_jobs/job-1"
SIGNED = "https://store.example/a%20b?X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-Signature=canary"


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client(BASE)


def answer_status(answer: Any = None, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
    body = {"body": answer} if isinstance(answer, str | bytes) else {"json": answer}
    responses.get(STATUS_URL, status=status, headers=headers, **body)


def status_error(client: Client, key: Secret) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        client.status(key, "job-1")
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


@responses.activate
def test_a_job_is_taken_with_the_file_name_in_percent_encoded_utf_8(
    client: Client, key: Secret, redactor: Redactor
) -> None:
    responses.get(API + "/retrain_jobs/upload_url", json={"retrain_job_id": "job-1", "upload_url": SIGNED})
    job = client.take_job(key, "学習 & data.csv")
    expires = datetime(2026, 1, 2, 3, 19, 5, tzinfo=UTC)
    assert job == IssuedJob(retrain_job_id="job-1", upload_url=job.upload_url, expires_at=expires)
    assert job.upload_url.reveal() == SIGNED
    request = responses.calls[0].request
    assert request.url == API + "/retrain_jobs/upload_url?filename=%E5%AD%A6%E7%BF%92%20%26%20data.csv"
    assert request.headers["x-api-key"] == key.reveal()
    assert "canary" not in redactor.redact(f"PUT {SIGNED} with {key.reveal()}")


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        "null",
        {"retrain_job_id": "job-1"},
        {"upload_url": SIGNED},
        {"retrain_job_id": "", "upload_url": SIGNED},
        {"retrain_job_id": "..", "upload_url": SIGNED},
        {"retrain_job_id": "a\nb", "upload_url": SIGNED},
        {"retrain_job_id": "\ud800", "upload_url": SIGNED},
        {"retrain_job_id": True, "upload_url": SIGNED},
        {"retrain_job_id": "x" * 201, "upload_url": SIGNED},
        {"retrain_job_id": "job-1", "upload_url": None},
        {"retrain_job_id": "job-1", "upload_url": ["https://store.example/a"]},
        {"retrain_job_id": "job-1", "upload_url": "http://store.example:8080/unencrypted?canary"},
        {"retrain_job_id": "job-1", "upload_url": "https://user:canary@store.example/a"},
        {"retrain_job_id": "job-1", "upload_url": "https://store.example/a b?canary"},
        {"retrain_job_id": "job-1", "upload_url": "file:///etc/passwd"},
    ],
)
def test_a_job_that_cannot_be_used_is_a_permanent_error(client: Client, key: Secret, answer: Any) -> None:
    body = {"body": answer} if isinstance(answer, str) else {"json": answer}
    responses.get(API + "/retrain_jobs/upload_url", **body)
    with pytest.raises(ServiceError) as caught:
        client.take_job(key, "train.csv")
    assert (caught.value.kind, caught.value.again) == (Kind.SERVICE, False)
    assert "canary" not in str(caught.value)


def test_a_file_name_that_is_not_unicode_is_an_error_of_the_data(client: Client, key: Secret) -> None:
    with pytest.raises(ServiceError) as caught:
        client.take_job(key, "bad-\udcff.csv")
    assert (caught.value.kind, caught.value.again) == (Kind.DATA, False)


@responses.activate
@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("job_finished", "finished"),
        (" Job_Finished ", "finished"),
        ("job_finished_partly", "going"),
        ("finished", "going"),
        ("building", "going"),
        ("waiting_for_upload", "going"),
        ("job_failed", "failed"),
        ("ERROR", "failed"),
        ("cancelled", "failed"),
        ("aborting", "failed"),
        ("rejected", "failed"),
        ("timeout", "failed"),
        ("expired", "failed"),
        ("terminated", "failed"),
        ("stopped by a person", "failed"),
        ("deleted", "failed"),
    ],
)
def test_finished_matches_whole_failed_matches_a_part_and_the_rest_is_going(
    client: Client, key: Secret, word: str, phase: str
) -> None:
    answer_status({"status": word, "model_id": 7, "download_url": SIGNED, "metadata": {"retrain_job_id": "job-1"}})
    status = client.status(key, "job-1")
    assert (status.value, status.phase, status.model_id) == (word.strip().lower(), phase, 7)
    assert status.download_url is not None
    assert status.download_url.reveal() == SIGNED


@responses.activate
def test_status_words_are_configurable(redactor: Redactor, key: Secret) -> None:
    statuses = Statuses(finished=("ready",), failed=("broken",), waiting=())
    client = Client(base_url=BASE, statuses=statuses, redactor=redactor, trusted_hosts=["service.example"])
    answer_status({"status": "Ready", "download_url": SIGNED})
    assert client.status(key, "job-1").phase == "finished"
    answer_status({"status": "job_failed"})
    responses.remove(responses.GET, STATUS_URL)
    answer_status({"status": "all_broken"})
    assert client.status(key, "job-1").phase == "failed"


@responses.activate
@pytest.mark.parametrize(
    "more", [{}, {"model_id": None, "message": None, "download_url": None, "metadata": None}, {"metadata": {"x": 1}}]
)
def test_optional_parts_of_a_status_may_be_absent_or_null(client: Client, key: Secret, more: dict[str, Any]) -> None:
    answer_status({"status": "training"} | more)
    assert client.status(key, "job-1") == Status(
        value="training", phase="going", model_id=None, message=None, download_url=None
    )


@responses.activate
def test_a_status_with_a_byte_order_mark_and_digits_as_text_is_read(client: Client, key: Secret) -> None:
    answer_status(b'\xef\xbb\xbf{"status": "training", "model_id": "42"}')
    assert client.status(key, "job-1").model_id == 42


@responses.activate
@pytest.mark.parametrize("model_id", [True, 1.5, "abc", "-1", [1], {}, "٣", "9" * 30])
def test_a_model_id_that_is_not_a_number_is_not_known(client: Client, key: Secret, model_id: Any) -> None:
    answer_status({"status": "training", "model_id": model_id})
    assert client.status(key, "job-1").model_id is None


@responses.activate
def test_the_services_message_is_one_short_line_without_secrets(client: Client, key: Secret) -> None:
    answer_status({"status": "job_failed", "message": f"bad\x1b[31m\n row of {key.reveal()}  " + "x" * 5000})
    message = client.status(key, "job-1").message
    assert message is not None
    assert message.startswith("bad [31m row of ***")
    assert len(message) <= 200


@responses.activate
@pytest.mark.parametrize("more", [{}, {"download_url": None}, {"download_url": ""}])
def test_a_finished_job_may_have_no_download_url_yet(client: Client, key: Secret, more: dict[str, Any]) -> None:
    answer_status({"status": "job_finished", "model_id": 1, "report": "https://s.example/r", **more})
    status = client.status(key, "job-1")
    assert (status.phase, status.download_url, status.url_keys) == ("finished", None, ("report",))


@responses.activate
@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/v1/external/results/1?sig=a%2Fb", f"{BASE}/v1/external/results/1?sig=a%2Fb"),
        ("//store.example/r?sig=1", "https://store.example/r?sig=1"),
        ("result?sig=1", f"{API}/retrain_jobs/result?sig=1"),
        ("http://store.example/r?sig=1", "https://store.example/r?sig=1"),
        ("http://store.example:80/r?sig=1", "https://store.example/r?sig=1"),
        ("https://other.example:444/r", "https://other.example:444/r"),
    ],
)
def test_a_url_may_be_relative_and_is_asked_for_encrypted(client: Client, key: Secret, given: str, url: str) -> None:
    answer_status({"status": "job_finished", "download_url": given})
    status = client.status(key, "job-1")
    assert status.download_url is not None
    assert status.download_url.reveal() == url


@responses.activate
@pytest.mark.plays("R11")
@pytest.mark.parametrize("given", ["http://127.0.0.1:81/r", "https://localhost/r", "https://[::1]/r", "//127.9.9.9/r"])
def test_a_service_elsewhere_does_not_lead_to_this_machine(client: Client, key: Secret, given: str) -> None:
    answer_status({"status": "job_finished", "download_url": given})
    with pytest.raises(ServiceError, match="on this machine, though the service is not"):
        client.status(key, "job-1")


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"status": "Training", "model_id": 3}},
        {"status": "success", "data": {"status": "training", "model_id": 3}},
        {"status": "training", "metadata": {"retrain_job_id": "job-1", "model_id": 3, "status": 200}},
        {"code": 0, "message": "OK", "result": {"status": "training", "modelId": 3}},
    ],
)
def test_a_status_is_read_from_two_levels(client: Client, key: Secret, answer: Any) -> None:
    answer_status(answer)
    status = client.status(key, "job-1")
    assert (status.value, status.model_id) == ("training", 3)


@responses.activate
@pytest.mark.parametrize(("value", "word"), [(2, "2"), ("2", "2"), (2.5, "2.5"), (True, "true")])
def test_any_scalar_is_a_status(client: Client, key: Secret, value: Any, word: str) -> None:
    answer_status({"status": value, "metadata": {"retrain_job_id": "job-1"}})
    assert client.status(key, "job-1").value == word


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        {"code": "5001000201", "message": "Odd."},
        {"status": "error", "message": "Odd."},
        {"status": 500, "error": "Internal"},
        {"status": "training", "error": {"message": "Odd."}},
    ],
)
def test_an_error_within_a_200_is_not_a_status_of_the_job(client: Client, key: Secret, answer: Any) -> None:
    answer_status(answer)
    assert not status_error(client, key).understood


@responses.activate
def test_a_failed_job_that_is_named_is_failed_whatever_else_is_told(client: Client, key: Secret) -> None:
    answer_status({"status": "error", "error": {"message": "bad rows"}, "metadata": {"retrain_job_id": "job-1"}})
    assert client.status(key, "job-1").phase == "failed"


@responses.activate
def test_a_job_is_read_from_other_keys_and_an_id_may_be_a_number(redactor: Redactor, key: Secret) -> None:
    fields = Fields(upload_url=("upload_url", "url"), retrain_job_id=("retrain_job_id", "id"))
    client = Client(
        base_url=BASE,
        statuses=STATUSES,
        redactor=redactor,
        trusted_hosts=["service.example"],
        options=ServiceOptions(fields=fields),
    )
    responses.get(API + "/retrain_jobs/upload_url", json={"url": SIGNED, "metadata": {"id": 17}})
    job = client.take_job(key, "train.csv")
    assert (job.retrain_job_id, job.upload_url.reveal()) == ("17", SIGNED)


@responses.activate
def test_a_part_that_is_missing_is_told_with_the_line_that_names_another_key(client: Client, key: Secret) -> None:
    responses.get(API + "/retrain_jobs/upload_url", json={"retrain_job_id": "job-1", "putUrl": SIGNED})
    with pytest.raises(ServiceError) as caught:
        client.take_job(key, "train.csv")
    assert "its keys are retrain_job_id, putUrl" in caught.value.message
    assert "`fields: {upload_url: putUrl}` under `service:`" in caught.value.hint
    assert "canary" not in str(caught.value)


@responses.activate
@pytest.mark.parametrize("other", ["job-2", 1, True])
def test_a_status_of_another_job_is_a_permanent_error(client: Client, key: Secret, other: Any) -> None:
    answer_status({"status": "training", "metadata": {"retrain_job_id": other}})
    error = status_error(client, key)
    assert (error.kind, error.again) == (Kind.SERVICE, False)
    assert "another retrain job" in error.message


@responses.activate
@pytest.mark.parametrize("answer", [{}, [], "3", '"x"', {"status": None}, {"status": ""}, {"message": "hello"}])
def test_json_of_another_shape_is_a_permanent_error(client: Client, key: Secret, answer: Any) -> None:
    answer_status(answer)
    assert not status_error(client, key).again


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        "<html>Please sign in</html>",
        "",
        '{"status": "training"',
        '{"status": "training", "status": "job_finished"}',
        b'{"status": "tr\xe9ning"}',
        "[" * 100_000,
        '{"x": ' + "9" * 5000 + "}",
    ],
)
def test_a_200_that_is_not_strict_json_may_pass_and_is_asked_again(
    client: Client, key: Secret, answer: str | bytes
) -> None:
    answer_status(answer)
    error = status_error(client, key)
    assert (error.kind, error.again) == (Kind.SERVICE, True)


@responses.activate
def test_an_encoded_or_too_large_answer_is_not_read(client: Client, key: Secret) -> None:
    answer_status({"status": "training"}, headers={"Content-Encoding": "br"})
    assert "encoded" in status_error(client, key).message
    responses.reset()
    answer_status({"status": "training", "x": "y" * 1024 * 1024})
    assert "larger" in status_error(client, key).message


@responses.activate
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_passing_trouble_is_worth_another_try_after_the_time_asked_for(
    client: Client, key: Secret, status: int
) -> None:
    answer_status("busy", status=status, headers={"Retry-After": "17"})
    error = status_error(client, key)
    assert (error.again, error.after, error.code) == (True, 17.0, None)
    assert "busy" in error.message


@responses.activate
@pytest.mark.parametrize("garbage", ["soon", "-5", "1e9", "NaN", "٣", "", "9" * 5000, "Wed, 99 Foo 2026"])
def test_garbage_in_retry_after_neither_crashes_nor_stalls(client: Client, key: Secret, garbage: str) -> None:
    answer_status("", status=503, headers={"Retry-After": garbage})
    error = status_error(client, key)
    assert error.again
    assert error.after is None or 0 <= error.after <= 300


@responses.activate
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.CREDENTIALS),
        (403, Kind.CREDENTIALS),
        (400, Kind.SERVICE),
        (404, Kind.SERVICE),
        (410, Kind.SERVICE),
        (301, Kind.CONFIG),
        (302, Kind.CONFIG),
        (307, Kind.CONFIG),
    ],
)
def test_plain_refusals_and_redirects_are_permanent(client: Client, key: Secret, status: int, kind: Kind) -> None:
    answer_status({"message": "No"}, status=status, headers={"Retry-After": "1", "Location": "https://other.example"})
    error = status_error(client, key)
    assert (error.kind, error.again, error.after) == (kind, False, None)
    assert str(status) in error.message
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: row.code)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_documented_message_decides_whatever_the_http_status(
    *, client: Client, key: Secret, row: Documented, status: int
) -> None:
    answer_status({"code": "4001000204", "error": "PREDA_EXTERNAL_BAD_REQUEST", "message": row.text}, status=status)
    error = status_error(client, key)
    assert (error.kind, error.message, error.hint) == (row.kind, row.message, row.hint)
    assert (error.again, error.code) == (False, row.code)


@responses.activate
def test_an_error_text_that_echoes_the_key_is_blotted_out(client: Client, key: Secret) -> None:
    answer_status({"message": f"no such key {key.reveal()}"}, status=400)
    assert "no such key ***" in status_error(client, key).message


@responses.activate
def test_a_key_is_fetched_with_the_secret_key(client: Client, redactor: Redactor) -> None:
    responses.get(API + "/api-key", json={"api_key": "fetched-canary", "end_date": "2026-12-31"})
    fetched = client.fetch_api_key(Secret("account-canary"), 12)
    assert (fetched.key.reveal(), fetched.end_date) == ("fetched-canary", "2026-12-31")
    assert responses.calls[0].request.url == API + "/api-key?credential_type=retrain&model_id=12"
    assert responses.calls[0].request.headers["x-api-key"] == "account-canary"
    assert redactor.redact("fetched-canary account-canary") == "*** ***"
    assert "canary" not in repr(fetched)


@responses.activate
@pytest.mark.parametrize(("status", "code"), [(400, Code.NOT_FOUND_KEY), (401, None), (403, None)])
def test_a_secret_key_that_is_refused_is_not_taken_for_the_models_key(
    client: Client, status: int, code: Code | None
) -> None:
    message = "Not_found_credential." if code else "No entry."
    responses.get(f"{API}/api-key", json={"message": message}, status=status)
    with pytest.raises(ServiceError, match=f"handed out no API key for this model: {message}") as caught:
        client.fetch_api_key(Secret("account-key"), 7)
    assert (caught.value.kind, caught.value.code, caught.value.again) == (Kind.CREDENTIALS, code, False)
    assert "`secret_key`" in caught.value.hint
    assert "`model_id`" in caught.value.hint


@responses.activate
@pytest.mark.parametrize("answer", [{}, [], {"api_key": ""}, {"api_key": None, "end_date": "x"}, {"api_key": 5}])
def test_an_answer_without_a_key_is_an_error(client: Client, answer: Any) -> None:
    responses.get(API + "/api-key", json=answer)
    with pytest.raises(ServiceError, match="no API key"):
        client.fetch_api_key(Secret("account-canary"), 12)


@responses.activate
@pytest.mark.parametrize(
    ("answer", "models"),
    [
        ({"classifiers": []}, set()),
        ([{"model_id": 1, "status": "running"}, {"model_id": "2"}], {1, 2}),
        ({"classifiers": [{"id": 9, "status": "running", "model": {"model_id": 3}}]}, {3}),
        ([{"model_id": 1, "status": "terminated"}, {"model_id": 2, "status": "FAILED"}], set()),
        ([{"model_id": True}, {"model_id": None}, {"model_id": 1.0}], set()),
    ],
)
def test_models_in_service_are_found_wherever_they_stand(
    client: Client, key: Secret, answer: Any, models: set[int]
) -> None:
    responses.get(API + "/classifiers", json=answer)
    assert {classifier.model_id for classifier in client.classifiers(key)} == models


@pytest.mark.parametrize("answer", [None, 3, [], {}, {"result": "ok"}, {"classifiers": None}, [1, "two"]])
@responses.activate
def test_an_answer_that_lists_no_classifiers_is_not_taken_for_nothing_serves(
    client: Client, key: Secret, answer: Any
) -> None:
    responses.get(API + "/classifiers", json=answer)
    with pytest.raises(ServiceError) as caught:
        client.classifiers(key)
    assert caught.value.again


@responses.activate
def test_deeply_nested_classifiers_end_in_our_error_or_an_answer(client: Client, key: Secret) -> None:
    responses.get(API + "/classifiers", body='{"a":[' * 450 + '{"model_id": 5}' + "]}" * 450)
    assert {classifier.model_id for classifier in client.classifiers(key)} == {5}


@responses.activate
def test_classifiers_that_cannot_be_read_are_an_error(client: Client, key: Secret) -> None:
    responses.get(API + "/classifiers", json={"message": "Not_found_credential."}, status=400)
    with pytest.raises(ServiceError) as caught:
        client.classifiers(key)
    assert caught.value.code is Code.NOT_FOUND_KEY


@responses.activate
@pytest.mark.parametrize("fetched", ["\ud800abcdef", "k\u00e9y", "k" * 8193, ""])
def test_a_fetched_key_is_ascii_of_bounded_length(client: Client, fetched: str) -> None:
    responses.get(API + "/api-key", json={"api_key": fetched})
    with pytest.raises(ServiceError, match="holds no API key"):
        client.fetch_api_key(Secret("account-key"), 7)


@responses.activate
def test_a_signed_url_has_a_bounded_length(client: Client, key: Secret) -> None:
    url = "https://store.example/a?sig=" + "s" * 16384
    responses.get(API + "/retrain_jobs/upload_url", json={"retrain_job_id": "job-1", "upload_url": url})
    with pytest.raises(ServiceError, match="a signed URL that has more than 16384 characters"):
        client.take_job(key, "d.csv")


@responses.activate
def test_an_answer_in_another_charset_is_read_where_it_says_so(client: Client, key: Secret) -> None:
    body = '{"status": "学習完了", "x": NaN}'.encode("cp932")
    answer_status(body, headers={"Content-Type": "application/json; charset=Shift_JIS"})
    assert client.status(key, "job-1").value == "学習完了"
    responses.reset()
    answer_status(b"\x81\xff", headers={"Content-Type": "application/json; charset=Shift_JIS"})
    assert "is not the" in status_error(client, key).message


@responses.activate
def test_a_status_under_another_key_is_told_with_the_line(client: Client, key: Secret) -> None:
    answer_status({"state": "training", "metadata": {"retrain_job_id": "job-1"}})
    error = status_error(client, key)
    assert error.code == Code.PART_ELSEWHERE
    assert "`fields: {status: state}` under `service:`" in error.hint


@pytest.mark.parametrize(
    "inner", [{"retrain_job_id": "job-2"}, {"retrainJobId": "job-2"}, {"upload_url": "https://store.example/2"}]
)
def test_an_answer_with_two_jobs_or_two_urls_issues_none(
    serve: Any, make_client: Any, key: Secret, inner: dict[str, str]
) -> None:
    body = {"retrain_job_id": "job-1", "upload_url": "https://store.example/1", "data": inner}

    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200, body)

    with pytest.raises(ServiceError, match="more than one"):
        make_client(serve(behave).url).take_job(key, "d.csv")
