"""Objects by their addresses: found, read as what was found and nothing else; the library's own words reach nobody."""

from collections.abc import Iterator
from time import sleep

import pytest
from werkzeug import Response

from runner.datasets.object_source import ObjectReader, ObjectStoreError
from runner.http.objects.address import AddressError, ObjectAddress, read_object_address
from runner.http.objects.client import Cause, Waits
from tests.fakes.s3_server import CANARIES, S3Server, s3_server
from tests.fakes.web_server import Page, web_server

BUCKET = "objects-canary"
BRIEF = Waits(connect=1, silence=1, request=2, retries=0, retrying=1)
CONTENT = b"id,label\n" + b"7,1\n" * 50


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server(BUCKET) as running:
        yield running


@pytest.fixture
def store(server: S3Server) -> ObjectReader:
    server.instead.clear()
    return ObjectReader(
        read_object_address(server.address("")), Waits(connect=1, silence=1, request=2, retries=1, retrying=2)
    )


def trouble(call: object) -> tuple[Cause, str]:
    """Return what the error says; it holds nothing of credentials, the store's words and its URLs."""
    with pytest.raises(ObjectStoreError) as caught:
        call()  # type: ignore[operator] # a lambda
    told = f"{caught.value.reason} {caught.value.hint}"
    assert not any(canary in told for canary in (*CANARIES.values(), "127.0.0.1", "canary-of-the-store", "Debug"))
    assert caught.value.__cause__ is None
    return caught.value.cause, caught.value.reason


