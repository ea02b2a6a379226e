"""A service that answers at once, for measuring the runner and nothing else: `python -m tests.bench.sink`.

Prints its URL, takes uploads without keeping them, and says of every job that it has finished.
"""

import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
    jobs = 0

    def do_GET(self) -> None:
        """Issue a job, tell its status, or hand out the result."""
        base = f"http://{self.headers['Host']}"
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        if name == "upload_url":
            Handler.jobs += 1
            self._json({"retrain_job_id": f"job-{self.jobs}", "upload_url": f"{base}/store/job-{self.jobs}"})
        elif self.path.startswith("/result/"):
            self._answer(RESULT)
        else:
            url = f"{base}/result/{name}"
            meta = {"retrain_job_id": name}
            self._json({"status": "job_finished", "model_id": 1, "download_url": url, "metadata": meta})

    def do_PUT(self) -> None:
        """Swallow an upload, or switch."""
        left = int(self.headers["Content-Length"] or 0)
        while left:
            left -= len(self.rfile.read(min(BLOCK, left)))
        if self.path.startswith("/store/"):
            self._answer(b"")
        else:
            self._json({"metadata": {"retrain_job_id": self.path.split("/")[-2]}})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the inherited name
        """Say nothing."""

    def _json(self, value: object) -> None:
        self._answer(json.dumps(value).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 -- how its starter learns the port
    server.serve_forever()
