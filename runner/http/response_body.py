"""The body of an answer: bounded, whole, and JSON without what JSON does not allow."""

import json
import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from runner.http.headers import read_date, retry_after
from runner.http.request import ResponseHead

MOST_BYTES = 1024 * 1024
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset({"", "identity"})
_CHARSET = re.compile(r"charset=[\"']?([\w-]+)", re.ASCII | re.IGNORECASE)
_CHARSETS = frozenset(
    {"shift_jis", "shift-jis", "sjis", "cp932", "euc-jp", "iso-2022-jp", "iso-8859-1", "latin-1", "windows-1252"}
)
_GZIP_OR_ZLIB = 47  # window bits by which zlib reads either, as their heads tell


class Answer(Struct, frozen=True, kw_only=True):
    """One answer.

    `date` is the time of the answering clock (aware UTC, whole seconds) where it tells one, and `after` are the seconds
    of its Retry-After, 0 to 300, or None. `flaw` says why the body was left out, as the end of
    a sentence about the answer; None when `body` is whole. A body in gzip is unpacked.
    """

    host: str
    status: int
    headers: Mapping[str, str] = {}
    date: datetime | None
    after: float | None
    body: bytes
    flaw: str | None


def take_answer(head: ResponseHead, blocks: Iterator[bytes]) -> Answer:
    """Read an answer of the API, at most 1 MiB of it, unpacked where it comes in gzip."""
    encoding = head.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in _PACKED | _PLAIN:
        return _answer(head, b"", "is encoded, which was not asked for")
    body = bytearray()
    try:
        for block in _unpacked(blocks) if encoding in _PACKED else blocks:
            body += block
            if len(body) > MOST_BYTES:
                return _answer(head, b"", f"is larger than {MOST_BYTES} bytes")
        return _answer(head, _in_utf_8(bytes(body), head.headers.get("Content-Type", "")), None)
    except zlib.error:
        return _answer(head, b"", f"is not the {encoding} that it says it is")
    except UnicodeDecodeError as error:
        return _answer(head, b"", f"is not the {error.encoding} that it says it is")


def _in_utf_8(body: bytes, content_type: str) -> bytes:
    """Return a text in UTF-8 that its type declares to be in another charset; one that is not known is left alone.

    Raises:
        UnicodeDecodeError: it is not in that charset.
    """
    charset = _CHARSET.search(content_type)
    if charset is None or charset[1].lower() not in _CHARSETS:
        return body
    return body.decode(charset[1]).encode()


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Give the content of a packed body, in pieces of at most `MOST_BYTES`.

    Raises:
        zlib.error: it is not packed so, is longer than it is unpacked, or ends too early.
    """
    unpack, begun, taken = zlib.decompressobj(_GZIP_OR_ZLIB), False, 0
    for block in blocks:
        left, begun, taken = block, True, taken + len(block)
        if taken > MOST_BYTES:
            raise zlib.error
        while left and not unpack.eof:  # what comes after it would be kept, and copied each time
            yield unpack.decompress(left, MOST_BYTES)
            left = unpack.unconsumed_tail
    if begun and not unpack.eof:
        raise zlib.error


def take_store_answer(head: ResponseHead, blocks: Iterator[bytes]) -> Answer:
    """Read an answer of the store to an upload: a success is proved by its head, so its body is not waited for."""
    if 200 <= head.status <= 299:
        return _answer(head, b"", None)
    return take_answer(head, blocks)


def _answer(head: ResponseHead, body: bytes, flaw: str | None) -> Answer:
    date = read_date(head.headers.get("Date"))
    after = retry_after(head.headers.get("Retry-After"), now=date)
    return Answer(
        host=head.host, status=head.status, headers=head.headers, date=date, after=after, body=body, flaw=flaw
    )


_LONGEST_TEXT = 200
_MOST_READ = 20 * _LONGEST_TEXT  # characters; many of them may be controls


class NotJsonError(ValueError):
    """The body is not strict JSON; the argument says what is wrong, without quoting the body."""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise NotJsonError("names a key twice")
    return document


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body in UTF-8, with or without a byte order mark; a fraction and NaN are their text.

    Raises:
        NotJsonError: not UTF-8, not JSON, a duplicate key, or nested too deeply.
    """
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=str, parse_float=str, object_pairs_hook=_no_duplicates)
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
