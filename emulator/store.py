"""The object store: signed URLs only, strict about everything a real one is strict about."""

import re
import secrets
import threading
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn
from xml.sax.saxutils import escape

from msgspec.structs import replace

from emulator.answer import Answer
from emulator.exchange import KEY_HEADER, Exchange
from emulator.job import Job, Phase
from emulator.profile import FaultKind, Profile, UrlTerms
from emulator.result_layout import Trained, lay_out
from emulator.signing import Signer
from emulator.state import State, UsedUploadError
from emulator.trainings import Trainings
from runner.lib.atomic_files import replacing, sync_folder

_HOP = re.compile(r"^/store/hop/[0-9]+/")
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

    def __init__(self, *, signer: Signer, state: State, trainings: Trainings, profile: Profile) -> None:
        self._signer = signer
        self._state = state
        self._trainings = trainings
        self._profile = profile
        self._accepting = threading.Lock()

    def put(self, exchange: Exchange) -> Answer:
        """Take an upload; the retrain starts when its last byte is here. What a second one does is the profile's."""
        self._check_signature(exchange, "PUT")
        job = self._job(exchange)
        length = _length(exchange)
        self._check_headers(exchange, job)
        folder = self._trainings.folder(job.retrain_job_id)
        incoming = folder.path / f"incoming-{secrets.token_hex(4)}"
        terms = self._profile.urls.upload
        onward = _onward(exchange, terms)
        if onward is not None and terms.redirect_body == "before":
            return onward
        if job.phase is not Phase.WAITING and self._profile.second_put == "refuse":
            _refuse_used()
        _receive(exchange.request.environ["wsgi.input"], length, incoming)
        try:
            starts = onward is None and self._accept(exchange, job, incoming, folder.upload)
        finally:
            incoming.unlink(missing_ok=True)
        answer = onward or Answer(status=200, effect="started" if starts else None)
        return replace(answer, retrain_job_id=job.retrain_job_id, received=length)

    def get(self, exchange: Exchange) -> Answer:
        """Give the result file of a finished job."""
        self._check_signature(exchange, "GET")
        job = self._job(exchange)
        if job.shown_phase() is not Phase.FINISHED:
            raise StoreError(404, "NoSuchKey", "The specified key does not exist.")
        onward = _onward(exchange, self._profile.urls.download)
        if onward is not None:
            return onward
        result, file = self._profile.result, self._trainings.folder(job.retrain_job_id).result
        trained = Trained(metrics=job.metrics or {}, file=file if file.exists() else None)
        return Answer(
            status=200,
            body=lay_out(result, trained),
            content_type=result.content_type,
            retrain_job_id=job.retrain_job_id,
        )

    def _accept(self, exchange: Exchange, job: Job, incoming: Path, upload: Path) -> bool:
        """Take a complete upload, and say whether it started a training."""
        slow = exchange.rule.seconds if exchange.rule and exchange.hit_by(FaultKind.TRAINING_SLOW) else None
        held_back = self._profile.training.seconds if slow is None else slow
        with self._accepting:  # of two uploads at once the first to be complete counts
            known = self._state.job(job.retrain_job_id)
            first = known is not None and known.phase is Phase.WAITING
            if known is None or (not first and self._profile.second_put == "refuse"):
                _refuse_used()
            if not first and self._profile.second_put == "accept":
                return False
            incoming.replace(upload)
            sync_folder(upload.parent)
            try:
                self._state.start_training(job.retrain_job_id, held_back=held_back, again=not first)
            except UsedUploadError:
                _refuse_used()
        if exchange.hit_by(FaultKind.TRAINING_FAILS):
            self._state.fail(job.retrain_job_id, "The training failed because a faults file says so.")
        else:
            self._trainings.submit(job.retrain_job_id)
        return True

    def _check_headers(self, exchange: Exchange, job: Job) -> None:
        """Refuse an upload without the headers that were signed, or that the store asks for anyway."""
        sent = exchange.request.headers
        guessed = "application/zip" if job.filename.lower().endswith(".zip") else "text/csv"
        for name, value in self._profile.urls.upload.signed_headers.items():
            if sent.get(name) != value.replace("${content_type}", guessed):
                raise StoreError(403, "SignatureDoesNotMatch", "The signature does not match the request.")
        for name, value in self._profile.put_headers.items():
            if sent.get(name) != value:
                raise StoreError(400, "MissingRequiredHeader", f"A required HTTP header was not specified: {name}.")

    def _check_signature(self, exchange: Exchange, method: Literal["PUT", "GET"]) -> None:
        names = exchange.header_names
        if KEY_HEADER in names or "authorization" in names:
            raise StoreError(400, "InvalidArgument", "Only one way to authenticate is allowed: the signed URL.")
        query = exchange.request.query_string.decode("latin-1")
        path = _HOP.sub("/store/", exchange.raw_path)
        verdict = self._signer.check(method, path, query, now=self._signer.now())
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


def _onward(exchange: Exchange, terms: UrlTerms) -> Answer | None:
    """Return the redirect to another host's name for this machine, while the profile has more of them."""
    hop = int(exchange.arguments.get("hop", "0"))
    if hop >= terms.redirects:
        return None
    host, _, port = exchange.request.host.partition(":")
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(host, host)
    path = _HOP.sub("/store/", exchange.raw_path).removeprefix("/store/")
    query = exchange.request.query_string.decode("latin-1")
    base = f"{exchange.request.scheme}://{other}{f':{port}' if port else ''}"
    place = f"{base}/store/hop/{hop + 1}/{path}?{query}"
    return Answer(status=terms.redirect_status, headers=(("Location", place),), content_type="text/plain")


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