@pytest.mark.parametrize(
    ("text", "bucket", "key", "query"),
    [
        ("s3://b1/d/a.csv", "b1", "d/a.csv", (None, None)),
        ("S3://b1/a?.csv?region=eu-west-1", "b1", "a?.csv", ("eu-west-1", None)),
        ("gs://b1/a b/*.csv", "b1", "a b/*.csv", (None, None)),
        ("az://account/box/a.csv?endpoint=https://x.example/", "account/box", "a.csv", (None, "https://x.example")),
    ],
)
def test_an_address_names_bucket_and_key(text: str, bucket: str, key: str, query: tuple[str | None, ...]) -> None:
    address = read_object_address(text)
    assert (address.bucket, address.key, (address.region, address.endpoint)) == (bucket, key, query)


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3:///a.csv",
        "s3://user:password@b1/a.csv",
        "s3://b1/../a.csv",
        "s3://b1//a.csv",
        "s3://b1/a\n.csv",
        "s3://b1/a.csv?secret_access_key=canary",
        "s3://b1/a.csv?X-Amz-Signature=canary",
        "s3://b1/a.csv?endpoint=https://[",
        "s3://b1/a.csv?endpoint=http://10.0.0.1",
        "s3://b1/a.csv?endpoint=https://a:b@c.example",
        "s3://b1/a.csv?region=a&region=b",
        "az://account",
        "ftp://b1/a.csv",
    ],
)
def test_what_is_not_an_address_is_refused_without_its_query(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        read_object_address(text)
    assert "canary" not in str(caught.value)


def test_an_object_is_found_listed_and_read(server: S3Server, store: ObjectReader) -> None:
    server.put("read/a.csv", CONTENT)
    server.put("read/deep/b.csv", CONTENT)
    info = store.head("read/a.csv")
    assert (info.size, store.read(info, 0, info.size), store.read(info, 3, 9)) == (len(CONTENT), CONTENT, CONTENT[3:9])
    assert [found.key for found in store.list("read", deep=False)] == ["read/a.csv"]
    assert [found.key for found in store.list("read")] == ["read/a.csv", "read/deep/b.csv"]


def test_what_was_replaced_is_not_read(server: S3Server, store: ObjectReader) -> None:
    server.put("replaced.csv", CONTENT)
    info = store.head("replaced.csv")
    server.put("replaced.csv", CONTENT[::-1])
    assert trouble(lambda: store.read(info, 0, info.size))[0] == "replaced"


def test_a_store_that_does_not_obey_a_condition_gives_nothing_of_another_object(
    server: S3Server, store: ObjectReader
) -> None:
    server.put("lying.csv", CONTENT)
    info = store.head("lying.csv")
    headers = {"ETag": '"other"', "Last-Modified": "Mon, 30 Nov 2026 10:00:00 GMT"}
    server.instead[f"GET /{BUCKET}/lying.csv"] = Response(CONTENT, 200, headers)
    assert trouble(lambda: store.read(info, 0, info.size))[0] == "replaced"


def test_a_weak_etag_is_none(server: S3Server, store: ObjectReader) -> None:
    headers = {"ETag": 'W/"x"', "Last-Modified": "Mon, 30 Nov 2026 10:00:00 GMT", "Content-Length": "5"}
    server.instead[f"HEAD /{BUCKET}/weak.csv"] = Response(b"", 200, headers)
    assert store.head("weak.csv").etag is None


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, "<Code>AccessDenied</Code>", "denied"),
        (403, "<Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIACANARYCANARY</AWSAccessKeyId>", "no-credentials"),
        (403, "<Code>SignatureDoesNotMatch</Code><StringToSign>canary-of-the-store</StringToSign>", "signature"),
        (400, "<Code>ExpiredToken</Code>", "no-credentials"),
        (301, "<Code>PermanentRedirect</Code>", "region"),
        (400, "<Code>AuthorizationHeaderMalformed</Code><Region>x</Region>", "region"),
        (404, "<Code>NoSuchKey</Code>", "absent"),
        (404, "<Code>NoSuchBucket</Code>", "no-bucket"),
        (503, "<Code>SlowDown</Code>canary-of-the-store", "answer"),
    ],
)
def test_a_refusal_is_told_in_our_words(
    server: S3Server, store: ObjectReader, status: int, body: str, expected: Cause
) -> None:
    server.put("refused.csv", CONTENT)
    info = store.head("refused.csv")
    server.instead[f"GET /{BUCKET}/refused.csv"] = Response(f"<Error>{body}</Error>", status)
    assert trouble(lambda: store.read(info, 0, info.size))[0] == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [(Page(content=CONTENT, cut=10), "cut"), (Page(content=CONTENT, after_head=lambda: sleep(3)), "cut")],
    ids=["cut", "slow"],
)
def test_an_answer_that_does_not_come_whole_in_its_time_is_left(
    page: Page, expected: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in CANARIES.items():
        monkeypatch.setenv(name, text)
    with web_server() as web:
        web.pages["/b1/a.csv"] = page
        address = ObjectAddress(scheme="s3", bucket="b1", key="", endpoint=web.url, region="eu-west-1")
        store = ObjectReader(address, Waits(connect=0.3, silence=0.3, request=1, retries=1, retrying=2))
        info = store.head("a.csv")
        assert trouble(lambda: store.read(info, 0, info.size))[0] == expected


def test_nothing_that_listens_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    address = ObjectAddress(scheme="s3", bucket="b1", key="", endpoint="http://127.0.0.1:9", region="eu-west-1")
    for name, text in CANARIES.items():
        monkeypatch.setenv(name, text)
    store = ObjectReader(address, BRIEF)
    assert trouble(lambda: store.head("a.csv")) == (
        "silent",
        "cannot be read: its store cannot be reached, or did not answer in time",
    )


def test_a_machine_without_credentials_is_told(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CANARIES:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    store = ObjectReader(read_object_address(server.address("")), BRIEF)
    assert trouble(lambda: store.head("a.csv")) == (
        "no-credentials",
        "cannot be read: there are no valid credentials for its store",
    )


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    address = ObjectAddress(scheme="s3", bucket="b1", key="")
    with pytest.raises(ObjectStoreError, match="the package obstore") as caught:
        ObjectReader(address)
    assert "extra `objects`" in caught.value.hint


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy"])
def test_a_store_on_this_machine_is_reached_without_a_proxy(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CANARY", name)  # another environment has another client
    server.instead.clear()
    server.put("near.csv", CONTENT)
    assert ObjectReader(read_object_address(server.address("")), BRIEF).head("near.csv").size == len(CONTENT)


def test_settings_of_the_environment_that_cannot_be_used_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/canary-of-the-store.json")
    assert trouble(lambda: ObjectReader(read_object_address("gs://b1/"))) == (
        "settings",
        "cannot be read: the environment's settings for its store cannot be used",
    )


def test_an_endpoint_of_the_environment_is_the_operators(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.instead.clear()
    server.put("env.csv", CONTENT)
    address = ObjectAddress(scheme="s3", bucket=BUCKET, key="", region="eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    assert ObjectReader(address).head("env.csv").size == len(CONTENT)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio.example:9000")
    store = ObjectReader(address, BRIEF)
    assert trouble(lambda: store.head("env.csv")) == ("unencrypted", "cannot be read: its endpoint is not https")


def test_an_endpoint_of_the_address_is_above_that_of_the_environment(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("own.csv", CONTENT)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    store = ObjectReader(read_object_address(server.address("")), BRIEF)
    assert store.head("own.csv").size == len(CONTENT)
