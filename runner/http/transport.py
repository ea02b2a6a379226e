"""The only module that speaks HTTP, and the only one that reveals a secret to do so.

Questions whose answer names what was asked after go over connections that are kept for a while: a fleet asks thousands
of times, and a TLS handshake costs more than an answer. Everything else has a connection of its own: a kept one that
went stale would leave an effect unclear, and an answer that comes late on it would be taken for another's. There is no
session: no cookies, no redirects, no `.netrc`, no retries but that of a question which a stale connection cannot have
carried. Every foreign error becomes a `Broken` value without a URL in it.
"""

import base64
import http.client
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import requests
import urllib3
from msgspec import Struct
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url
from urllib3.util.retry import Retry

from runner.errors import UsageError
from runner.http.addresses import Address, UnfitError, read_address
from runner.http.proxies import NO_PROXIES, CaBundle, Proxies, Proxy
from runner.http.request import Broken, Countdown, Deadlines, Request, RequestStage, ResponseHead, cause, hung_up
from runner.http.sockets import ConnectionPool, TlsContext, WholeHead, timed
from runner.http.upload_body import BLOCK, BodyStoppedError
from runner.lib.secrets import Secret

T = TypeVar("T")
_FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
_log = logging.getLogger(__name__)

# urllib3 writes whole URLs, signatures included, into its debug and warning records.
for _module in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_module}").addFilter(lambda _record: False)


class BrokenError(Exception):
    """Trouble of the connection. Not an OSError: what the taker of an answer raises must stay apart from it."""

    def __init__(self, cause: str, *, hung_up: bool = False) -> None:
        super().__init__(cause)
        self.hung_up = hung_up


class _StaleError(Exception):
    """A kept connection had been closed by the other side; a new one may carry the same question."""


class _Exchange(Struct, kw_only=True):
    """What a connection needs to know of the request it carries, and what it tells of it.

    `target` is path and query as given. `began`: a first byte may have left. `connects`: a connection was sought for
    it; else it goes over one that has carried others.
    """

    target: str
    countdown: Countdown
    began: bool = False
    connects: bool = False

    def was_stale(self, error: BrokenError) -> bool:
        """Return whether nothing but the end of a kept connection was found, which the service had closed meanwhile."""
        return error.hung_up and not (self.connects or self.countdown.heard or self.countdown.over)


