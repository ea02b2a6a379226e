"""Everything a service can do that tempts a client to write down a key or a signed URL."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from tests.fakes.loopback_port import Answer, Moment
from tests.fakes.two_port_records import Call, ScriptedModel, documented, json_answer, store_error
from tests.fakes.two_port_service import TwoPortService

Script = Callable[["Told"], Answer]
_XML = "<Error><Code>{0}</Code><Message>{1}</Message><StringToSign>{1}</StringToSign></Error>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The secrets a service could repeat: the model's key, and the signature of its newest URL."""

    key: str
    signature: str
    url: str

    @property
    def all(self) -> str:
        """Return them in one sentence, plain and quoted."""
        return f"key {self.key} {quote(self.key, safe='')} url {self.url} sign {self.signature}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Temptation:
    """A fault: the call it meets, what is answered, and how often (every time when `times` is 0)."""

    name: str
    call: str
    script: Script
    times: int = 0


def _escaped(text: str) -> bytes:
    """Return a JSON error whose every sign is escaped, as some frameworks write it."""
    safe = "".join(char if char.isalnum() else f"\\u{ord(char):04x}" for char in text)
    return b'{"code": "4001000204", "message": "' + safe.encode() + b'"}'


def _slashes(text: str) -> bytes:
    return json.dumps({"message": text}).replace("/", "\\/").encode()


def _body(status: int, body: bytes) -> Answer:
    return Answer(status=status, body=body)


def _page(status: int, text: str) -> Answer:
    return Answer(status=status, body=f"<html><body><p>{text}</p></body></html>".encode())


def _elsewhere(text: str) -> Answer:
    return Answer(status=302, headers=(("Location", f"http://127.0.0.1:9/?{quote(text, safe='')}"),))


def _status(word: str, **extra: object) -> Answer:
    return json_answer({"status": word, **extra})


_API_CALLS = ("upload_url", "status", "switch")
TEMPTATIONS: tuple[Temptation, ...] = (
    *(
        temptation
        for call in _API_CALLS
        for temptation in (
            Temptation(name="message", call=call, script=lambda told: json_answer({"message": told.all}, status=400)),
            Temptation(name="escaped", call=call, script=lambda told: _body(400, _escaped(told.all))),
            Temptation(name="slashes", call=call, script=lambda told: _body(403, _slashes(told.all))),
            Temptation(name="page", call=call, script=lambda told: _page(404, told.all)),
            Temptation(name="broken_page", call=call, script=lambda told: _page(502, told.all), times=2),
            Temptation(name="documented", call=call, script=lambda told: documented(f"no key {told.all}")),
            Temptation(name="elsewhere", call=call, script=lambda told: _elsewhere(told.all)),
            Temptation(name="array", call=call, script=lambda told: json_answer([told.all])),
            Temptation(
                name="half", call=call, times=2, script=lambda told: _body(200, f'{{"status": "{told.key}'.encode())
            ),
            Temptation(name="lost", call=call, script=lambda _told: Answer(lost="arrived"), times=1),
        )
    ),
    Temptation(
        name="id_is_key",
        call="upload_url",
        script=lambda told: json_answer({"retrain_job_id": told.key, "upload_url": told.url}),
    ),
    Temptation(
        name="url_is_key",
        call="upload_url",
        script=lambda told: json_answer({"retrain_job_id": "j", "upload_url": f"http://{told.key}@127.0.0.1/x"}),
    ),
    Temptation(
        name="host_is_key",
        call="upload_url",
        script=lambda told: json_answer({"retrain_job_id": "j", "upload_url": f"http://{told.key[:12]}/{told.key}"}),
    ),
    Temptation(name="xml", call="put", script=lambda told: _body(400, _XML.format("Invalid", told.all).encode())),
    Temptation(name="expired", call="put", script=lambda _told: store_error(403, "AccessDenied")),
    Temptation(name="page", call="put", script=lambda told: _page(500, told.all), times=1),
    Temptation(name="elsewhere", call="put", script=lambda told: _elsewhere(told.url), times=1),
    Temptation(name="lost", call="put", script=lambda _told: Answer(lost="done"), times=1),
    Temptation(name="word", call="status", script=lambda told: _status(told.key), times=2),
    Temptation(name="word_of_url", call="status", script=lambda told: _status(told.url), times=2),
    Temptation(name="failed", call="status", script=lambda told: _status("job_failed", message=told.all)),
    Temptation(name="failed_word", call="status", script=lambda told: _status(f"failed {told.key}")),
    Temptation(
        name="other_job",
        call="status",
        script=lambda told: _status("running", metadata={"retrain_job_id": told.key}),
    ),
    Temptation(
        name="odd_url", call="status", script=lambda told: _status("job_finished", download_url=f"ftp://{told.url}")
    ),
    Temptation(name="odd_id", call="status", script=lambda told: _status("running", model_id=told.key)),
    Temptation(name="xml", call="download", script=lambda told: _body(404, _XML.format("Gone", told.all).encode())),
    Temptation(name="code", call="download", script=lambda told: _body(403, _XML.format(told.key, told.url).encode())),
    Temptation(name="page", call="download", script=lambda told: _page(503, told.all), times=2),
    Temptation(name="elsewhere", call="download", script=lambda told: _elsewhere(told.url)),
    Temptation(name="lost", call="download", script=lambda _told: Answer(lost="arrived"), times=1),
    Temptation(name="garbage", call="download", script=lambda _told: _body(200, b"\x00garbage")),
    Temptation(
        name="other_job", call="switch", script=lambda told: json_answer({"metadata": {"retrain_job_id": told.key}})
    ),
)


class Tempter:
    """Arms a service: each model meets its temptation, which repeats that model's own secrets."""

    def __init__(self, service: TwoPortService) -> None:
        self._service = service
        self._by_model: dict[str, Temptation] = {}
        self._told: dict[str, Told] = {}
        self._lock = threading.Lock()
        service.watch = self._watch

    def arm(self, model: ScriptedModel, temptation: Temptation) -> None:
        """Let a model meet a temptation."""
        self._by_model[model.name] = temptation
        if temptation.call == "upload_url":
            self._set(model, Told(key=model.key, signature="", url=f"{self._service.store_url}/uploads/j/x?a=1"))

    def forget_signatures(self) -> None:
        """Repeat URLs of jobs taken so far as a whole only: no later process can know a signature by its looks."""
        for name, told in list(self._told.items()):
            self._set(self._service.models[name], replace(told, signature=""))

    def _watch(self, call: Call, moment: Moment) -> None:
        """When a job was taken its signature is known: what comes later can repeat it."""
        if call.name != "upload_url" or moment != "done" or call.owner not in self._by_model:
            return
        model = self._service.models[call.owner]
        job = next(reversed([one for one in self._service.jobs.values() if one.owner == model.name]))
        url = f"{self._service.store_url}/uploads/{job.id}/x.csv?X-Amz-Signature={quote(job.signature, safe='')}"
        self._set(model, Told(key=model.key, signature=job.signature, url=url))

    def _set(self, model: ScriptedModel, told: Told) -> None:
        temptation, self._told[model.name] = self._by_model[model.name], told
        answer = temptation.script(told)
        with self._lock:
            if temptation.times:
                model.once.pop(temptation.call, None)
                model.next_answer(temptation.call, *[answer] * temptation.times)
            else:
                model.always[temptation.call] = answer
