"""Where the URLs of answers lead: relative ones, and redirects of a store, which are followed a few times.

No key goes along. An address is encrypted, or it is this machine's.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from runner.http.addresses import UnfitError, is_loopback, is_private, read_address
from runner.http.request import Broken, Request, RequestStage, ResponseHead
from runner.http.transport import OpenAnswer, Transport
from runner.lib.secrets import Secret

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
