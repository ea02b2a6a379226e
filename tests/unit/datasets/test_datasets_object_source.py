"""Data of an object store: found by one request, read as it was found, known again without being read."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug import Response

from runner.datasets import object_source
from runner.datasets.file_cache import FileCache
from runner.datasets.packing import package
from runner.datasets.resolve import ResolvedFile, resolve, resolve_file
from runner.datasets.source import DataAccess
from runner.errors import Kind, ModelError
from runner.http.objects.address import read_object_address
from runner.http.upload_body import BodyStoppedError, UploadBody
from runner.manifest.model import Pick, Place, Source
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.s3_server import CANARIES, REGION, S3Server, s3_server
from tests.unit.datasets.conftest import dataset

BUCKET = "data-objects"
CONTENT = b"id,label\n" + b"".join(b"%d,%d\n" % (number, number % 2) for number in range(4000))
PLACE = Place(file="retrain.yaml", line=2, column=3)


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server(BUCKET) as server:
        yield server


@pytest.fixture
def server(running: S3Server) -> S3Server:
    running.instead.clear()
    running.log.clear()
    return running


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read what is small as if it were large."""
    monkeypatch.setattr(object_source, "_FIRST", 1000)
    monkeypatch.setattr(object_source, "_PART", 7000)


def source_of(text: str, pick: Pick | None = None, version: str | None = None) -> Source:
    return Source(pattern=text, folder=Path(), pick=pick, place=PLACE, version=version)


def found(server: S3Server, key: str, pick: Pick | None = None, version: str | None = None) -> ResolvedFile:
    return resolve_file(source_of(server.address(key), pick, version), None, "churn")


def refusal(call: Callable[[], object]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        call()
    error = caught.value
    assert error.kind is Kind.DATA
    told = f"{error.message} {error.hint} {error!r}"
    assert not any(canary in told for canary in CANARIES.values())
    assert "<Error>" not in told
    return error


def test_an_object_is_found_by_one_head_and_read_in_parts(server: S3Server) -> None:
    server.put("one/train.csv", CONTENT)
    file = found(server, "one/train.csv")
    assert server.log == [f"HEAD /{BUCKET}/one/train.csv"]
    assert (file.name, file.source, file.parts[0].size()) == ("train.csv", f"s3://{BUCKET}/one/train.csv", len(CONTENT))
    assert (file.version or "").startswith("ETag ")
    checked = FileCache().checked(file, "label", 200)
    assert (checked.file.bytes, checked.file.rows, checked.file.content_id) == (len(CONTENT), 4000, file.content_id)
    assert len(server.reads()) == 1 + -(-(len(CONTENT) - 1000) // 7000)


def test_the_same_content_written_again_is_known(server: S3Server) -> None:
    server.put("again.csv", CONTENT)
    before = found(server, "again.csv").content_id
    server.put("again.csv", CONTENT)
    assert found(server, "again.csv").content_id == before
    server.put("again.csv", CONTENT[::-1])
    assert found(server, "again.csv").content_id != before


@pytest.mark.parametrize(
    ("pattern", "pick", "keys"),
    [
        ("glob/2026-*.csv", "latest", ["glob/2026-10.csv"]),
        ("glob/2026-*.csv", "all", ["glob/2026-9.csv", "glob/2026-10.csv"]),
        ("glob/*/?.csv", "all", ["glob/deep/a.csv", "glob/deep/b.csv"]),
        ("glob/**/a.csv", "all", ["glob/deep/a.csv", "glob/deep/er/a.csv"]),
        ("glob/**/[ab].csv", "latest", ["glob/deep/er/a.csv"]),
    ],
)
def test_a_pattern_is_looked_for_by_listing_its_folder(
    server: S3Server, pattern: str, pick: Pick, keys: list[str]
) -> None:
    for key in ("2026-9.csv", "2026-10.csv", "2026-9.tsv", ".hidden.csv", "deep/a.csv", "deep/b.csv", "deep/er/a.csv"):
        server.put(f"glob/{key}", CONTENT)
    server.put("globe/2026-11.csv", CONTENT)
    server.log.clear()
    parts = found(server, pattern, pick).parts
    assert [part.shown for part in parts] == [f"s3://{BUCKET}/{key}" for key in keys]
    assert server.log == [f"GET /{BUCKET}"]
    assert FileCache().metadata(found(server, pattern, pick)).bytes >= len(CONTENT)


def test_a_listed_object_is_the_one_that_a_head_finds(server: S3Server) -> None:
    server.put("listed/a.csv", CONTENT)
    assert found(server, "listed/*.csv", "latest").content_id == found(server, "listed/a.csv").content_id


def test_nothing_that_matches_is_told(server: S3Server) -> None:
    assert "matches no object" in refusal(lambda: found(server, "nothing/*.csv", "latest")).message
    assert refusal(lambda: found(server, "nothing.csv")).message == f"s3://{BUCKET}/nothing.csv does not exist."


def test_a_version_is_read_whatever_came_after_it(server: S3Server) -> None:
    server.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = server.put("versions.csv", CONTENT)
    server.put("versions.csv", CONTENT[::-1])
    file = found(server, "versions.csv", version=first)
    assert file.version == f"version {first}"
    assert (
        FileCache().metadata(file).sha256 == FileCache().metadata(found(server, "versions.csv", version=first)).sha256
    )
    with file.parts[0].open() as reading:
        assert b"".join(iter(lambda: reading.read(5000), b"")) == CONTENT
    assert "does not exist" in refusal(lambda: found(server, "versions.csv", version="none")).message


def test_an_object_replaced_while_it_is_read_is_never_mixed(server: S3Server) -> None:
    server.put("mixed.csv", CONTENT)
    file = found(server, "mixed.csv").parts[0]
    with file.open() as reading:
        assert reading.read(1000) == CONTENT[:1000]
        server.put("mixed.csv", CONTENT[::-1])
        with pytest.raises(OSError, match="it was replaced while it was read"):
            deque(iter(lambda: reading.read(1000), b""), maxlen=0)


def test_an_object_replaced_before_the_upload_is_not_uploaded(server: S3Server, tmp_path: Path) -> None:
    server.put("upload.csv", CONTENT)
    resolved = resolve(dataset(source_of(server.address("upload.csv"))))
    total = FileCache().metadata(resolved.train)
    upload = package(resolved, total, None, tmp_path, FACTS.archive)
    server.put("upload.csv", CONTENT + b"1,1\n")
    body = UploadBody(upload.file, content=upload.content, watch=None, read_ahead=False)
    with pytest.raises(BodyStoppedError, match="replaced"):
        list(body)
    assert not body.handed_over


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, "<Code>AccessDenied</Code>", "its store denies access"),
        (403, "<Code>InvalidAccessKeyId</Code>", "there are no valid credentials for its store"),
        (301, "<Code>PermanentRedirect</Code>", "its bucket is in another region"),
        (404, "<Code>NoSuchKey</Code>", "it does not exist"),
    ],
)
def test_what_a_store_refuses_in_the_middle_is_told(server: S3Server, status: int, body: str, told: str) -> None:
    server.put("refused.csv", CONTENT)
    file = found(server, "refused.csv")
    server.instead[f"GET /{BUCKET}/refused.csv"] = Response(f"<Error>{body}</Error>", status)
    message = refusal(lambda: FileCache().metadata(file)).message
    assert message.startswith(f"s3://{BUCKET}/refused.csv cannot be read: {told}")


