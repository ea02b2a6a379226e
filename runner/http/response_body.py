"""Answers without a file, read whole and within bounds."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from runner.http.dates import read_date
from runner.http.request import ResponseHead
from runner.http.retry_after import retry_after

MOST_BYTES = 1024 * 1024


class Answer(Struct, frozen=True, kw_only=True):
    """One answer.

    `date` is the time of the answering clock (aware UTC, whole seconds) where it tells one, and `after` are the seconds
    of its Retry-After, 0 to 300, or None. `flaw` says why the body was left out, as the end of
    a sentence about the answer; None when `body` is whole.
    """

    host: str
    status: int
    date: datetime | None
    after: float | None
    body: bytes
    flaw: str | None


def take_answer(head: ResponseHead, blocks: Iterator[bytes]) -> Answer:
    """Read an answer of the API, at most 1 MiB; a body with a Content-Encoding was not asked for and is not read."""
    encoding = head.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        return _answer(head, b"", "is encoded, which was not asked for")
    body = bytearray()
    for block in blocks:
        body += block
        if len(body) > MOST_BYTES:
            return _answer(head, b"", f"is larger than {MOST_BYTES} bytes")
    return _answer(head, bytes(body), None)


def take_store_answer(head: ResponseHead, blocks: Iterator[bytes]) -> Answer:
    """Read an answer of the store to an upload: a success is proved by its head, so its body is not waited for."""
    if 200 <= head.status <= 299:
        return _answer(head, b"", None)
    return take_answer(head, blocks)


def _answer(head: ResponseHead, body: bytes, flaw: str | None) -> Answer:
    date = read_date(head.headers.get("Date"))
    after = retry_after(head.headers.get("Retry-After"), now=date)
    return Answer(host=head.host, status=head.status, date=date, after=after, body=body, flaw=flaw)
