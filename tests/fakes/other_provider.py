"""Another provider: other paths, status values, data and results; a file is sent as it is. It proves the seam.

`OtherService` is the remote, over real HTTP; `OtherClient` is what a package of `runner` would hold.
"""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from runner.errors import Kind
from runner.http.upload_body import BLOCK, SentFile, UploadWatch
from runner.lib.atomic_files import write_whole
from runner.lib.checksums import Checksum
from runner.lib.secrets import Secret
from runner.providers.base import (
    Classifier,
    Connection,
    Done,
    Downloaded,
    Effect,
    FetchedApiKey,
    IssuedJob,
    ListedModel,
    ProviderEntry,
    Rejected,
    ServiceError,
    Status,
)
from runner.providers.facts import DataFormats, DataLimits, ProviderFacts, Statuses, TableFormat
from tests.fakes.world import sha256_of


def columnar_as_text(file: BinaryIO) -> BinaryIO:
    """Return a table that is kept by columns, as Parquet keeps it, as lines of text."""
    with file:
        try:
            columns: dict[str, list[str]] = json.load(file)
        except ValueError as error:
            raise OSError(0, "it is not a table by columns") from error
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    return io.BytesIO("".join(",".join(row) + "\n" for row in rows).encode())


FORMATS = DataFormats(
    tables={
        ".csv": TableFormat(delimiter=";"),
        ".columns": TableFormat(delimiter=",", as_text=columnar_as_text),
        ".parquet": TableFormat(delimiter=",", as_text="parquet"),
    },
    advice="Save the table by columns (.columns).",
    most_bytes=2_000,
)
FACTS = ProviderFacts(
    name="other",
    hosts=("api.other.example",),
    base_path="/api",
    statuses=Statuses(finished=("succeeded",), failed=("stopped",), waiting=("open",)),
    limits=DataLimits(rows=(10, 5_000), columns=(2, 50), labels=3, formats=FORMATS),
    archive=None,
)


class OtherClient:
    """The provider's calls; a bearer token instead of a key of its own header, and plain answers."""

    def __init__(self, connection: Connection) -> None:
        self._base = connection.base_url + FACTS.base_path
        self._statuses = connection.statuses

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        opened = self._read("POST", "/trainings", key, json.dumps({"file": filename}).encode())
        return IssuedJob(retrain_job_id=opened["id"], upload_url=Secret(self._base + opened["data"]), expires_at=None)

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        told = self._read("GET", f"/trainings/{retrain_job_id}", key)
        word = told["state"]
        finished = word in self._statuses.finished
        return Status(
            value=word,
            phase="finished" if finished else "failed" if word in self._statuses.failed else "going",
            model_id=told["version"],
            message=None,
            download_url=Secret(f"{self._base}/trainings/{retrain_job_id}/scores") if finished else None,
        )

    def upload(self, url: Secret, file: SentFile, *, content: Checksum | None, watch: UploadWatch) -> Effect:
        with file.open() as opened:
            data = b"".join(iter(lambda: opened.read(BLOCK), b""))
        assert content is None or sha256_of(data) == content.sha256
        assert watch.may_end()
        return self._effect("PUT", url.reveal(), None, data)

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Store the scores as the table that results are read from: this provider's own form is a list of pairs."""
        with urlopen(url.reveal()) as answer:
            scores = json.loads(answer.read(limit))["scores"]
        table = "".join(f"{name},{value}\n" for name, value in scores).encode()
        write_whole(target, table)
        return Downloaded(sha256=sha256_of(table), bytes=len(table))

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        return self._effect("POST", f"{self._base}/live/{retrain_job_id}", key, b"")

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        live = self._read("GET", "/live", key)["version"]
        return () if live is None else (Classifier(classifier_id="live", model_id=live),)

    def fetch_api_key(self, secret_key: Secret, model_id: int) -> FetchedApiKey:  # noqa: ARG002 -- the port's signature
        raise ServiceError(Kind.CREDENTIALS, "This provider hands out no keys.", hint="Name a key.", again=False)

    def models(self, key: Secret) -> tuple[ListedModel, ...]:  # noqa: ARG002 -- the port's signature
        return ()

    def close(self) -> None:
        """It holds no connection."""

    def _read(self, method: str, path: str, key: Secret, body: bytes | None = None) -> Any:
        try:
            with urlopen(_request(method, self._base + path, key, body)) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise ServiceError(Kind.SERVICE, f"It said {error.code}.", hint="Look.", again=False) from error

    def _effect(self, method: str, url: str, key: Secret | None, body: bytes) -> Effect:
        try:
            with urlopen(_request(method, url, key, body)) as answer:
                return Done(detail=str(answer.status))
        except HTTPError as error:
            text = f"It said {error.code}."
            return Rejected(message=text, hint="Look.", kind=Kind.SERVICE, permanent=True, reason="documented")


def _request(method: str, url: str, key: Secret | None, body: bytes | None) -> Request:
    headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
    return Request(url, data=body, method=method, headers=headers)


OTHER = ProviderEntry(facts=FACTS, connect=OtherClient)


class OtherService:
    """The remote: its trainings, what was sent, and every request as `METHOD path`."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.data: dict[str, bytes] = {}
        self.live: int | None = None
        self.scores: list[tuple[str, str]] = [("AUC", "0.93")]

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """Return the JSON answer, or None for 404."""
        self.log.append(f"{method} {path}")
        told: Any = None
        match method, path.split("/")[2:]:
            case "POST", ["trainings"]:
                told = {"id": "t-1", "data": "/uploads/t-1"}
            case "PUT", ["uploads", name]:
                self.data[name], told = body, {}
            case "GET", ["trainings", name]:
                told = {"state": "succeeded" if name in self.data else "open", "version": 7}
            case "GET", ["trainings", _, "scores"]:
                told = {"scores": self.scores}
            case "POST", ["live", _]:
                self.live, told = 7, {}
            case "GET", ["live"]:
                told = {"version": self.live}
        return told


@contextmanager
def serving(service: OtherService) -> Iterator[str]:
    """Serve it on a loopback port, and give its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = service.answer(self.command, self.path, body)
            content = json.dumps(told).encode()
            self.send_response(404 if told is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 -- as the library names them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as inherited
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
