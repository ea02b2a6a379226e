"""A running emulator as the tests see it, and the data they send to it."""

import csv
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from emulator.keys import own_key

PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("serve_for_tests.py")))
TASKS = {
    "tumour": ("binary_classification", "diagnosis"),
    "wine": ("multi_classification", "cultivar"),
    "sugar": ("regression", "progression"),
    "zeros": ("regression", "progression"),
    "顧客": ("binary_classification", "解約"),
    "spare": ("binary_classification", "diagnosis"),
    "updated": ("binary_classification", "diagnosis"),
    "sugar-empty": ("regression", "progression"),
    "顧客二": ("binary_classification", "解約"),
    "predicted": ("binary_classification", "diagnosis"),
    "refused": ("binary_classification", "diagnosis"),
    "refused-numbers": ("regression", "progression"),
}
API = "/v1/external"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Emulator:
    url: str
    data: Path
    process: subprocess.Popen[bytes]
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    def call(
        self, method: str, target: str, *, key: str | None = None, body: bytes | None = None, **headers: str
    ) -> Answered:
        """Send one request; `target` is a path or a whole URL."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["x-api-key"] = key
        parts = urlsplit(target)
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(method, target.removeprefix(f"http://{parts.netloc}"), body=body, headers=sent)
            response = connection.getresponse()
            return Answered(status=response.status, body=response.read(), headers=dict(response.getheaders()))
        finally:
            connection.close()

    def raw(self, request: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes as they are and return all that comes back."""
        with socket.create_connection(self.address, timeout=30) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while block := connection.recv(65536):
                answer += block
        return answer

    def take_job(self, model: str, filename: str = "train.csv") -> tuple[str, str]:
        answer = self.call("GET", f"{API}/retrain_jobs/upload_url?filename={quote(filename)}", key=own_key(model))
        assert answer.status == 200, answer.body
        value = answer.json()
        assert value.keys() == {"retrain_job_id", "upload_url"}
        return value["retrain_job_id"], value["upload_url"]

    def upload(self, model: str, content: bytes) -> str:
        job, url = self.take_job(model)
        answer = self.call("PUT", url, body=content)
        assert answer.status == 200, answer.body
        return job

    def status(self, model: str, job: str) -> Any:
        return self.call("GET", f"{API}/retrain_jobs/{job}", key=own_key(model)).json()

    def wait(self, model: str, job: str, *, seconds: float = 40) -> Any:
        deadline = time.monotonic() + seconds
        while (status := self.status(model, job))["status"] in ("training", "waiting_for_upload"):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def train(self, model: str, content: bytes) -> Any:
        return self.wait(model, self.upload(model, content))

    def switch(self, model: str, job: str) -> Answered:
        return self.call("PUT", f"{API}/retrain_jobs/{job}/update_model", key=own_key(model))

    def result(self, status: Mapping[str, Any]) -> dict[str, bytes]:
        answer = self.call("GET", status["download_url"])
        assert answer.status == 200, answer.body
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            return {name.rsplit("/", 1)[1]: archive.read(name) for name in archive.namelist()}

    def describe(self, model: str) -> Any:
        return self.call("GET", f"/v1/emulator/models/{quote(model)}").json()

    def condition(self, model: str, condition: str | None) -> Answered:
        body = json.dumps({"condition": condition}).encode()
        return self.call("PUT", f"/v1/emulator/models/{quote(model)}", body=body)

    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.data / "requests.jsonl").read_text().splitlines()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def write_manifest(folder: Path, models: Sequence[str] = tuple(TASKS)) -> Path:
    entries = "".join(
        f"  {json.dumps(name, ensure_ascii=False)}:\n    api_key: {{env: NO_SUCH_KEY_{number}}}\n    dataset: d\n"
        f"    policy: p\n"
        f"    emulator: {{task: {TASKS[name][0]}, target: {TASKS[name][1]}}}\n"
        for number, name in enumerate(models, 1)
    )
    text = (
        "version: 1\nservice: {emulator: true}\ndatasets:\n  d: {train: d.csv}\npolicies:\n  p: {type: auto}\nmodels:\n"
    )
    file = folder / "manifest.yaml"
    file.write_text(text + entries, encoding="utf-8")
    (folder / "d.csv").write_text("a,b\n1,2\n")
    return file


@contextmanager
def started(folder: Path, *options: str, **environment: str) -> Iterator[Emulator]:
    """Start a server on the folder's data and end it, whatever the test did to it."""
    data = folder / "data"
    with (folder / "stderr.txt").open("ab") as errors:
        process = subprocess.Popen(
            [*PROGRAM, str(folder / "manifest.yaml"), "--data", str(data), "--until-stdin-closes", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        )
    assert process.stdin is not None
    assert process.stdout is not None
    emulator = Emulator(url="", data=data, process=process)
    try:
        for line in process.stdout:
            emulator.said.append(line.decode().strip())
            if emulator.said[-1].startswith("listening on "):
                break
        assert emulator.said, (folder / "stderr.txt").read_text()
        emulator.url = emulator.said[-1].removeprefix("listening on ")
        yield emulator
    finally:
        process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def to_csv(
    header: Sequence[str], rows: Sequence[Sequence[object]], *, encoding: str = "utf-8", delimiter: str = ","
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def zipped(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(f"{name}/data.csv", content)
    return buffer.getvalue()


def metrics_of(result: Mapping[str, bytes], *, encoding: str = "utf-8-sig") -> dict[str, float]:
    rows = list(csv.reader(io.StringIO(result["metrics.csv"].decode(encoding))))
    return {name: float(value) for name, value in rows[1:]}
