"""The object store: signed URLs only, strict about everything a real one is strict about."""

import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NoReturn
from xml.sax.saxutils import escape

from emulator.answer import Answer
from emulator.exchange import KEY_HEADER, Exchange
from emulator.faults import FaultKind
from emulator.job import Job, Phase
from emulator.signing import Signer
from emulator.state import State, UsedUploadError
from emulator.trainings import Trainings
from runner.lib.atomic_files import replacing, sync_folder

_BLOCK = 1 << 20
_LARGEST_BODY = 5 << 30
_REFUSED_SIGNATURES = {
    "missing": ("AccessDenied", "The request carries no signature."),
    "forged": ("SignatureDoesNotMatch", "The signature does not match the request."),
    "expired": ("AccessDenied", "Request has expired."),
}


class StoreError(Exception):
    """A request to the store is refused with an HTTP status, a code and a message."""

    def __init__(self, status: int, code: str, message: str, *, received: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.received = received


def xml_refusal(error: StoreError) -> Answer:
    """Return the XML answer for a refused request."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{error.code}</Code><Message>{escape(str(error))}'
        f"</Message><RequestId>{secrets.token_hex(8)}</RequestId></Error>"
    )
    return Answer(status=error.status, body=text.encode(), content_type="application/xml", received=error.received)


class Store:
    """`PUT /store/uploads/...` starts the retrain; `GET /store/results/...` gives the result."""

    def __init__(self, *, signer: Signer, state: State, trainings: Trainings) -> None:
        self._signer = signer
        self._state = state
        self._trainings = trainings
        self._accepting = threading.Lock()

    def put(self, exchange: Exchange) -> Answer:
        """Take an upload, once; the retrain starts when its last byte is here."""
        self._check_signature(exchange, "PUT")
        job = self._job(exchange)
        length = _length(exchange)
        if job.phase is not Phase.WAITING:
            _refuse_used()
        folder = self._trainings.folder(job.retrain_job_id)
        incoming = folder.path / f"incoming-{secrets.token_hex(4)}"
        _receive(exchange.request.environ["wsgi.input"], length, incoming)
        try:
            self._accept(exchange, job, incoming, folder.upload)
        finally:
            incoming.unlink(missing_ok=True)
        return Answer(status=200, effect="started", retrain_job_id=job.retrain_job_id, received=length)

    def get(self, exchange: Exchange) -> Answer:
        """Give the result file of a finished job."""
        self._check_signature(exchange, "GET")
        job = self._job(exchange)
        if job.shown_phase() is not Phase.FINISHED:
            raise StoreError(404, "NoSuchKey", "The specified key does not exist.")
        body = self._trainings.folder(job.retrain_job_id).result.read_bytes()
        return Answer(status=200, body=body, content_type="application/zip", retrain_job_id=job.retrain_job_id)

    def _accept(self, exchange: Exchange, job: Job, incoming: Path, upload: Path) -> None:
        slow = exchange.rule if exchange.hit_by(FaultKind.TRAINING_SLOW) else None
        with self._accepting:  # of two uploads at once the first to be complete counts
            known = self._state.job(job.retrain_job_id)
            if known is None or known.phase is not Phase.WAITING:
                _refuse_used()
            incoming.replace(upload)
            sync_folder(upload.parent)
            try:
                self._state.start_training(job.retrain_job_id, held_back=slow.seconds if slow else 0.0)
            except UsedUploadError:
                _refuse_used()
        if exchange.hit_by(FaultKind.TRAINING_FAILS):
            self._state.fail(job.retrain_job_id, "The training failed because a faults file says so.")
        else:
            self._trainings.submit(job.retrain_job_id)

    def _check_signature(self, exchange: Exchange, method: str) -> None:
        names = exchange.header_names
        if KEY_HEADER in names or "authorization" in names:
            raise StoreError(400, "InvalidArgument", "Only one way to authenticate is allowed: the signed URL.")
        query = exchange.request.query_string.decode("latin-1")
        verdict = self._signer.check(method, exchange.raw_path, query, now=datetime.now(UTC))
        if exchange.request.method != method and verdict == "valid":
            verdict = "forged"
        if verdict != "valid":
            raise StoreError(403, *_REFUSED_SIGNATURES[verdict])
        if any(name.startswith("x-amz-") or name == "content-encoding" for name in names):
            raise StoreError(403, "AccessDenied", "There were headers present in the request which were not signed.")

    def _job(self, exchange: Exchange) -> Job:
        job = self._state.job(exchange.arguments["retrain_job_id"])
        if job is None or job.deleted:
            raise StoreError(404, "NoSuchKey", "The specified key does not exist.")
        return job


def _length(exchange: Exchange) -> int:
    names = exchange.header_names
    if "transfer-encoding" in names:
        raise StoreError(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
    if "content-length" not in names:
        raise StoreError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    text = exchange.request.headers.get("Content-Length", "")
    if names.count("content-length") != 1 or not (text.isascii() and text.isdigit() and len(text) < 16):
        raise StoreError(400, "InvalidArgument", "The Content-Length header is not valid.")
    if not 0 < int(text) <= _LARGEST_BODY:
        code = "EntityTooLarge" if int(text) else "EntityTooSmall"
        raise StoreError(400, code, "The size of the upload is not allowed.")
    return int(text)


def _receive(stream: BinaryIO, length: int, target: Path) -> None:
    received = 0
    with replacing(target) as file:
        while received < length:
            block = _read(stream, min(length - received, _BLOCK))
            if not block:
                raise StoreError(
                    400,
                    "IncompleteBody",
                    "The body is shorter than the Content-Length header says.",
                    received=received,
                )
            file.write(block)
            received += len(block)


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except (ConnectionError, TimeoutError):
        return b""


def _refuse_used() -> NoReturn:
    raise StoreError(403, "AccessDenied", "The URL was used already.")
