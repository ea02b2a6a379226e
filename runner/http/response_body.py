"""The body of an answer: bounded, whole, and JSON without what JSON does not allow."""

import json
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from runner.http.headers import read_date, retry_after
from runner.http.request import ResponseHead

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


_LONGEST_TEXT = 200
_MOST_READ = 20 * _LONGEST_TEXT  # characters; many of them may be controls


class NotJsonError(ValueError):
    """The body is not strict JSON; the argument says what is wrong, without quoting the body."""


def _no_constant(name: str) -> None:
    raise NotJsonError(f"holds {name}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise NotJsonError("names a key twice")
    return document


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body in UTF-8, with or without a byte order mark.

    Raises:
        NotJsonError: not UTF-8, not JSON, NaN or Infinity, a duplicate key, or nested too deeply.
    """
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except NotJsonError:
        raise
    except (ValueError, RecursionError):
        raise NotJsonError("is not JSON") from None


def one_line(text: str) -> str:
    """Return the text without control characters, on one line, cut to 200 characters; `…` ends it where it was cut."""
    spaced = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text[:_MOST_READ])
    line = " ".join(spaced.split())
    cut = line != "" and (len(line) > _LONGEST_TEXT or len(text) > _MOST_READ)
    return f"{line[: _LONGEST_TEXT - 1]}…" if cut else line
