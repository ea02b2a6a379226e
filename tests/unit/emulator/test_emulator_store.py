"""The object store is as strict as a real one; most requests here are written byte by byte."""

import socket
import threading
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from emulator.keys import own_key
from tests.unit.emulator.emulator_harness import API, Emulator, started


def head(url: str, *lines: str, method: str = "PUT") -> bytes:
    parts = urlsplit(url)
    first = f"{method} {parts.path}?{parts.query} HTTP/1.1"
    return "\r\n".join((first, f"Host: {parts.netloc}", *lines, "", "")).encode()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def has_started(emulator: Emulator, job: str) -> bool:
    return bool(emulator.status("refused", job)["status"] != "waiting_for_upload")


def starts_by(emulator: Emulator, job: str, url: str) -> bool:
    """Upload, and say whether it started a training: the refusals before did not use the URL up."""
    answer = emulator.call("PUT", url, body=b"a,b\n1,2\n")
    return answer.status == 200 and emulator.wait("refused", job)["status"] == "job_failed"


@pytest.mark.parametrize(
    ("lines", "body", "status", "code"),
    [
        (["Transfer-Encoding: chunked"], b"5\r\na,b\n1\r\n0\r\n\r\n", 501, b"NotImplemented"),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], b"5\r\na,b\n1\r\n0\r\n\r\n", 501, b"NotImplemented"),
        ([], b"", 411, b"MissingContentLength"),
        (["Content-Length: 0"], b"", 400, b"EntityTooSmall"),
        (["Content-Length: 10"], b"a,b\n1", 400, b"IncompleteBody"),
        (["Content-Length: 5", "Content-Length: 4"], b"a,b\n1", 400, b"InvalidArgument"),
        (["Content-Length: -5"], b"a,b\n1", 400, b"InvalidArgument"),
        (["Content-Length: +5"], b"a,b\n1", 400, b"InvalidArgument"),
        (["Content-Length: 99999999999999"], b"a,b\n1", 400, b"EntityTooLarge"),
        (["Content-Length: 5", "x-api-key: emulator-refused"], b"a,b\n1", 400, b"InvalidArgument"),
        (["Content-Length: 5", "Authorization: Basic eDp5"], b"a,b\n1", 400, b"InvalidArgument"),
        (["Content-Length: 5", "x-amz-acl: private"], b"a,b\n1", 403, b"AccessDenied"),
        (["Content-Length: 5", "Content-Encoding: gzip"], b"a,b\n1", 403, b"AccessDenied"),
    ],
)
def test_an_upload_that_is_not_plain_is_refused_with_xml_and_starts_nothing(
    shared: Emulator, lines: list[str], body: bytes, status: int, code: bytes
) -> None:
    job, url = shared.take_job("refused")
    answer = shared.raw(head(url, *lines) + body, half_close=True)
    assert (status_of(answer), b"<Code>" + code + b"</Code>" in answer) == (status, True), answer
    assert b"application/xml" in answer
    assert not has_started(shared, job)
    assert starts_by(shared, job, url)


def test_a_connection_reset_within_the_body_starts_nothing(shared: Emulator) -> None:
    job, url = shared.take_job("refused")
    with socket.create_connection(shared.address) as connection:
        connection.sendall(head(url, "Content-Length: 1000000") + b"a,b\n" * 1000)
    assert not has_started(shared, job)
    assert starts_by(shared, job, url)


@pytest.mark.parametrize(
    "forge",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"),
        lambda url: url.replace("/store/uploads/", "/store/results/"),
        lambda url: url.replace(".csv?", ".tsv?"),
        lambda url: url + "&X-Amz-Extra=1",
        lambda url: url.replace("X-Amz-Signature=", "X-Amz-Signature=%C3%A9"),
        lambda url: url.split("?")[0],
        lambda url: url.split("&X-Amz-Signature")[0],
    ],
)
def test_a_forged_or_missing_signature_is_refused(shared: Emulator, forge: object) -> None:
    assert callable(forge)
    job, url = shared.take_job("refused")
    forged = forge(url)
    assert forged != url
    answer = shared.raw(head(forged, "Content-Length: 5") + b"a,b\n1")
    assert status_of(answer) == 403
    assert b"<Error><Code>" in answer
    assert not has_started(shared, job)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_a_signed_url_is_good_for_its_own_method_alone(shared: Emulator, method: str) -> None:
    job, url = shared.take_job("refused")
    assert status_of(shared.raw(head(url, "Content-Length: 5", method=method) + b"a,b\n1")) == 403
    assert not has_started(shared, job)


