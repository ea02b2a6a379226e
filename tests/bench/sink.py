"""A service that answers at once and swallows uploads, for measuring who sends: `python -m tests.bench.sink [PEM] [S]`.

Prints its URL. With a file of certificate and key it speaks TLS. Bodies are received into one large buffer and
forgotten, so that the sender is what is measured. A number is the speed of the line in MiB/s: so much is taken of a
body and no more.
"""

import io
import json
import ssl
import sys
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

BLOCK = 1 << 20


def result() -> bytes:
    """Return a result file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("metrics.csv", "AUC,0.91\n")
    return content.getvalue()


RESULT = result()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    scheme = "http"
    jobs = 0
    taken: ClassVar[set[str]] = set()  # jobs whose upload arrived
    switched = False
    speed: float | None = None  # bytes in a second

    def do_GET(self) -> None:
        """Issue a job, tell its status, or hand out the result."""
        base = f"{self.scheme}://{self.headers['Host']}"
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        if name == "upload_url":
            Handler.jobs += 1
            self._json({"retrain_job_id": f"job-{self.jobs}", "upload_url": f"{base}/store/job-{self.jobs}"})
        elif name == "classifiers":
            self._json({"classifiers": [{"id": "c1", "model_id": 1}] if self.switched else []})
        elif self.path.startswith("/result/"):
            self._answer(RESULT)
        elif name not in self.taken:
            self._json({"status": "waiting", "metadata": {"retrain_job_id": name}})
        else:
            url = f"{base}/result/{name}"
            meta = {"retrain_job_id": name}
            self._json({"status": "job_finished", "model_id": 1, "download_url": url, "metadata": meta})

    def do_PUT(self) -> None:
        """Swallow an upload, or switch."""
        self._swallow(int(self.headers["Content-Length"] or 0))
        if self.path.startswith("/store/"):
            self.taken.add(self.path.rsplit("/", 1)[1])
            self._answer(b"")
        else:
            Handler.switched = True
            self._json({"metadata": {"retrain_job_id": self.path.split("/")[-2]}})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the inherited name
        """Say nothing."""

    def _swallow(self, left: int) -> None:
        """Receive the body: first what the reader has buffered, then straight from the socket."""
        left -= len(self.rfile.read(min(left, len(self.rfile.peek()))) if left else b"")  # type: ignore[attr-defined] # a BufferedReader
        buffer = memoryview(bytearray(BLOCK))
        began, whole = time.monotonic(), left
        while left:
            if self.speed is not None:
                time.sleep(max(began + (whole - left) / self.speed - time.monotonic(), 0))
            got = self.connection.recv_into(buffer, min(BLOCK, left))
            if not got:
                raise ConnectionError("the sender hung up")
            left -= got

    def _json(self, value: object) -> None:
        self._answer(json.dumps(value).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until the process is ended."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    certificates = [word for word in sys.argv[1:] if not word.isdecimal()]
    speeds = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    Handler.speed = speeds[0] * BLOCK if speeds else None
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(certificates[0]))
        Handler.scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"{Handler.scheme}://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 -- how its starter learns it
    server.serve_forever()


if __name__ == "__main__":
    main()
