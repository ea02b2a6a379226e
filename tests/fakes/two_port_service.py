"""The service's contract as an outside examiner reads it: the API on one port, the object store on another.

It shares nothing with the runner or its emulator. Both ports write every request they see, whole or cut, into one log;
that log is the judge in the acceptance tests. What a model's key answers is a script that a test edits at any time.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.fakes.loopback_port import Answer, LoopbackPort, Moment, Request, http_date
from tests.fakes.two_port_records import Call, Job, Port, ScriptedModel, documented, json_answer, store_error

T = TypeVar("T")
SIGNATURE_CANARY = "CANARYsignature/7f+3a"  # with characters that quoting changes
INFERENCE_CANARY = "CANARYinference/55+d0"
BASE = "/v1/external/"
_CALLS = {
    ("GET", "retrain_jobs/upload_url"): "upload_url",
    ("GET", "retrain_jobs/*"): "status",
    ("PUT", "retrain_jobs/*/update_model"): "switch",
    ("GET", "classifiers"): "classifiers",
    ("GET", "api-key"): "api_key",
    ("PUT", "uploads/*/*"): "put",
    ("GET", "results/*/*"): "download",
}


class TwoPortService:
    """The whole service. A test may read and edit its state from another thread at any time."""

    def __init__(self) -> None:
        self.models: dict[str, ScriptedModel] = {}
        self.jobs: dict[str, Job] = {}
        self.log: list[Call] = []
        self.switched: list[str] = []  # ids of jobs, in the order in which they were put into service
        self.published: dict[str, int] = {}  # numbers of models that somebody published in the product, by owner
        self.lists_classifiers = False
        self.unknown_key = documented("invalid_api_key.")  # what such a key is answered
        self.end_date = "2030-01-01T00:00:00Z"  # of the models' keys that it hands out
        self.account_key = ""  # hands out the models' keys; empty: there is no such key
        self.ahead = timedelta(0)  # how far the clock of both ports is ahead of the test's
        self.date: Callable[[datetime], str | None] = http_date  # what an answer says of that clock
        self.watch: Callable[[Call, Moment], None] = lambda _call, _moment: None
        self._lock = threading.RLock()
        self._api = LoopbackPort(lambda request: self._respond("api", request), lambda: self.date(self.now()))
        self._store = LoopbackPort(lambda request: self._respond("store", request), lambda: self.date(self.now()))

    def now(self) -> datetime:
        """Return what the clock of both ports shows."""
        return datetime.now(UTC) + self.ahead

    @property
    def url(self) -> str:
        """Return what goes into `service.url`."""
        return self._api.url

    def publish_by_hand(self, model: str) -> None:
        """Publish another model than any job's, as a person does in the product; the list can be read from now on."""
        with self._lock:
            self.published[model] = 900_000 + len(self.published)

    @property
    def store_url(self) -> str:
        """Return scheme, host and port of the store."""
        return self._store.url

    @property
    def errors(self) -> list[BaseException]:
        """Return errors of the fake itself."""
        return [*self._api.errors, *self._store.errors]

    def close(self) -> None:
        """Stop both ports."""
        self._api.stop()
        self._store.stop()

    def add(self, model: ScriptedModel) -> ScriptedModel:
        """Let a model's key be known."""
        self.models[model.name] = model
        return model

    def calls(self, owner: str | None = None, name: str | None = None) -> list[Call]:
        """Return the log, of one model or one kind of call where asked for."""
        with self._lock:
            return [one for one in self.log if owner in (None, one.owner) and name in (None, one.name)]

    def accepted(self, owner: str) -> list[bytes]:
        """Return every body the store accepted for a model."""
        with self._lock:
            return [body for job in self.jobs.values() if job.owner == owner for body in job.uploads]

    def switches(self, owner: str) -> list[str]:
        """Return the ids of a model's jobs that were put into service, in order."""
        with self._lock:
            return [one for one in self.switched if self.jobs[one].owner == owner]

    def _respond(self, port: Port, request: Request) -> Answer:
        call = self._seen(port, request)
        self.watch(call, "arrived")
        if call.port == "api" and self.account_key and request.header("x-api-key") == self.account_key:
            return self._account(call)
        model = self.models.get(call.owner)
        scripted = model.always.get(call.name) if model is not None and call.port == "api" else None
        if scripted is not None and scripted.status is not None and not scripted.delay:
            return scripted  # also to a question that the contract would refuse
        refusal = self._refusal(call, model, request)
        if model is None or refusal is not None:
            return refusal or self.unknown_key
        planned = self._planned(call, model)
        time.sleep(planned.delay)
        if planned.status is not None or planned.lost == "arrived":
            return planned
        answer = self._effect(call, model, request)
        self.watch(call, "done")
        return replace(answer, lost=planned.lost)

    def _planned(self, call: Call, model: ScriptedModel) -> Answer:
        with self._lock:
            queue = model.once.get(call.name)
            return queue.popleft() if queue else model.always.get(call.name, Answer())

    def _seen(self, port: Port, request: Request) -> Call:
        parts = urlsplit(request.target)
        path = parts.path.removeprefix(BASE if port == "api" else "/")
        name, job = _named(request.method, path)
        with self._lock:
            owner = self._owner_by_key(request.header("x-api-key")) if port == "api" else self._owner_by_job(job)
            call = Call(
                port=port,
                name=name,
                owner=owner,
                job=job,
                method=request.method,
                path=parts.path,
                query=parts.query,
                headers=request.headers,
                size=len(request.body),
                sha256=hashlib.sha256(request.body).hexdigest(),
                whole=request.whole,
            )
            self.log.append(call)
        return call

    def _owner_by_key(self, key: str) -> str:
        return next((model.name for model in self.models.values() if model.key == key), "")

    def _owner_by_job(self, job: str) -> str:
        return self.jobs[job].owner if job in self.jobs else ""

    def _account(self, call: Call) -> Answer:
        """Answer a call made with the account's secret key."""
        query = parse_qs(call.query)
        model = next((one for one in self.models.values() if [str(one.id)] == query.get("model_id")), None)
        if call.name == "classifiers" and self.lists_classifiers:
            return self._classifiers()
        if call.name != "api_key" or model is None or query.get("credential_type") != ["retrain"]:
            return documented("Not_found_credential.")
        return json_answer({"api_key": model.key, "end_date": self.end_date})

    def _refusal(self, call: Call, model: ScriptedModel | None, request: Request) -> Answer | None:
        """Return the refusal of a request that the contract does not allow, or None."""
        if call.port == "store":
            return self._store_refusal(call, request)
        if model is None:
            return self.unknown_key
        if call.name in ("other", "api_key") or (call.name == "classifiers" and not self.lists_classifiers):
            return Answer(status=404, body=b"not found")
        if call.job and self._owner_by_job(call.job) != model.name:
            return documented("Not found retrain job.")
        return None

    def _store_refusal(self, call: Call, request: Request) -> Answer | None:
        job = self.jobs.get(call.job)
        if request.header("Transfer-Encoding"):
            return store_error(501, "NotImplemented")
        if request.header("x-api-key") or request.header("Authorization"):
            return store_error(400, "InvalidRequest")
        if job is None or parse_qs(call.query).get("X-Amz-Signature") != [job.signature]:
            return store_error(403, "SignatureDoesNotMatch")
        if self.now() > job.expires_at:
            return store_error(403, "AccessDenied")
        if call.name == "put" and not request.header("Content-Length"):
            return store_error(411, "MissingContentLength")
        return None if request.whole else store_error(400, "IncompleteBody")

    def _effect(self, call: Call, model: ScriptedModel, request: Request) -> Answer:
        with self._lock:
            match call.name:
                case "upload_url":
                    return self._new_job(model, parse_qs(call.query)["filename"][0])
                case "put":
                    return self._take_upload(self.jobs[call.job], request.body)
                case "status":
                    return self._status(model, self.jobs[call.job])
                case "download":
                    return Answer(status=200, body=_at(model.results, self.jobs[call.job].trained))
                case "switch":
                    return self._switch(model, self.jobs[call.job])
                case _:
                    return self._classifiers()

    def _new_job(self, model: ScriptedModel, filename: str) -> Answer:
        number = len(self.jobs) + 1
        job = Job(
            id=f"job-{number:04}-{secrets.token_hex(4)}",
            owner=model.name,
            model_id=70_000 + number,
            filename=filename,
            expires_at=self.now(),
            url_seconds=model.url_seconds,
            signature=SIGNATURE_CANARY + secrets.token_hex(8),
        )
        self.jobs[job.id] = job
        return json_answer({"retrain_job_id": job.id, "upload_url": self._signed(job, "uploads", filename)})

    def _take_upload(self, job: Job, body: bytes) -> Answer:
        if not job.uploads:
            job.trained = 1 + sum(bool(one.uploads) for one in self.jobs.values() if one.owner == job.owner)
        job.uploads.append(body)
        return Answer(status=200, headers=(("ETag", f'"{len(body)}"'),))

    def _status(self, model: ScriptedModel, job: Job) -> Answer:
        if not job.uploads:
            return documented("Not found retrain job.") if model.before is None else _status(job, model.before)
        job.readings += 1
        if model.training or job.readings <= model.readings:
            return _status(job, model.during)
        word = _at(model.ends, job.trained)
        extra: dict[str, object] = {} if model.message is None else {"message": model.message}
        if word in ("job_finished", "succeeded"):
            extra["model_id"] = job.model_id
            if not model.without_download:
                extra["download_url"] = self._signed(job, "results", "result")
        return _status(job, word, **extra)

    def _switch(self, model: ScriptedModel, job: Job) -> Answer:
        if model.training or not job.uploads:
            return documented("Retrain job is not finished.")
        self.switched.append(job.id)
        return json_answer({"metadata": {"retrain_job_id": job.id}})

    def _classifiers(self) -> Answer:
        serving = {self.jobs[one].owner: self.jobs[one].model_id for one in self.switched} | self.published
        rows = [{"model_id": one, "status": "running", "api_key": INFERENCE_CANARY} for one in serving.values()]
        return json_answer({"classifiers": rows})

    def _signed(self, job: Job, folder: str, name: str) -> str:
        """Sign a URL again: it lives `url_seconds` from now, in whole seconds."""
        signed_at = self.now().replace(microsecond=0)
        job.expires_at = signed_at + timedelta(seconds=job.url_seconds)
        host = self.models[job.owner].store_url or self.store_url
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={signed_at:%Y%m%dT%H%M%SZ}"
            f"&X-Amz-Expires={job.url_seconds}&X-Amz-SignedHeaders=host&X-Amz-Signature={quote(job.signature, safe='')}"
        )
        return f"{host}/{folder}/{job.id}/{quote(name, safe='')}?{query}"


def _named(method: str, path: str) -> tuple[str, str]:
    """Return the call's name and the job it names, if any."""
    parts = path.split("/")
    exact = _CALLS.get((method, path))
    if exact:
        return exact, ""
    pattern = "/".join(
        ["*" if place in (1, 2) and part != "update_model" else part for place, part in enumerate(parts)]
    )
    return _CALLS.get((method, pattern), "other"), unquote(parts[1]) if len(parts) > 1 else ""


def _status(job: Job, word: str, **extra: object) -> Answer:
    return json_answer({"status": word, **extra, "metadata": {"retrain_job_id": job.id}})


def _at(items: list[T], number: int) -> T:
    return items[min(number, len(items)) - 1]