def test_the_signature_of_one_job_is_not_good_for_another(shared: Emulator) -> None:
    _, first = shared.take_job("refused")
    job, second = shared.take_job("refused")
    mixed = second.split("?")[0] + "?" + first.split("?")[1]
    assert status_of(shared.raw(head(mixed, "Content-Length: 5") + b"a,b\n1")) == 403
    assert not has_started(shared, job)


def test_a_url_tells_when_it_expires_and_a_second_upload_to_it_changes_nothing(shared: Emulator) -> None:
    job, url = shared.take_job("refused")
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Expires"] == ["900"]
    assert len(query["X-Amz-Date"][0]) == len("20261121T203000Z")
    assert shared.call("PUT", url, body=b"a,b\n1,2\n").status == 200
    assert shared.call("PUT", url, body=b"a,b\n3,4\n").status == 200
    shared.wait("refused", job)
    assert [entry["effect"] for entry in shared.requests() if entry["retrain_job_id"] == job].count("started") == 1
    assert [job_["id"] for job_ in shared.describe("refused")["jobs"]].count(job) == 1
    assert (shared.data / "jobs" / job / "upload").read_bytes() == b"a,b\n1,2\n"


def test_of_many_uploads_at_once_exactly_one_is_accepted_and_kept(folder: Path) -> None:
    (folder / "profile.yaml").write_text("second_put: refuse\n")
    with started(folder, "--own-keys", "--profile", str(folder / "profile.yaml")) as shared:
        job, url = shared.take_job("refused")
        bodies = [f"a,b\n{n},2\n".encode() * 2000 for n in range(8)]
        answers: dict[int, int] = {}

        def send(number: int) -> None:
            answers[number] = shared.call("PUT", url, body=bodies[number]).status

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers.values()) == [200] + [403] * 7
        winner = next(number for number, status in answers.items() if status == 200)
        assert (shared.data / "jobs" / job / "upload").read_bytes() == bodies[winner]
        shared.wait("refused", job)
        assert len(list((shared.data / "jobs" / job).iterdir())) == 1


def test_an_expired_url_is_refused_and_starts_nothing(folder: Path) -> None:
    (folder / "faults.yaml").write_text("- {call: upload_url, kind: expired_url, nth: [1]}\n")
    with started(folder, "--own-keys", "--faults", str(folder / "faults.yaml")) as emulator:
        job, url = emulator.take_job("refused")
        answer = emulator.call("PUT", url, body=b"a,b\n1,2\n")
        assert (answer.status, b"Request has expired" in answer.body) == (403, True)
        assert not has_started(emulator, job)
        assert starts_by(emulator, *emulator.take_job("refused"))


def test_a_japanese_file_name_travels_percent_encoded(shared: Emulator) -> None:
    name = "顧客 データ(1)~'.csv"
    job, url = shared.take_job("refused", filename=name)
    assert url.isascii()
    assert unquote(urlsplit(url).path).endswith(f"/{job}/{name}")
    assert starts_by(shared, job, url)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.csv", "a\\b.csv", "a\nb.csv", "x" * 256])
def test_a_file_name_that_is_not_a_name_is_refused_before_a_job_is_issued(shared: Emulator, name: str) -> None:
    before = len(shared.describe("refused")["jobs"])
    target = f"{API}/retrain_jobs/upload_url?filename={quote(name)}"
    answer = shared.call("GET", target, key=own_key("refused"))
    assert (answer.status, answer.json()["error"]) == (400, "PREDA_EXTERNAL_BAD_REQUEST")
    assert len(shared.describe("refused")["jobs"]) == before


def test_the_result_needs_its_signature_and_no_key_and_each_status_signs_anew(shared: Emulator, small: bytes) -> None:
    status = shared.train("predicted", small)
    url = status["download_url"]
    answer = shared.call("GET", url)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.body.startswith(b"PK")
    assert shared.call("GET", url.split("?")[0]).status == 403
    assert shared.call("GET", url[:-4] + "0000").status == 403
    assert shared.call("GET", url, key=own_key("predicted")).status == 400
    assert shared.call("PUT", url, body=b"x").status == 403
    again = shared.status("predicted", status["metadata"]["retrain_job_id"])
    assert shared.call("GET", again["download_url"]).body == answer.body


def test_a_client_that_asks_for_100_continue_is_told_to_go_on(shared: Emulator) -> None:
    job, url = shared.take_job("refused")
    with socket.create_connection(shared.address, timeout=10) as connection:
        connection.sendall(head(url, "Content-Length: 8", "Expect: 100-continue"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"a,b\n1,2\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert shared.wait("refused", job)["status"] == "job_failed"
