"""An object store that holds one table under every name, for measuring who reads: `python -m tests.bench.data_store N`.

Prints its URL. The table has about N bytes; the answers are conditional and partial as those of S3.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HEADER, _ROW = b"id,age,label,text,x\n", b"123,45,yes,abcdefgh,0.5\n"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    table = b""
    reads = 0

    def do_HEAD(self) -> None:
        """Describe the table."""
        self._describe(0, len(self.table))

    def do_GET(self) -> None:
        """Send the table or a part of it; or how often that was asked."""
        if self.path == "/reads":
            self._describe(0, 0, str(Handler.reads))
            return
        Handler.reads += 1
        begin, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        last = min(int(end or len(self.table)), len(self.table) - 1)
        self._describe(int(begin), last + 1)
        self.wfile.write(memoryview(self.table)[int(begin) : last + 1])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the inherited name
        """Say nothing."""

    def _describe(self, begin: int, end: int, reads: str = "") -> None:
        part = "Range" in self.headers
        self.send_response(206 if part else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", str(end - begin))
        if part:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(self.table)}")
        if reads:
            self.send_header("Reads", reads)
        self.end_headers()


def main() -> None:
    """Serve until the process is ended."""
    Handler.table = _HEADER + _ROW * (int(sys.argv[1]) // len(_ROW))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 -- how its starter learns it
    server.serve_forever()


if __name__ == "__main__":
    main()
