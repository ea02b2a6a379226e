"""The only module that speaks HTTP, and the only one that reveals a secret to do so.

Each exchange has a connection of its own: a kept-alive connection that went stale would make an effect unclear, and
two reads of one job lie seconds to minutes apart. There is no session: no cookies, no redirects, no `.netrc`, no
proxies from the environment, no retries. Every foreign error becomes a `Broken` value without a URL in it.
"""

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.retry import Retry

from runner.errors import UsageError
from runner.secret import Secret
from runner.service.addresses import Address, UnfitError, read_address
from runner.service.causes import cause
from runner.service.deadlines import Countdown, Deadlines
from runner.service.sockets import TlsSocket, WholeHead, timed
from runner.service.upload_body import BLOCK, BodyStoppedError, UploadBody

T = TypeVar("T")
_FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
_log = logging.getLogger(__name__)

# urllib3 writes whole URLs, signatures included, into its debug and warning records.
for _module in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_module}").addFilter(lambda _record: False)


class Stage(Enum):
    """How far an exchange came that brought no answer."""

    UNFIT_KEY = auto()
    UNFIT_URL = auto()
    NEVER_SENT = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One exchange to make. Without a key no header tells who asks."""

    method: Literal["GET", "PUT"]
    url: Secret
    key: Secret | None = None
    body: UploadBody | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """No whole answer; `cause` is the end of a sentence about `host`."""

    stage: Stage
    host: str
    cause: str


class _BrokenError(Exception):
    """Trouble of the connection. Not an OSError: what the taker of an answer raises must stay apart from it."""


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """What one connection needs to know of its request; `began`: a first byte may have left."""

    target: str
    countdown: Countdown
    began: bool = field(default=False)


class _PlainConnection(HTTPConnection):
    response_class = WholeHead

    def __init__(self, *args: Any, exchange: _Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exchange = exchange

    def connect(self) -> None:
        super().connect()
        self.sock: socket.socket = timed(self.sock, self._exchange.countdown)

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - tidied; not sent
        """Begin the request with the target as it was given; `url` is urllib3's tidied form of it."""
        super().putrequest(method, self._exchange.target, *args, **kwargs)

    def send(self, data: Any) -> None:
        if self.is_closed:
            self.connect()
        self._exchange.began = True
        super().send(data)


class _TlsConnection(_PlainConnection, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _OneConnection(HTTPAdapter):
    """An adapter for a single exchange over a connection of its own."""

    def __init__(self, pool: HTTPConnectionPool) -> None:
        super().__init__(max_retries=Retry(0, read=False))
        self._pool = pool

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> HTTPConnectionPool:
        """Return the pool of this exchange, whatever requests makes of the URL, certificates and proxies."""
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: the pool's context verifies, and has its certificates loaded already."""

    def close(self) -> None:
        super().close()
        self._pool.close()


class Wire:
    """Makes exchanges; safe to use from many threads at once."""

    def __init__(self, *, deadlines: Deadlines, ca_bundle: Path | None) -> None:
        self._deadlines = deadlines
        self._ca_bundle = ca_bundle
        self._closed = threading.Event()
        if ca_bundle is not None:
            _ = self._tls  # a bundle that cannot be read is told at once

    def close(self) -> None:
        """Begin no further exchange; those under way come to their own end."""
        self._closed.set()

    def exchange(self, request: Request, take: Callable[[Head, Iterator[bytes]], T]) -> T | Broken:
        """Send the request once and return what `take` makes of the answer's head and blocks of at most 1 MiB.

        What `take` raises is passed on; trouble of the network ends in `Broken`.
        """
        try:
            address = read_address(request.url.reveal())
        except UnfitError as error:
            return Broken(stage=Stage.UNFIT_URL, host="", cause=str(error))
        if request.key is not None and not _fits_header(request.key):
            return Broken(stage=Stage.UNFIT_KEY, host=address.host, cause="the API key is not plain visible ASCII")
        if self._closed.is_set():
            return Broken(stage=Stage.NEVER_SENT, host=address.host, cause="the run is ending")
        return self._exchange(request, address, take)

    def _exchange(self, request: Request, address: Address, take: Callable[[Head, Iterator[bytes]], T]) -> T | Broken:
        countdown = Countdown(self._deadlines)
        exchange = _Exchange(target=address.target, countdown=countdown)
        adapter = _OneConnection(self._pool(address, exchange))
        try:
            with self._send(adapter, request, countdown) as response:
                _log.debug("%s %s: %d", request.method, address.host, response.status_code)
                return take(_head(response, address, countdown), _blocks(response, countdown))
        except _BrokenError as error:
            _log.debug("%s %s: %s", request.method, address.host, error)
            stage = Stage.UNCLEAR if exchange.began else Stage.NEVER_SENT
            return Broken(stage=stage, host=address.host, cause=str(error))
        finally:
            adapter.close()

    def _send(self, adapter: HTTPAdapter, request: Request, countdown: Countdown) -> requests.Response:
        headers = {"User-Agent": "retrain-runner"}
        if request.key is not None:
            headers["x-api-key"] = request.key.reveal()
        try:
            prepared = _prepared(request, headers)
            timeout = (min(self._deadlines.connect, self._deadlines.call), self._deadlines.silence)
            return adapter.send(prepared, stream=True, timeout=timeout)
        except BodyStoppedError as error:
            raise _BrokenError(f"was not sent the whole file, which {error}") from None
        except _FOREIGN as error:
            raise _BrokenError(cause(error, countdown)) from None

    def _pool(self, address: Address, exchange: _Exchange) -> HTTPConnectionPool:
        if address.scheme == "http":
            return _PlainPool(address.host, address.port, exchange=exchange)
        return _TlsPool(address.host, address.port, cert_reqs="CERT_REQUIRED", ssl_context=self._tls, exchange=exchange)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """One context for all connections: loading the certificates takes longer than a whole call."""
        bundle = str(self._ca_bundle) if self._ca_bundle is not None else DEFAULT_CA_BUNDLE_PATH
        try:
            context = ssl.create_default_context(cafile=bundle)
        except OSError as error:
            raise UsageError(
                f"The CA bundle {bundle} cannot be used: {error.strerror or 'it holds no certificate'}.",
                hint="Give a file with certificates in PEM form.",
            ) from None
        context.sslsocket_class = TlsSocket
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


def _head(response: requests.Response, address: Address, countdown: Countdown) -> Head:
    return Head(
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
        raise _BrokenError(cause(error, countdown)) from None
