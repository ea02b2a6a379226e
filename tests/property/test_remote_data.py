"""Whatever a store or a server does at any reading: the content that was found, whole, or an error; never a mix."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.datasets import object_source, web_source
from runner.datasets.object_source import ObjectFile, ObjectInfo, ObjectReader
from runner.datasets.source import DataAccess, DataFile, RemoteReadError
from runner.datasets.web_source import WebFile
from runner.http.objects.address import ObjectAddress
from runner.http.objects.client import Client
from runner.http.request import Broken, Request, RequestStage, ResponseHead
from runner.http.transport import BrokenError, OpenAnswer
from runner.http.upload_body import BodyStoppedError, UploadBody
from runner.lib.checksums import sum_of
from runner.lib.secrets import Secret

FAULTS = st.sampled_from(["none", "none", "none", "cut", "longer", "replaced", "lies", "error"])
CONTENTS = st.binary(min_size=1, max_size=300)


class PreconditionError(Exception):
    """As the library's, by whose name it is known."""


class _Library:
    """Stands in for obstore: one object, and a fault for each reading."""

    def __init__(self, content: bytes, faults: Iterator[str]) -> None:
        self._content = content
        self._faults = faults

    def get(self, _store: object, _key: str, *, options: dict[str, Any]) -> Any:
        fault, content, etag = next(self._faults), self._content, '"1"'
        start, end = options.get("range", (0, len(content)))
        if fault == "error":
            raise RuntimeError("status code: 503")
        if fault == "replaced" and options["if_match"] == etag:
            raise PreconditionError
        if fault in ("replaced", "lies"):
            content, etag = content[::-1], '"2"'
        part = content[start:end]
        part = part[:-1] if fault == "cut" else part + b"x" if fault == "longer" else part
        meta = {"path": "a.csv", "size": len(content), "e_tag": etag, "version": None, "last_modified": _NOW}
        return SimpleNamespace(meta=meta, attributes={}, bytes=lambda: part)


_NOW = SimpleNamespace(timestamp=lambda: 0.0)


def object_file(content: bytes, faults: Iterator[str], patch: pytest.MonkeyPatch) -> DataFile:
    store: Any = ObjectReader.__new__(ObjectReader)
    place = ObjectAddress(scheme="s3", bucket="b1", key="")
    store._place, store._client = place, Client(_Library(content, faults), None)
    patch.setattr(object_source, "ObjectReader", lambda _place: store)
    info = ObjectInfo(key="a.csv", size=len(content), etag='"1"', version=None, modified=0)
    return ObjectFile(place=place, info=info)


def web_file(content: bytes, faults: Iterator[str], patch: pytest.MonkeyPatch) -> DataFile:
    def answer(request: Request) -> OpenAnswer | Broken:
        fault = next(faults)
        body, headers, status = content, {"ETag": '"1"'}, 200
        if fault == "error":
            return Broken(stage=RequestStage.UNCLEAR, host="h", cause="broke")
        if fault == "replaced" and request.headers.get("If-Match") == '"1"':
            body, headers, status = b"", {}, 412
        elif fault in ("replaced", "lies"):
            body, headers = content[::-1], {"ETag": '"2"'}
        body = body + b"x" if fault == "longer" else body
        head = ResponseHead(
            host="h", status=status, headers=headers, length=len(body), chunked=False, expect_file=lambda: None
        )

        def blocks() -> Iterator[bytes]:
            for start in range(0, len(body), 7):
                if fault == "cut" and start + 7 >= len(body):
                    if len(body) % 2:
                        raise BrokenError("broke")
                    return
                yield body[start : start + 7]

        return OpenAnswer(head=head, blocks=blocks(), close=lambda: None)

    patch.setattr(web_source, "_transport", lambda: SimpleNamespace(open=answer))
    return WebFile(
        shown="https://h/a.csv",
        key="k",
        etag='"1"',
        length=len(content),
        outside=False,
        url=Secret("https://h/a.csv"),
        access=DataAccess(),
    )


@pytest.mark.parametrize("made", [object_file, web_file])
@given(content=CONTENTS, faults=st.lists(FAULTS, max_size=60), part=st.integers(1, 50), size=st.integers(1, 90))
def test_a_reading_gives_the_content_that_was_found_or_an_error(
    made: Any, content: bytes, faults: list[str], part: int, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_source, "_FIRST", part)
        patch.setattr(object_source, "_PART", part)
        file = made(content, iter([*faults, *["none"] * 600]), patch)
        taken, trouble = b"", None
        try:
            with file.open() as reading:
                while block := reading.read(size):
                    assert len(block) <= size
                    taken += block
        except OSError as error:
            trouble = error
        assert taken == content or (isinstance(trouble, RemoteReadError) and trouble.strerror and trouble.hint)
        assert content.startswith(taken) or "longer" in faults or "lies" in faults


@pytest.mark.parametrize("made", [object_file, web_file])
@given(content=CONTENTS, faults=st.lists(FAULTS, max_size=20), part=st.integers(1, 50), ahead=st.booleans())
def test_an_upload_is_completed_only_with_the_content_that_was_found(
    made: Any, content: bytes, faults: list[str], part: int, ahead: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_source, "_FIRST", part)
        patch.setattr(object_source, "_PART", part)
        file = made(content, iter([*faults, *["none"] * 600]), patch)
        body = UploadBody(file, content=sum_of([content]), watch=None, read_ahead=ahead)
        sent: list[bytes] = []
        try:
            sent.extend(body)
        except BodyStoppedError:
            assert body.problem
            assert len(b"".join(sent)) < len(content)
            assert not body.handed_over
        else:
            assert b"".join(sent) == content
        finally:
            body.close()
