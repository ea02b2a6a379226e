"""A service that answers at once and swallows uploads, for measuring who sends: `python -m tests.bench.sink [PEM]`.

Prints its URL. With a file of certificate and key it speaks TLS. Bodies are received into one large buffer and
forgotten, so that the sender is what is measured.
"""

import io
import json
import ssl
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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

    def do_GET(self) -> None:
        """Issue a job, tell its status, or hand out the result."""
        base = f"{self.scheme}://{self.headers['Host']}"
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        if name == "upload_url":
            Handler.jobs += 1
            self._json({"retrain_job_id": f"job-{self.jobs}", "upload_url": f"{base}/store/job-{self.jobs}"})
        elif name == "classifiers":
            self._json({"classifiers": []})
        elif self.path.startswith("/result/"):
            self._answer(RESULT)
        else:
            url = f"{base}/result/{name}"
            meta = {"retrain_job_id": name}
            self._json({"status": "job_finished", "model_id": 1, "download_url": url, "metadata": meta})

    def do_PUT(self) -> None:
        """Swallow an upload, or switch."""
        self._swallow(int(self.headers["Content-Length"] or 0))
        if self.path.startswith("/store/"):
            self._answer(b"")
        else:
            self._json({"metadata": {"retrain_job_id": self.path.split("/")[-2]}})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the inherited name
        """Say nothing."""

    def _swallow(self, left: int) -> None:
        """Receive the body: first what the reader has buffered, then straight from the socket."""
        left -= len(self.rfile.read(min(left, len(self.rfile.peek()))) if left else b"")  # type: ignore[attr-defined] # a BufferedReader
        buffer = memoryview(bytearray(BLOCK))
        while left:
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
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(sys.argv[1]))
        Handler.scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"{Handler.scheme}://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 -- how its starter learns it
    server.serve_forever()


if __name__ == "__main__":
    main()
