"""The service as the runner sees it: the documented calls, each made once, each with a typed end."""

from collections.abc import Callable, Collection
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from runner.errors import Kind, UsageError
from runner.http.addresses import UnfitError, is_loopback, is_trusted, read_address
from runner.http.deadlines import DEFAULT_DEADLINES, Deadlines
from runner.http.request import Broken, Request, RequestStage
from runner.http.response_body import Answer, take_answer, take_store_answer
from runner.http.transport import Transport
from runner.http.upload_body import UploadBody
from runner.http.upload_watch import UploadWatch
from runner.lib.checksums import Checksum
from runner.lib.secrets import Redactor, Secret
from runner.providers.base import (
    Classifier,
    Downloaded,
    Effect,
    FetchedApiKey,
    IssuedJob,
    ListedModel,
    Rejected,
    ServiceError,
    Status,
    Statuses,
)
from runner.providers.prediction_one.errors import explain_broken, switch_effect, upload_effect
from runner.providers.prediction_one.facts import FACTS
from runner.providers.prediction_one.redaction import discreet_effect, discreet_errors, discreet_job, discreet_status
from runner.providers.prediction_one.response_reading import (
    arrived,
    is_about,
    read_api_key,
    read_classifiers,
    read_job,
    read_models,
    read_status,
)
from runner.providers.prediction_one.responses import MOST_ERROR_BYTES
from runner.providers.prediction_one.result_download import result_taker

T = TypeVar("T")
_MOST_LISTED = 1000  # models