class _PlainConnection(HTTPConnection):
    response_class = WholeHead

    def __init__(self, *args: Any, line: "_Line", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line = line

    def connect(self) -> None:
        exchange = self._line.exchange
        exchange.connects = True
        try:
            super().connect()
        finally:
            exchange.began = False  # what was sent so far asked a proxy for a tunnel
        self.sock: socket.socket = timed(self.sock, exchange.countdown)  # type: ignore[assignment] # speaks as one

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - tidied; not sent
        """Begin the request with the target as it was given; `url` is urllib3's tidied form of it."""
        exchange = self._line.exchange
        if not self.is_closed:
            timed(self.sock, exchange.countdown)
        super().putrequest(method, exchange.target, *args, **kwargs)

    def send(self, data: Any) -> None:
        if self.is_closed:
            self.connect()
        self._line.exchange.began = True
        super().send(data)


class _TlsConnection(_PlainConnection, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Line(HTTPAdapter):
    """An adapter with a single connection, for one exchange at a time; `forwarder` is the proxy that reads it."""

    exchange: _Exchange

    def __init__(self, address: Address, tls: Callable[[], ssl.SSLContext], proxy: Proxy | None) -> None:
        super().__init__(max_retries=Retry(0, read=False))
        self.proxy = proxy
        self.forwarder = proxy if address.scheme == "http" else None
        if address.scheme == "http":
            self._pool: HTTPConnectionPool = _PlainPool(*_endpoint(proxy or address), line=self)
            return
        tunnel: dict[str, Any] = (
            {"_proxy": parse_url(proxy.url), "_proxy_headers": _credentials(proxy)} if proxy else {}
        )
        where = _endpoint(address)
        self._pool = _TlsPool(*where, cert_reqs="CERT_REQUIRED", ssl_context=tls(), line=self, **tunnel)

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> HTTPConnectionPool:
        """Return the line's own pool, whatever requests makes of the URL, certificates and proxies."""
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: the pool's context verifies, and has its certificates loaded already."""

    def close(self) -> None:
        super().close()
        self._pool.close()


def _endpoint(place: Address | Proxy) -> tuple[str, int | None]:
    return place.host, place.port


def _credentials(proxy: Proxy | None) -> dict[str, str]:
    """Return the header that tells a proxy who asks."""
    if proxy is None or proxy.credentials is None:
        return {}
    return {"Proxy-Authorization": f"Basic {base64.b64encode(proxy.credentials.reveal().encode()).decode()}"}


class OpenAnswer(Struct, frozen=True, kw_only=True):
    """An answer whose body is taken by and by: `blocks` raises BrokenError where no more of it comes."""

    head: ResponseHead
    blocks: Iterator[bytes]
    close: Callable[[], None]


class Transport:
    """Makes exchanges; safe to use from many threads at once."""

    def __init__(
        self, *, deadlines: Deadlines, ca_bundle: CaBundle | None = None, proxies: Proxies = NO_PROXIES
    ) -> None:
        self._deadlines = deadlines
        self._ca_bundle = ca_bundle
        self._proxies = proxies
        self._proxy_of: dict[tuple[str, str, int | None], Proxy | None] = {}  # a fleet's environment takes long to read
        self._closed = threading.Event()
        self._kept: ConnectionPool[_Line] = ConnectionPool()
        if ca_bundle is not None:
            _ = self._tls  # a bundle that cannot be read is reported at once

    def close(self) -> None:
        """Begin no further exchange; those under way come to their own end."""
        self._closed.set()
        self._kept.close()

    def exchange(
        self,
        request: Request,
        take: Callable[[ResponseHead, Iterator[bytes]], T],
        is_its_own: Callable[[T], bool] | None = None,
    ) -> T | Broken:
        """Send the request once and return what `take` makes of the answer's head and blocks of at most `BLOCK` bytes.

        What `take` raises is passed on; trouble of the network ends in `Broken`. With `is_its_own` the request may go
        over a connection that has carried others; it says whether the answer is certainly the one to this request, and
        only then others may use the connection.
        """
        try:
            address = read_address(request.url.reveal())
        except UnfitError as error:
            return Broken(stage=RequestStage.UNFIT_URL, host="", cause=str(error))
        if request.key is not None and not _fits_header(request.key):
            return Broken(
                stage=RequestStage.UNFIT_KEY, host=address.host, cause="the API key is not plain visible ASCII"
            )
        if self._closed.is_set():
            return Broken(stage=RequestStage.NEVER_SENT, host=address.host, cause="the run is ending")
        return self._exchange(request, address, take, is_its_own)

    def open(self, request: Request) -> OpenAnswer | Broken:
        """Send the request once, and return its answer as soon as its head is there, on a connection of its own."""
        try:
            address = read_address(request.url.reveal())
        except UnfitError as error:
            return Broken(stage=RequestStage.UNFIT_URL, host="", cause=str(error))
        countdown, line = Countdown(self._deadlines), self._new_line(address)
        line.exchange = _Exchange(
            target=request.url.reveal() if line.forwarder else address.target, countdown=countdown
        )
        try:
            response = self._send(line, request, countdown)
        except BrokenError as error:
            line.close()
            return Broken(stage=RequestStage.UNCLEAR, host=address.host, cause=str(error))
        except BaseException:
            line.close()
            raise
        _log.debug("%s %s: %d", request.method, address.host, response.status_code)

        def close() -> None:
            response.close()
            line.close()

        return OpenAnswer(head=_head(response, address, countdown), blocks=_blocks(response, countdown), close=close)

    def _exchange(
        self,
        request: Request,
        address: Address,
        take: Callable[[ResponseHead, Iterator[bytes]], T],
        is_its_own: Callable[[T], bool] | None,
    ) -> T | Broken:
        countdown = Countdown(self._deadlines)
        kept = self._kept.take(address.origin) if is_its_own is not None else None
        line = kept or self._new_line(address)
        try:
            answer = self._carry(line, request, address, countdown, take)
        except _StaleError:
            line = self._new_line(address)
            answer = self._carry(line, request, address, countdown, take)
        if is_its_own is not None and not isinstance(answer, Broken) and is_its_own(answer):
            self._kept.put(address.origin, line)
        else:
            line.close()
        return answer

    def _new_line(self, address: Address) -> _Line:
        if address.origin not in self._proxy_of:
            self._proxy_of[address.origin] = self._proxies.proxy_for(address)
        return _Line(address, lambda: self._tls, self._proxy_of[address.origin])

    def _carry(
        self,
        line: _Line,
        request: Request,
        address: Address,
        countdown: Countdown,
        take: Callable[[ResponseHead, Iterator[bytes]], T],
    ) -> T | Broken:
        """Send the request over the line, and close the line where that came to no good end."""
        target = request.url.reveal() if line.forwarder else address.target
        exchange = line.exchange = _Exchange(target=target, countdown=countdown)
        try:
            with self._send(line, request, countdown) as response:
                _log.debug("%s %s: %d", request.method, address.host, response.status_code)
                answer = take(_head(response, address, countdown), _blocks(response, countdown))
        except BrokenError as error:
            line.close()
            if exchange.was_stale(error):
                raise _StaleError from None
            _log.debug("%s %s: %s", request.method, address.host, error)
            stage = RequestStage.UNCLEAR if exchange.began else RequestStage.NEVER_SENT
            over = f" (through the proxy {line.proxy.url})" if line.proxy is not None else ""
            return Broken(stage=stage, host=address.host, cause=f"{error}{over}")
        except BaseException:
            line.close()
            raise
        return answer

    def _send(self, line: _Line, request: Request, countdown: Countdown) -> requests.Response:
        headers = {"User-Agent": "retrain-runner", **request.headers, **_credentials(line.forwarder)}
        if request.key is not None:
            headers["x-api-key"] = request.key.reveal()
        try:
            prepared = _prepared(request, headers)
            timeout = (min(self._deadlines.connect, self._deadlines.call), self._deadlines.silence)
            return line.send(prepared, stream=True, timeout=timeout)
        except BodyStoppedError as error:
            raise BrokenError(f"was not sent the whole file, which {error}") from None
        except _FOREIGN as error:
            raise BrokenError(cause(error, countdown), hung_up=hung_up(error)) from None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """One context for all connections: loading the certificates takes longer than a whole call."""
        context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies certificates and names
        named = self._ca_bundle
        if sys.version_info >= (3, 13):  # as ssl.create_default_context does there
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if named is None:  # private authorities are seldom strict
                context.verify_flags |= ssl.VERIFY_X509_STRICT
        bundle = named.path if named is not None else Path(DEFAULT_CA_BUNDLE_PATH)
        try:
            if bundle.is_dir():
                context.load_verify_locations(capath=bundle)
            else:
                context.load_verify_locations(cafile=bundle)
        except OSError as error:
            by = f" of {named.source}" if named is not None else ""
            raise UsageError(
                f"The CA bundle {bundle}{by} cannot be used: {error.strerror or 'it holds no certificate'}.",
                hint="Give a file with certificates in PEM form.",
            ) from None
        return context


def _prepared(request: Request, headers: Mapping[str, str]) -> requests.PreparedRequest:
    """Prepare what the request has; requests would also tidy the URL, and look for cookies, files and a password."""
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url = request.method, request.url.reveal()
    prepared.prepare_headers(headers)
    if request.method == "PUT":
        prepared.prepare_body(request.body, files=None)
    return prepared


def _fits_header(key: Secret) -> bool:
    value = key.reveal()
    return value.isascii() and value.isprintable() and value != "" and " " not in value


def _head(response: requests.Response, address: Address, countdown: Countdown) -> ResponseHead:
    return ResponseHead(
        host=address.host,
        status=response.status_code,
        headers=response.headers,
        length=response.raw.length_remaining,
        chunked=response.raw.chunked,
        expect_file=countdown.expect_file,
    )


def _blocks(response: requests.Response, countdown: Countdown) -> Iterator[bytes]:
    try:
        yield from response.raw.stream(BLOCK, decode_content=False)
    except _FOREIGN as error:
        raise BrokenError(cause(error, countdown), hung_up=hung_up(error)) from None