def test_an_object_without_an_etag_is_read_each_time(server: S3Server) -> None:
    headers = {"Last-Modified": "Mon, 30 Nov 2026 10:00:00 GMT", "Content-Length": str(len(CONTENT))}
    server.instead[f"HEAD /{BUCKET}/none.csv"] = Response(b"", 200, headers)
    assert (found(server, "none.csv").content_id, found(server, "none.csv").version) == (None, None)


def test_an_endpoint_that_only_the_manifest_names_gets_no_request(server: S3Server) -> None:
    address = f"s3://{BUCKET}/a.csv?region={REGION}&endpoint=https://elsewhere.example"
    error = refusal(lambda: resolve_file(source_of(address), None, "churn"))
    assert "elsewhere.example" in error.message
    assert "--trust-host elsewhere.example" in error.hint
    assert server.log == []


@pytest.mark.plays("F5")
def test_names_are_shown_only_of_data_that_the_operator_vouches_for(server: S3Server) -> None:
    server.put("shown.csv", CONTENT)
    assert not found(server, "shown.csv").outside, "the endpoint is this machine"
    address = read_object_address(f"s3://{BUCKET}/shown.csv")
    assert not object_source._trusted(address, DataAccess())
    assert object_source._trusted(address, DataAccess(trusted_hosts=frozenset({BUCKET})))


def test_what_is_packed_is_read_where_it_is_packed(server: S3Server, tmp_path: Path) -> None:
    server.put("both/train.csv", CONTENT)
    server.put("both/eval.csv", CONTENT[:5000].rpartition(b"\n")[0] + b"\n")
    resolved = resolve(dataset(source_of(server.address("both/train.csv")), source_of(server.address("both/eval.csv"))))
    train, evaluation = (FileCache().metadata(file) for file in (resolved.train, resolved.eval) if file)
    upload = package(resolved, train, evaluation, tmp_path, FACTS.archive)
    assert upload.spool is not None
    assert upload.file.local is not None


@pytest.mark.parametrize(
    ("key", "pattern", "fits"),
    [
        ("a/b.csv", "a/*.csv", True),
        ("a/b/c.csv", "a/*.csv", False),
        ("a/b/c.csv", "a/**/*.csv", True),
        ("a/c.csv", "a/**/*.csv", True),
        ("a/.b/c.csv", "a/**/*.csv", False),
        ("a/.c.csv", "a/*", False),
        ("a/b?.csv", "a/b[?].csv", True),
        ("/".join("a" * 400), "/".join(["**"] * 200 + ["b"]), False),
    ],
)
def test_patterns_mean_what_they_mean_in_a_shell(key: str, pattern: str, fits: bool) -> None:
    assert object_source._matches(key.split("/"), pattern.split("/")) is fits
