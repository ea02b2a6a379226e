"""The service with trainings of a few seconds, for thousands of callers: `python -m tests.bench.slow_service MIN MAX`.

Prints its URL. Job number n trains for a length between MIN and MAX seconds that follows from n alone; the lengths lie
evenly. `GET /bench/log` tells of each job when its upload ended, how long it trains, how often its status was asked
for, and when a finished status was told first.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

from tests.bench.sink import RESULT

_GOLDEN = 0.6180339887498949  # multiples of it lie evenly between two whole numbers
_BACKLOG = 2048


@dataclass(slots=True)
class Job:
    """A retrain job; moments are seconds of the monotonic clock, 0 before they came."""

    number: int
    length: float
    uploaded: float = 0.0
    asked: int = 0
    told: float = 0.0


class Service:
    """All jobs, and what is answered to a request."""

    def __init__(self, shortest: float, longest: float) -> None:
        self.base = ""
        self._shortest = shortest
        self._spread = longest - shortest
        self._jobs: dict[str, Job] = {}
        self._serving: dict[str, int] = {}  # the key's model in service

    def answer(self, method: str, path: str, key: str) -> bytes:
        """Return the body of the answer."""
        place = path.split("?", maxsplit=1)[0]
        name = place.rsplit("/", 1)[1]
        if place == "/bench/log":
            return json.dumps([asdict(job) for job in self._jobs.values()]).encode()
        if place.startswith("/result/"):
            return RESULT
        if place.startswith("/store/"):
            self._jobs[name].uploaded = time.monotonic()
            return b""
        if method == "PUT":
            return json.dumps(self._switch(place.split("/")[-2], key)).encode()
        if name == "classifiers":
            serving = [{"model_id": self._serving[key], "status": "running"}] if key in self._serving else []
            return json.dumps({"classifiers": serving}).encode()
        return json.dumps(self._issue() if name == "upload_url" else self._status(name)).encode()

    def _switch(self, name: str, key: str) -> dict[str, object]:
        self._serving[key] = self._jobs[name].number
        return {"metadata": {"retrain_job_id": name}}

    def _issue(self) -> dict[str, object]:
        number = len(self._jobs) + 1
        length = self._shortest + self._spread * (number * _GOLDEN % 1)
        self._jobs[f"job-{number}"] = Job(number=number, length=length)
        return {"retrain_job_id": f"job-{number}", "upload_url": f"{self.base}/store/job-{number}"}

    def _status(self, name: str) -> dict[str, object]:
        job, now = self._jobs[name], time.monotonic()
        told: dict[str, object] = {"metadata": {"retrain_job_id": name}}
        if not job.uploaded:
            return {**told, "status": "waiting"}
        job.asked += 1
        if now < job.uploaded + job.length:
            return {**told, "status": "training"}
        job.told = job.told or now
        return {**told, "status": "job_finished", "model_id": job.number, "download_url": f"{self.base}/result/{name}"}


async def serve(service: Service) -> None:
    """Serve until the process is ended."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await _answer(service, head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=_BACKLOG)
    service.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(service.base, flush=True)  # noqa: T201 -- how its starter learns it
    await server.serve_forever()


async def _answer(service: Service, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = request.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    await reader.readexactly(int(headers.get("content-length", "0")))
    body = service.answer(method, path, headers.get("x-api-key", ""))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()


if __name__ == "__main__":
    asyncio.run(serve(Service(*(float(word) for word in sys.argv[1:3]))))