class Client:
    """Speaks with one host of the service and with the store its signed URLs lead to.

    Safe to use from many threads at once. Nothing is ever sent twice: what to do about a failed call is the caller's
    decision. Every secret that passes through is known to the redactor afterwards, and in no text that is handed back.
    """

    def __init__(  # noqa: PLR0913 -- keywords with defaults
        self,
        *,
        base_url: str,
        statuses: Statuses,
        redactor: Redactor,
        deadlines: Deadlines = DEFAULT_DEADLINES,
        ca_bundle: Path | None = None,
        trusted_hosts: Collection[str] = (),
    ) -> None:
        """Prepare without connecting.

        Args:
            base_url: scheme and host of the service, without the base path.
            statuses: the service's words for a finished and a failed job.
            redactor: learns keys and signed URLs, and blots them out of what the service says.
            deadlines: limits in seconds.
            ca_bundle: certificates (PEM) to trust instead of the public ones.
            trusted_hosts: hosts that keys may be sent to beside the vendor's and this machine, in lower case.

        Raises:
            UsageError: keys may not be sent to the host, or the CA bundle cannot be read.
        """
        self._base = base_url.rstrip("/") + FACTS.base_path
        _require_trusted(self._base, trusted_hosts)
        self._secure = base_url.lower().startswith("https:")
        self._statuses = statuses
        self._redactor = redactor
        self._wire = Transport(deadlines=deadlines, ca_bundle=ca_bundle)

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        """Take a new retrain job for an upload of this name; without an upload it has no effect.

        Raises:
            ServiceError: no job was issued.
        """
        try:
            name = quote(filename, safe="")
        except UnicodeEncodeError:
            name = None
        if name is None:
            raise ServiceError(
                Kind.DATA,
                "The name of the training file is not valid Unicode.",
                hint="Rename the file, for example to ASCII letters.",
                again=False,
            )
        path = f"/retrain_jobs/upload_url?filename={name}"
        job = self._read(path, key, partial(read_job, secure=self._secure))
        self._redactor.learn(job.upload_url)
        return discreet_job(job, self._redactor)

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        """Ask how a retrain job stands.

        Raises:
            ServiceError: no status was told, or one of another job.
        """
        status = self._read(
            f"/retrain_jobs/{quote(retrain_job_id, safe='')}",
            key,
            lambda answer: read_status(answer, retrain_job_id, self._statuses, secure=self._secure),
            partial(is_about, retrain_job_id=retrain_job_id),
        )
        if status.download_url is not None:
            self._redactor.learn(status.download_url)
        return discreet_status(status, self._redactor)

    def upload(self, url: Secret, file: Path, *, content: Checksum, watch: UploadWatch | None = None) -> Effect:
        """Upload a file, which starts the retrain; the request is completed only if the bytes are the recorded ones.

        Args:
            url: the job's signed URL.
            file: the file to send.
            content: the sum of the bytes it must have.
            watch: told how far it came, and asked before its end.
        """
        self._redactor.learn(url)
        body = UploadBody(file, content=content, watch=watch, read_ahead=not self._secure)
        with closing(body):
            effect = self._send_body(url, body) or _not_uploaded(file, body)
        return discreet_effect(effect, self._redactor)

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Download a result of at most `limit` bytes to `target`, which has its old content or all of the new.

        Raises:
            ServiceError: there is no whole file; with `Code.EXPIRED_URL` a new status brings a new URL.
        """
        self._redactor.learn(url)
        with discreet_errors(self._redactor):
            taken = self._wire.exchange(Request(method="GET", url=url), result_taker(target, limit=limit))
            if isinstance(taken, Downloaded):
                return taken
            told = explain_broken(taken)
            again = taken.stage in (RequestStage.NEVER_SENT, RequestStage.UNCLEAR)
            raise ServiceError(told.kind, f"The download failed: {told.message}", hint=told.hint, again=again)

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        """Put the model of a finished retrain job into service."""
        path = f"/retrain_jobs/{quote(retrain_job_id, safe='')}/update_model"
        return discreet_effect(switch_effect(self._ask("PUT", path, key), retrain_job_id), self._redactor)

    def fetch_api_key(self, secret_key: Secret, model_id: int) -> FetchedApiKey:
        """Fetch a model's 30-day key with the account's secret key.

        Raises:
            ServiceError: no key was handed out.
        """
        path = f"/api-key?credential_type=retrain&model_id={model_id}"
        fetched = self._read(path, secret_key, read_api_key)
        self._redactor.learn(fetched.key)
        return replace(fetched, end_date=self._redactor.redact(fetched.end_date))

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        """Ask which models the classifiers behind this key serve; can verify a switch.

        The answer also holds keys for predictions; nothing but ids and numbers is kept of it.

        Raises:
            ServiceError: the answer was refused or unreadable.
        """
        return self._read("/classifiers", key, read_classifiers)

    def models(self, key: Secret) -> tuple[ListedModel, ...]:
        """Ask which models this key may list, and for their tasks.

        Raises:
            ServiceError: the answer was refused or unreadable.
        """
        return self._read(f"/models?offset=0&limit={_MOST_LISTED}", key, read_models)

    def close(self) -> None:
        """Begin no further call; those under way come to their own end."""
        self._wire.close()

    def _send_body(self, url: Secret, body: UploadBody) -> Effect | None:
        """Upload the body; None when its file is not, or did not stay, the recorded one."""
        if body.look() is not None:
            return None
        answer = self._wire.exchange(Request(method="PUT", url=url, body=body), take_store_answer)
        return None if body.problem else upload_effect(answer, handed_over=body.handed_over)

    def _read(
        self, path: str, key: Secret, reader: Callable[[Answer], T], is_its_own: Callable[[Answer], bool] | None = None
    ) -> T:
        with discreet_errors(self._redactor):
            return reader(arrived(self._ask("GET", path, key, is_its_own)))

    def _ask(
        self,
        method: Literal["GET", "PUT"],
        path: str,
        key: Secret,
        is_its_own: Callable[[Answer], bool] | None = None,
    ) -> Answer | Broken:
        self._redactor.learn(key)
        url = Secret(self._base + path)
        answer = self._wire.exchange(Request(method=method, url=url, key=key), take_answer, is_its_own)
        if isinstance(answer, Broken) or 200 <= answer.status <= 299:
            return answer
        return replace(answer, body=_without_key(answer.body, key))


def _without_key(body: bytes, key: Secret) -> bytes:
    """Return as much of an error's body as is looked at, without the key that was sent: tags may be cut out of it.

    The other secrets are looked for in what is said of it at last, which is short: `discretion`.
    """
    own = Redactor()
    own.learn(key)
    text = body[:MOST_ERROR_BYTES].decode("utf-8", errors="replace")
    cut = "…" if len(body) > MOST_ERROR_BYTES else ""  # the stump of a key before it is blotted out
    return own.redact(f"{text}{cut}").encode("utf-8")


def _require_trusted(base: str, trusted_hosts: Collection[str]) -> None:
    """Refuse a host that the caller did not approve, and plain http to another machine.

    What is no address at all is left to the wire, which sends nothing to it.
    """
    try:
        address = read_address(base)
    except UnfitError:
        return
    plain = address.scheme == "http" and not is_loopback(address.host)
    if plain or not is_trusted(address.host, FACTS.hosts, trusted_hosts):
        raise UsageError(
            f"API keys are not sent to {address.host}{' over plain http' if plain else ''}.",
            hint="Use https and a host of the vendor, or one that you trust.",
        )


def _not_uploaded(file: Path, body: UploadBody) -> Rejected:
    """Return why the store was not sent a whole file."""
    hint = "Let nothing change the data during a run, then run again."
    if body.deprived:
        hint = "Somebody freed its lock; let the run that took over end, then run again."
    return Rejected(
        message=f"The file {file} {body.problem}, so it was not uploaded.",
        hint=hint,
        kind=Kind.SERVICE if body.deprived else Kind.DATA,
        permanent=not body.deprived,
        reason="store",
    )
