"""The bodies of answers, within bounds, and the redirects that are followed to another address."""

import json
import re
import unicodedata
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from runner.http.addresses import UnfitError, is_loopback, is_private, read_address
from runner.http.headers import read_date, retry_after
from runner.http.request import Broken, Request, RequestStage, ResponseHead
from runner.http.transport import OpenAnswer, Transport
from runner.lib.secrets import Secret

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


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise NotJsonError("names a key twice")
    return document


def read_json(body: bytes) -> object:
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


# Where the URLs of answers lead: relative ones, and redirects of a store, which are followed a few times. No key goes
# along. An address is encrypted, or it is this machine's.

T = TypeVar("T")
SAME_REQUEST = frozenset({307, 308})  # the request was not carried out, and is to be made there as it is
MOVED = frozenset({301, 302, 303}) | SAME_REQUEST
_MOST = 3
_LONGEST_URL = 16 * 1024  # stores sign in less than 8 KiB
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_PLAIN_HTTP = re.compile(r"http://(?P<host>\[[^\]]*\]|[^:/?#]*)(:80)?(?=[/?#]|$)", re.IGNORECASE)


def absolute_url(value: str, asked: str) -> str:
    """Return where a URL of an answer leads: a relative one is relative to what was `asked`.

    What is not encrypted is asked for encrypted, on every machine but this one: a signature does not cover the scheme.
    Only this machine itself leads to this machine: whoever is elsewhere has no business with its other programs.

    Raises:
        UnfitError: it cannot be sent, or only unencrypted to another machine, or another machine leads to this one.
    """
    if len(value) > _LONGEST_URL:
        raise UnfitError(f"has more than {_LONGEST_URL} characters")
    url = value if _ABSOLUTE.match(value) else _joined(value, asked)
    address = read_address(url)
    if is_loopback(address.host) and not is_loopback(read_address(asked).host):
        raise UnfitError("is on this machine, though the service is not")
    if address.scheme == "https" or is_loopback(address.host):
        return url
    encrypted = _PLAIN_HTTP.sub(r"https://\g<host>", url)
    if encrypted == url:
        raise UnfitError("is not encrypted, and names a port that is not that of http")
    return encrypted


def _joined(value: str, asked: str) -> str:
    """Join without tidying what begins at the root: its bytes are signed."""
    here = urlsplit(asked)
    if value.startswith("//"):
        return f"{here.scheme}:{value}"
    try:
        return f"{here.scheme}://{here.netloc}{value}" if value.startswith("/") else urljoin(asked, value)
    except ValueError:
        raise UnfitError("names no valid host and port") from None


class _Moved(Struct, frozen=True, kw_only=True):
    host: str
    location: str


def exchange_following(  # noqa: PLR0913 -- what an exchange and a redirect need
    wire: Transport,
    make: Callable[[Secret], Request],
    take: Callable[[ResponseHead, Iterator[bytes]], T],
    *,
    statuses: Collection[int],
    learn: Callable[[Secret], Secret],
    url: Secret,
) -> T | Broken:
    """Make the request, and make it again where redirects of these statuses lead; `learn` is told of each address."""
    host = ""
    for _ in range(_MOST + 1):
        answer = wire.exchange(make(url), lambda head, blocks: _moved(head, statuses) or take(head, blocks))
        if not isinstance(answer, _Moved):
            return answer
        host = answer.host
        try:
            url = learn(Secret(absolute_url(answer.location, url.reveal())))
        except UnfitError as error:
            return Broken(stage=RequestStage.MISLED, host=answer.host, cause=f"redirects to an address that {error}")
    return Broken(stage=RequestStage.MISLED, host=host, cause=f"was reached by {_MOST} redirects, and redirects again")


def _moved(head: ResponseHead, statuses: Collection[int]) -> _Moved | None:
    location = head.headers.get("Location", "")
    return _Moved(host=head.host, location=location) if head.status in statuses and location else None


def open_following(wire: Transport, make: Callable[[Secret], Request], url: Secret) -> OpenAnswer | Broken:
    """Open an answer, where redirects lead to; none of them leads from a public host into a private network."""
    host = ""
    for _ in range(_MOST + 1):
        answer = wire.open(make(url))
        moved = None if isinstance(answer, Broken) else _moved(answer.head, MOVED)
        if isinstance(answer, Broken) or moved is None:
            return answer
        answer.close()
        host, asked = moved.host, url.reveal()
        try:
            target = absolute_url(moved.location, asked)
            if is_private(read_address(target).host) and not is_private(read_address(asked).host):
                raise UnfitError("is in a private network, though it is not")  # noqa: TRY301 -- told as the others
        except UnfitError as error:
            return Broken(stage=RequestStage.MISLED, host=host, cause=f"redirects to an address that {error}")
        url = Secret(target)
    return Broken(stage=RequestStage.MISLED, host=host, cause=f"was reached by {_MOST} redirects, and redirects again")
