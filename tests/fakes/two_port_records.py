"""What the two-port service keeps: the requests it saw, its jobs, and the scripts of its models."""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tests.fakes.loopback_port import Answer

Port = Literal["api", "store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it was seen.

    `name` is from the table of the service, or `other`; `owner` is the scripted model, known by its key or
    its job. `size` and `sha256` are of the body bytes that arrived, `whole` says whether all of them did.
    """

    port: Port
    name: str
    owner: str
    job: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    size: int
    sha256: str
    whole: bool

    def header(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(slots=True, kw_only=True)
class Job:
    """A retrain job. `uploads` are the bodies the store accepted: each is counted as the start of a training."""

    id: str
    owner: str
    model_id: int
    filename: str
    expires_at: datetime
    url_seconds: int
    signature: str
    uploads: list[bytes] = field(default_factory=list)
    trained: int = 0  # the how-manyeth training of its model this is
    readings: int = 0  # of the status since the upload


@dataclass(slots=True, kw_only=True)
class ScriptedModel:
    """What one API key answers. Lists hold one item a training; the last one repeats."""

    name: str
    key: str
    results: list[bytes]
    id: int = 0  # by which the account's secret key asks for this key
    ends: list[str] = field(default_factory=lambda: ["job_finished"])
    before: str | None = "waiting"  # the status word before the upload; None: `Not found retrain job.`
    during: str = "running"
    readings: int = 1  # of the status with `during`, before the training ends
    training: bool = False  # True: the training does not end
    message: str | None = None
    without_download: bool = False
    url_seconds: int = 3600
    store_url: str | None = None  # another host in the signed URLs
    once: dict[str, deque[Answer]] = field(default_factory=dict)  # per call: answers that are used up one by one
    always: dict[str, Answer] = field(default_factory=dict)

    def next_answer(self, call: str, *answers: Answer) -> None:
        """Queue answers for a call of this model."""
        self.once.setdefault(call, deque()).extend(answers)


def documented(message: str, *, code: str = "4001000204") -> Answer:
    """Return a row of the error tables, in the flat JSON that is most likely."""
    inner = code.startswith("5")
    error = "PREDA_EXTERNAL_INTERNAL_SERVER_ERROR" if inner else "PREDA_EXTERNAL_BAD_REQUEST"
    return json_answer({"code": code, "error": error, "message": message}, status=500 if inner else 400)


def store_error(status: int, code: str) -> Answer:
    """Return an object store's error in XML."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>refused</Message></Error>'
    return Answer(status=status, body=text.encode(), headers=(("Content-Type", "application/xml"),))


def json_answer(value: object, *, status: int = 200) -> Answer:
    """Return a JSON answer."""
    return Answer(status=status, body=json.dumps(value).encode(), headers=(("Content-Type", "application/json"),))
