"""An object store that speaks S3 over real sockets, and can be told to misbehave.

It shares no code with the client, and is of another make than moto. Signatures are not computed: who sends none is
anonymous.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from msgspec import Struct, field

Fault = Literal["lost", "unsent", "error", "late_error", "cut", "exists", "denied", "expired", "skewed", "slow"]
"""`lost`: done, and no answer. `unsent`: not done, and no answer. `late_error`: done, and a 500. `exists`: not done."""
FaultOf = Callable[[str, str, int], Fault | None]  # by method, key and number of the request


def no_fault(_method: str, _key: str, _number: int) -> Fault | None:
    return None


class StoredObject(Struct, frozen=True):
    content: bytes
    modified: datetime


class S3Server(Struct):
    """A bucket named `bucket`; `requests` are all that arrived, as method and key."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    fault: FaultOf = no_fault
    overwrites: bool = False  # answers 200 to a conditional PUT of what exists
    public: bool = False
    repeats: bool = False  # says in an error what the request's headers were
    delay_s: float = 0.0
    skew: timedelta = timedelta(0)
    page: int = 1000
    described: dict[str, str] = field(default_factory=dict)  # more headers of each object
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, prefix: str, more: str = "") -> str:
        return f"s3://bucket/{prefix}?endpoint={self.endpoint()}&region=eu-central-1{more}"

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self.objects if name.startswith(prefix))

    @contextmanager
    def serving(self) -> Iterator["S3Server"]:
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error of this server; a client that was killed is none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


_KEY = re.compile("<Key>(.*?)</Key>")
_ERRORS = {
    "error": (503, "SlowDown"),
    "late_error": (500, "InternalError"),
    "exists": (412, "PreconditionFailed"),
    "denied": (403, "AccessDenied"),
    "expired": (400, "ExpiredToken"),
    "skewed": (403, "RequestTimeTooSkewed"),
}
_DONE_FIRST = ("lost", "late_error")


class _Handler(BaseHTTPRequestHandler):
    store: S3Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    timeout = 30

    def log_message(self, *_: object) -> None:
        """It says nothing."""

    def do_PUT(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.store.lock:
            self.store.requests.append((self.command, key))
            number = len(self.store.requests)
        if self.store.delay_s:
            time.sleep(self.store.delay_s)
        fault = self.store.fault(self.command, key, number)
        if fault == "slow":
            time.sleep(1)
        if fault == "unsent":
            self._hang_up()
            return
        if fault in _ERRORS and fault not in _DONE_FIRST:
            self._error(*_ERRORS[fault])
            return
        if bucket != "bucket":
            self._error(404, "NoSuchBucket")
            return
        signed = "Authorization" in self.headers or "X-Amz-Signature" in parts.query
        if not signed and not self.store.public:
            self._error(403, "AccessDenied")
            return
        status, content, headers = self._done(key, body, parse_qs(parts.query, keep_blank_values=True))
        if fault == "lost":
            self._hang_up()
        elif fault == "late_error":
            self._error(*_ERRORS[fault])
        else:
            self._answer(status, content, headers, cut=fault == "cut")

    def _done(self, key: str, body: bytes, query: dict[str, list[str]]) -> tuple[int, bytes, dict[str, str]]:
        if self.command == "PUT":
            return self._put(key, body)
        if self.command == "POST" and "delete" in query:
            return self._deleted(body)
        if self.command == "GET" and not key:
            return 200, self._listed(query), {"Content-Type": "application/xml"}
        with self.store.lock:
            found = self.store.objects.get(key)
            if self.command == "DELETE":
                self.store.objects.pop(key, None)
                return 204, b"", {}
        if found is None:
            return 404, _xml_error("NoSuchKey"), {}
        headers = {"Last-Modified": format_datetime(found.modified, usegmt=True), "ETag": _tag(found.content)}
        return 200, found.content, {**headers, **self.store.described}

    def _put(self, key: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        source = self.headers.get("x-amz-copy-source")
        with self.store.lock:
            if self.headers.get("If-None-Match") == "*" and key in self.store.objects and not self.store.overwrites:
                return 412, _xml_error("PreconditionFailed"), {}
            if source is not None:
                body = self.store.objects[unquote(source).lstrip("/").partition("/")[2]].content
            now = (datetime.now(UTC) + self.store.skew).replace(microsecond=0)
            self.store.objects[key] = StoredObject(body, now)
        copied = f"<CopyObjectResult><ETag>{escape(_tag(body))}</ETag></CopyObjectResult>".encode()
        return 200, copied if source is not None else b"", {"ETag": _tag(body)}

    def _deleted(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        keys = _KEY.findall(body.decode())
        with self.store.lock:
            for key in keys:
                self.store.requests.append(("DELETE", unescape(key)))
                self.store.objects.pop(unescape(key), None)
        rows = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return 200, f"<DeleteResult>{rows}</DeleteResult>".encode(), {"Content-Type": "application/xml"}

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        with self.store.lock:
            found = sorted(
                (key, one) for key, one in self.store.objects.items() if key.startswith(prefix) and key > after
            )
        more, found = len(found) > self.store.page, found[: self.store.page]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{one.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>{escape(_tag(one.content))}</ETag><Size>{len(one.content)}</Size></Contents>"
            for key, one in found
        )
        token = f"<NextContinuationToken>{escape(found[-1][0])}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>bucket</Name><KeyCount>{len(found)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{rows}{token}</ListBucketResult>"
        ).encode()

    def _answer(self, status: int, content: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def _error(self, status: int, code: str) -> None:
        told = str(self.headers) if self.store.repeats else "no"
        self._answer(status, _xml_error(code, told), {"Content-Type": "application/xml"})

    def _hang_up(self) -> None:
        self.close_connection = True


def _tag(content: bytes) -> str:
    return f'"{md5(content, usedforsecurity=False).hexdigest()}"'


def _xml_error(code: str, told: str = "no") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{escape(told)}</Message></Error>".encode()
