"""Data of a web server: described by one request, read only as what was described, and its query shown nowhere."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep

import pytest

from runner.datasets import web_source
from runner.datasets.file_cache import FileCache
from runner.datasets.packing import package
from runner.datasets.resolve import ResolvedFile, resolve, resolve_file
from runner.datasets.source import DataAccess
from runner.errors import Kind, ModelError
from runner.http.request import Deadlines, Request, ResponseHead
from runner.http.transport import OpenAnswer, Transport
from runner.http.upload_body import BodyStoppedError, UploadBody
from runner.lib.checksums import Checksum
from runner.manifest.model import Place, Source
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.web_server import Page, WebServer, web_server
from tests.unit.datasets.conftest import dataset

CONTENT = b"id,label\n" + b"".join(b"%d,%d\n" % (number, number % 2) for number in range(5000))
SECRET = "X-Amz-Signature=canary0123456789abcdef"
PLACE = Place(file="retrain.yaml", line=2, column=3)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        running.pages["/d/train.csv"] = Page(content=CONTENT)
        yield running


def source_of(text: str, version: str | None = None) -> Source:
    return Source(pattern=text, folder=Path(), pick=None, place=PLACE, version=version)


def variable(name: str) -> Source:
    return Source(pattern="", folder=Path(), pick=None, place=PLACE, variable=name)


def found(server: WebServer, path: str = "/d/train.csv", access: DataAccess | None = None) -> ResolvedFile:
    return resolve_file(source_of(server.url + path), None, "churn", access)


def refusal(call: Callable[[], object]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        call()
    error = caught.value
    assert error.kind is Kind.DATA
    assert error.hint.endswith(".")
    assert "canary" not in f"{error.message} {error.hint} {error!r}"
    return error


def read(file: ResolvedFile, access: DataAccess | None = None) -> int:
    return FileCache(access).metadata(file).bytes


def test_a_file_is_described_by_its_head_and_read_once(server: WebServer) -> None:
    file = found(server)
    assert (file.name, file.version, server.gets()) == ("train.csv", 'ETag "1"', [])
    assert read(file) == len(CONTENT)
    assert server.gets() == ["/d/train.csv"]
    sent = [headers for *_, headers in server.log]
    assert {headers["Accept-Encoding"] for headers in sent} == {"identity"}
    assert not any(name.lower() in ("cookie", "authorization", "x-api-key", "referer") for h in sent for name in h)


def test_a_content_that_is_recorded_is_not_read(server: WebServer) -> None:
    file, readings = found(server), FileCache()
    first = readings.metadata(file)
    known = FileCache()
    assert file.content_id is not None
    known.know({file.content_id: Checksum(sha256=first.sha256, bytes=first.bytes)})
    server.log.clear()
    assert known.metadata(found(server)) == first
    assert [method for method, *_ in server.log] == ["HEAD"]
    server.pages["/d/train.csv"].etag = '"2"'
    assert not known.knows(found(server))


def test_a_presigned_address_is_asked_by_get_and_shown_without_its_query(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_URL", f"{server.url}/d/train.csv?{SECRET}")
    file = resolve_file(variable("DATA_URL"), None, "churn")
    assert read(file) == len(CONTENT)
    assert {method for method, *_ in server.log} == {"GET"}
    assert all(target.endswith(f"?{SECRET}") for _, target, _ in server.log)
    assert file.source == f"{server.url}/d/train.csv"
    assert "canary" not in repr(file)
    assert not file.outside, "the operator named it"


def test_a_new_signature_is_the_same_content(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = set()
    for signature in ("one", "two"):
        monkeypatch.setenv("DATA_URL", f"{server.url}/d/train.csv?sig={signature}")
        ids.add(resolve_file(variable("DATA_URL"), None, "churn").content_id)
    assert len(ids) == 1


def test_what_the_variable_holds_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_URL", raising=False)
    assert "DATA_URL is not set" in refusal(lambda: resolve_file(variable("DATA_URL"), None, "churn")).message
    for text in (
        "canary",
        "ftp://canary/x.csv",
        "http://10.0.0.1/canary.csv?x=canary",
        "https://canary:canary@h/x.csv",
    ):
        monkeypatch.setenv("DATA_URL", text)
        refusal(lambda: resolve_file(variable("DATA_URL"), None, "churn"))


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Page(status=404), "127.0.0.1 does not have this file"),
        (Page(status=403), "127.0.0.1 denies access"),
        (Page(status=401), "127.0.0.1 asks for a password or a key"),
        (Page(status=500), "127.0.0.1 answers with 500"),
    ],
)
def test_a_refusal_is_told(server: WebServer, page: Page, told: str) -> None:
    server.pages["/d/x.csv"] = page
    assert told in refusal(lambda: found(server, "/d/x.csv")).message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cut": 100}, "cannot be read: 127.0.0.1"),
        ({"cut": 100, "length": None}, "cannot be read: 127.0.0.1"),
        ({"content": CONTENT + b"9,9\n", "obeys": False}, "ended its answer|sends more"),
        ({"etag": '"2"'}, "it was replaced while it was read"),
        ({"etag": '"2"', "obeys": False}, "it was replaced while it was read"),
        ({"extra": {"Content-Encoding": "gzip"}}, "in another encoding"),
        ({"length": "none"}, "does not state its length"),
        ({"status": 503}, "answers with 503"),
    ],
)
def test_what_is_not_the_file_that_was_found_is_not_read(
    server: WebServer, change: dict[str, object], told: str
) -> None:
    file = found(server)
    for name, value in change.items():
        setattr(server.pages["/d/train.csv"], name, value)
    error = refusal(lambda: read(file))
    assert re.search(told, error.message)


@pytest.mark.parametrize("page", [Page(etag=None), Page(etag='W/"1"'), Page(length=None), Page(etag=None, length=None)])
def test_a_file_that_nothing_names_is_fetched_once_a_run_and_is_its_copy(
    server: WebServer, page: Page, tmp_path: Path
) -> None:
    page.content = CONTENT
    server.pages["/d/x.csv"] = page
    access = DataAccess(spool=lambda: tmp_path)
    readings, file = FileCache(access), found(server, "/d/x.csv", access)
    assert file.content_id is None
    total = readings.metadata(file)
    page.content = CONTENT[::-1]
    again = found(server, "/d/x.csv", access)
    assert readings.checked(again, None, 200).file.sha256 == total.sha256
    resolved = resolve(dataset(source_of(f"{server.url}/d/x.csv")), access)
    upload = package(resolved, total, None, tmp_path, FACTS.archive)
    assert b"".join(UploadBody(upload.file, content=upload.content, watch=None, read_ahead=False)) == CONTENT
    assert len(server.gets()) == 1
    assert list(tmp_path.iterdir()) == [], "the copy has no name"


def test_one_file_goes_from_its_server_to_the_upload_without_a_copy(server: WebServer, tmp_path: Path) -> None:
    access = DataAccess(spool=lambda: pytest.fail("nothing is copied"))
    resolved = resolve(dataset(source_of(f"{server.url}/d/train.csv")), access)
    total = FileCache(access).metadata(resolved.train)
    upload = package(resolved, total, None, tmp_path / "spool", FACTS.archive)
    assert b"".join(UploadBody(upload.file, content=upload.content, watch=None, read_ahead=True)) == CONTENT
    assert not (tmp_path / "spool").exists()


def test_a_file_replaced_before_the_upload_is_never_uploaded_whole(server: WebServer, tmp_path: Path) -> None:
    resolved = resolve(dataset(source_of(f"{server.url}/d/train.csv")))
    total = FileCache().metadata(resolved.train)
    upload = package(resolved, total, None, tmp_path, FACTS.archive)
    server.pages["/d/train.csv"] = Page(content=CONTENT[::-1], etag='"2"')
    sent: list[bytes] = []
    with pytest.raises(BodyStoppedError, match="replaced while it was read"):
        sent.extend(UploadBody(upload.file, content=upload.content, watch=None, read_ahead=False))
    assert sum(map(len, sent)) < len(CONTENT)


def test_redirects_are_followed_a_few_times_and_never_into_a_private_network(server: WebServer) -> None:
    server.pages["/d/moved.csv"] = Page(status=302, extra={"Location": "/d/train.csv"})
    assert read(found(server, "/d/moved.csv")) == len(CONTENT)
    server.pages["/d/loop.csv"] = Page(status=302, extra={"Location": "/d/loop.csv"})
    assert "3 redirects" in refusal(lambda: found(server, "/d/loop.csv")).message
    server.pages["/d/out.csv"] = Page(status=302, extra={"Location": "http://host.example:8080/x.csv?canary"})
    assert "not encrypted" in refusal(lambda: found(server, "/d/out.csv")).message


def test_a_version_that_is_pinned_is_the_only_one_that_is_read(server: WebServer) -> None:
    assert read(resolve_file(source_of(f"{server.url}/d/train.csv", "1"), None, "churn")) == len(CONTENT)
    told = refusal(lambda: resolve_file(source_of(f"{server.url}/d/train.csv", "0"), None, "churn"))
    assert "is not the version that the manifest pins" in told.message


def test_a_file_without_head_is_asked_for_its_first_byte(server: WebServer) -> None:
    server.pages["/d/train.csv"].heads = False
    assert read(found(server)) == len(CONTENT)
    server.pages["/d/train.csv"].ranges = False
    assert read(found(server)) == len(CONTENT)


def test_an_empty_file_is_empty(server: WebServer) -> None:
    server.pages["/d/train.csv"].content = b""
    assert read(found(server)) == 0
    server.pages["/d/train.csv"].heads = False
    assert read(found(server)) == 0


def test_an_answer_without_end_is_left(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_source, "MOST_BYTES", 1000)
    server.pages["/d/train.csv"].length = None
    assert "more than can be uploaded" in refusal(lambda: read(found(server))).message


def test_a_silent_server_is_left(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_source, "_transport", lambda: Transport(deadlines=Deadlines(silence=0.2, call=0.5)))
    file = found(server)
    server.pages["/d/train.csv"].after_head = lambda: sleep(2)
    assert "in time" in refusal(lambda: read(file)).message or "time it had" in refusal(lambda: read(file)).message


@pytest.mark.plays("F2")
@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://127.0.0.1/x.csv", "is on this machine"),
        ("http://localhost:8080/x.csv", "is on this machine"),
        ("https://10.0.0.1/x.csv", "is in a private network"),
        ("https://169.254.169.254/latest", "is in a private network"),
        ("https://[fd00::1]/x.csv", "is in a private network"),
        ("http://other.example:8080/x.csv", "is not encrypted"),
        ("ftp://other.example/x.csv", "is not an absolute http or https URL"),
    ],
)
def test_no_redirect_leads_from_elsewhere_into_this_machine_or_its_network(
    monkeypatch: pytest.MonkeyPatch, location: str, told: str
) -> None:
    asked: list[Request] = []

    class Wire:
        def open(self, request: Request) -> OpenAnswer:
            asked.append(request)
            head = ResponseHead(
                host="data.example",
                status=302,
                headers={"Location": location},
                length=0,
                chunked=False,
                expect_file=lambda: None,
            )
            return OpenAnswer(head=head, blocks=iter(()), close=lambda: None)

    monkeypatch.setattr(web_source, "_transport", Wire)
    message = refusal(lambda: resolve_file(source_of("https://data.example/x.csv"), None, "churn")).message
    assert message.startswith("https://data.example/x.csv cannot be read: data.example redirects to an address that")
    assert told in message
    assert [(request.key, request.method) for request in asked] == [(None, "HEAD")]


@pytest.mark.plays("F5")
def test_names_are_shown_only_of_a_host_that_the_operator_trusts(server: WebServer) -> None:
    assert not found(server).outside, "it is this machine"
    for hosts, outside in ((frozenset({"data.example"}), False), (frozenset[str](), True)):
        assert DataAccess(trusted_hosts=hosts).trusts("data.example") is not outside
