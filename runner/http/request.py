"""One request, and what became of it, without the library that makes it."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Literal

from msgspec import Struct

from runner.http.upload_body import UploadBody
from runner.lib.secrets import Secret


class RequestStage(Enum):
    """How far an exchange came that brought no answer."""

    UNFIT_KEY = auto()
    UNFIT_URL = auto()
    NEVER_SENT = auto()
    UNCLEAR = auto()


class Request(Struct, frozen=True, kw_only=True):
    """One exchange to make. Without a key no header tells who asks."""

    method: Literal["GET", "PUT"]
    url: Secret
    key: Secret | None = None
    body: UploadBody | None = None


class ResponseHead(Struct, frozen=True, kw_only=True):
    """The head of an answer that arrived whole.

    `length` is the body's announced size in bytes; a body neither `chunked` nor with a length cannot be known to be
    whole. `expect_file` is called by who takes the body as a file: it may take as long as its bytes keep coming.
    """

    host: str
    status: int
    headers: Mapping[str, str]
    length: int | None
    chunked: bool
    expect_file: Callable[[], None]


class Broken(Struct, frozen=True, kw_only=True):
    """No whole answer; `cause` is the end of a sentence about `host`."""

    stage: RequestStage
    host: str
    cause: str
