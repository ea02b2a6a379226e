"""A cassette keeps what was answered and when, and no secret; what is read from one is bounded."""

import json
import zipfile
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.lib.cassette import Answered, Cassette, Head, read_cassette, record, redacted, write_cassette

HEAD = {"cassette": 1, "made_by": "it", "recorded_at": "2026-03-01T00:00:00Z"}
URL = "https://store.example/uploads/job-1/a.csv?X-Amz-Date=1&X-Amz-Signature=CANARY-SIGNATURE"
KEY = "CANARY/key+1"
KNOWN = {KEY: "REDACTED", URL: "${upload_url}", "job-1": "${retrain_job_id}"}


def answered(at: float, body: bytes, **headers: str) -> Answered:
    return Answered(call="upload_url", at=at, status=200, headers=headers, body=body)


def recorded(*answers: Answered) -> Cassette:
    return record(answers, known=KNOWN, made_by="it", recorded_at="2026-03-01T00:00:00Z")


def packed(tmp_path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(tmp_path / "it.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_json", ".json").replace("_jsonl", ".jsonl"), content)
    return tmp_path / "it.zip"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    body = json.dumps({"retrain_job_id": "job-1", "upload_url": URL}).encode()
    large = b"x" * 10_000
    cassette = recorded(answered(100.0, body), answered(101.5, b"\xff\x00"), answered(102, large), answered(103, b""))
    write_cassette(tmp_path / "it.zip", cassette)
    assert read_cassette(tmp_path / "it.zip") == cassette
    assert cassette.head == Head(**HEAD)  # type: ignore[arg-type] # a literal of mixed values
    assert [exchange.at for exchange in cassette.exchanges] == [0.0, 1.5, 2.0, 3.0]
    assert json.loads(cassette.exchanges[0].text or "") == {
        "retrain_job_id": "${retrain_job_id}",
        "upload_url": "${upload_url}",
    }
    assert cassette.bodies == {"bodies/2": b"\xff\x00", "bodies/3": large}
    assert (cassette.exchanges[3].text, cassette.exchanges[3].file) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        f"the key {KEY} is wrong",
        json.dumps({"api_key": "CANARY-of-another-kind", "end_date": "2026-04-01"}),
        json.dumps({"upload_url": URL}),
        json.dumps({"upload_url": URL}).replace("/", "\\/"),
        json.dumps({"url": URL.replace("CANARY-SIGNATURE", "CANARY-UNKNOWN")}),
        f'<a href="{URL}">',
        "https://a.example/?sig=CANARY",
    ],
)
def test_no_secret_is_kept_in_bodies_or_headers(tmp_path: Path, text: str) -> None:
    long = text + " " * 10_000
    cassette = recorded(answered(0, text.encode(), Date=text, Location=text), answered(1, long.encode()))
    write_cassette(tmp_path / "it.zip", cassette)
    with zipfile.ZipFile(tmp_path / "it.zip") as archive:
        written = b"".join(archive.read(name) for name in archive.namelist())
    assert b"CANARY" not in written
    assert "location" not in cassette.exchanges[0].headers


def test_redaction_leaves_the_rest_of_a_text() -> None:
    assert redacted('{"status": "ok", "url": "https://a.example/b"}', KNOWN) == (
        '{"status": "ok", "url": "https://a.example/b"}'
    )


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({}, "it has no cassette.json"),
        ({"cassette_json": b"{}"}, "missing required field"),
        ({"cassette_json": json.dumps({**HEAD, "cassette": 2}).encode()}, "its version is 2, and 1 is understood"),
        ({"cassette_json": json.dumps(HEAD).encode()}, "it has no exchanges.jsonl"),
        (
            {
                "cassette_json": json.dumps(HEAD).encode(),
                "exchanges_jsonl": b'{"call": "delete", "at": 0, "status": 1}',
            },
            "Invalid enum value 'delete'",
        ),
        (
            {
                "cassette_json": json.dumps(HEAD).encode(),
                "exchanges_jsonl": b'{"call": "put", "at": 0, "status": 1, "file": "../a"}',
            },
            "it has no ../a",
        ),
        (
            {"cassette_json": json.dumps(HEAD).encode(), "exchanges_jsonl": b"\n" * 20_000},
            "it has more than 10,000 exchanges",
        ),
        (
            {"cassette_json": json.dumps(HEAD).encode(), "exchanges_jsonl": b" " * (17 << 20)},
            "its exchanges.jsonl is larger than 16,777,216 bytes",
        ),
    ],
)
def test_what_is_not_a_cassette_is_refused(tmp_path: Path, members: dict[str, bytes], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_cassette(packed(tmp_path, **members))
    assert told in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"title: a profile\n"])
def test_a_file_that_is_not_a_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.zip").write_bytes(content)
    with pytest.raises(UsageError, match="is not a cassette: it is not a readable zip"):
        read_cassette(tmp_path / "it.zip")
    with pytest.raises(UsageError, match="No such file"):
        read_cassette(tmp_path / "none.zip")


@pytest.mark.plays("C8")
def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    write_cassette(tmp_path / "it.zip", recorded(answered(0, b"a" * 9000)))
    content = bytearray((tmp_path / "it.zip").read_bytes())
    refused = 0
    for place in range(0, len(content), 5):
        damaged = content.copy()
        damaged[place] ^= 255
        (tmp_path / "it.zip").write_bytes(damaged)
        try:
            read_cassette(tmp_path / "it.zip")
        except UsageError:
            refused += 1
    assert refused > len(content) // 10  # and nothing but refusals: some bytes are of dates that nobody reads


def test_a_zip_of_very_many_members_is_refused_before_they_are_listed(tmp_path: Path) -> None:
    file = packed(tmp_path, **{f"m{number}": b"" for number in range(10_001)})
    with pytest.raises(UsageError, match="more than 10,000 members"):
        read_cassette(file)
