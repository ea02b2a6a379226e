"""A web server on this machine that serves files, and misbehaves as it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Page:
    """What is at a path. `length` None sends chunks; `cut` ends the body early; `extra` are more headers.

    What is at the path from the second reading of the content on is `then`, where it is given.
    """

    content: bytes = b""
    etag: str | None = '"1"'
    status: int = 200
    length: str | None = "told"
    cut: int | None = None
    heads: bool = True
    ranges: bool = True
    obeys: bool = True
    extra: dict[str, str] = field(default_factory=dict)
    after_head: Any = None
    then: "Page | None" = None


class WebServer:
    """`pages` by path; `log` has each request's method, target and headers."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.log: list[tuple[str, str, dict[str, str]]] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def gets(self) -> list[str]:
        """Return the targets whose whole content was asked for."""
        return [
            target for method, target, headers in self.log if method == "GET" and headers.get("Range") != "bytes=0-0"
        ]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: WebServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.owner.log.append((self.command, self.path, dict(self.headers)))
        self.close_connection = True
        page = self._page()
        content, status, place = page.content, page.status, ""
        wanted = self.headers.get("Range")
        if wanted and page.ranges and status == 200:
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            content = content[int(begin) : int(end or len(content)) + 1]
            status = 206 if content else 416
            place = f"bytes {begin}-{int(begin) + len(content) - 1}/{len(page.content)}"
        self.send_response(status)
        for name, value in self._headers(page, len(content), place if status == 206 else "").items():
            self.send_header(name, value)
        self.end_headers()
        if page.after_head is not None and self.command == "GET" and wanted != "bytes=0-0":
            page.after_head()
        if self.command == "GET":
            self._body(page, content)

    def _page(self) -> Page:
        page = self.owner.pages.get(urlsplit(self.path).path, Page(status=404))
        if page.then is not None and self.command == "GET" and len(self.owner.gets()) > 1:
            page = page.then
        if self.command == "HEAD" and not page.heads:
            return Page(status=405, etag=None)
        if page.obeys and page.status == 200 and self.headers.get("If-Match", page.etag) != page.etag:
            return Page(status=412)
        return page

    def _headers(self, page: Page, size: int, place: str) -> dict[str, str]:
        headers = {"Last-Modified": "Mon, 30 Nov 2026 10:00:00 GMT", **page.extra}
        headers |= {"Content-Range": place} if place else {}
        headers |= {"ETag": page.etag} if page.etag is not None else {}
        headers |= {"Content-Length": str(size)} if page.length == "told" else {}
        return headers | ({"Transfer-Encoding": "chunked"} if page.length is None else {})

    def _body(self, page: Page, content: bytes) -> None:
        sent = content if page.cut is None else content[: page.cut]
        if page.length is None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
            if page.cut is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(sent)


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Run one."""
    server = WebServer()
    try:
        yield server
    finally:
        server.stop()
