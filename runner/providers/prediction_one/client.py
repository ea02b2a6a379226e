"""The service as the runner sees it: the documented calls, each made once, each with a typed end."""

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from runner.errors import Kind, UsageError
from runner.http.addresses import UnfitError, is_loopback, is_trusted, read_address
from runner.http.headers import header_sets, unsent_headers
from runner.http.proxies import Proxies, Proxy, ca_bundle
from runner.http.request import DEFAULT_DEADLINES, Broken, Deadlines, Request
from runner.http.responses import MOVED, SAME_REQUEST, Answer, exchange_following, take_answer, take_store_answer
from runner.http.transport import Transport
from runner.http.upload_body import SentFile, UploadBody, UploadWatch
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
    ServiceOptions,
    Status,
)
from runner.providers.facts import Statuses
from runner.providers.kept_answers import AnswerKeeper, Call
from runner.providers.prediction_one.errors import REDIRECTED_AFTERWARDS, switch_effect, upload_effect
from runner.providers.prediction_one.facts import FACTS
from runner.providers.prediction_one.redaction import (
    AnswerNotes,
    discreet_effect,
    discreet_errors,
    discreet_job,
    discreet_models,
    discreet_status,
)
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
from runner.providers.prediction_one.result_download import refuse_download, result_taker

T = TypeVar("T")
_MOST_LISTED = 1000  # models


class _NotRepeatedError(Exception):
    """An upload is not made once more: the data may have been taken."""


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
        trusted_hosts: Collection[str] = (),
        options: ServiceOptions = ServiceOptions(),  # noqa: B008 -- frozen
        keeper: AnswerKeeper | None = None,
    ) -> None:
        """Prepare without connecting.

        Args:
            base_url: scheme and host of the service, without the base path.
            statuses: the service's words for a finished and a failed job.
            redactor: learns keys and signed URLs, and blots them out of what the service says.
            deadlines: limits in seconds.
            trusted_hosts: hosts that keys may be sent to beside the vendor's and this machine, in lower case.
            options: how the service is spoken with.
            keeper: gets every answer.

        Raises:
            UsageError: keys may not be sent to the host, or the CA bundle or a proxy cannot be used.
        """
        self._base = base_url.rstrip("/") + FACTS.base_path
        _require_trusted(self._base, trusted_hosts)
        self._secure = base_url.lower().startswith("https:")
        self._statuses = statuses
        self._redactor = redactor
        self._options = options
        self._notes = AnswerNotes(keeper=keeper, redactor=redactor)
        self._wire = Transport(
            deadlines=deadlines, ca_bundle=ca_bundle(options.ca_bundle), proxies=_known(options.proxies, redactor)
        )

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
        path, fields = f"/retrain_jobs/upload_url?filename={name}", self._options.fields

        def read(answer: Answer) -> IssuedJob:
            job = read_job(answer, fields, self._base + path)
            self._redactor.learn(job.upload_url)  # before the answer is kept
            return job

        return discreet_job(self._read("upload_url", path, key, read), self._redactor)

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        """Ask how a retrain job stands.

        Raises:
            ServiceError: no status was told, or one of another job.
        """
        path, fields = f"/retrain_jobs/{quote(retrain_job_id, safe='')}", self._options.fields

        def read(answer: Answer) -> Status:
            status = read_status(answer, retrain_job_id, fields, self._statuses, self._base + path)
            if status.download_url is not None:
                self._redactor.learn(status.download_url)
            return status

        status = self._read(
            "status", path, key, read, lambda answer: is_about(answer, fields, retrain_job_id=retrain_job_id)
        )
        return discreet_status(status, self._redactor)

    def upload(
        self, url: Secret, file: SentFile, *, content: Checksum | None, watch: UploadWatch | None = None
    ) -> Effect:
        """Upload a file, which starts the retrain; the request is completed only if the bytes are the recorded ones.

        Args:
            url: the job's signed URL.
            file: the file to send.
            content: the sum of the bytes it must have; None where `watch` knows whether they may be sent.
            watch: told how far it came, and asked before its end.
        """
        self._redactor.learn(url)
        first, *others = header_sets(url, self._options.upload_headers)
        effect = self._upload_once(url, file, content, watch, first)
        for headers in others:  # a guess is sent only after the store refused the one before
            refused = isinstance(effect, Rejected) and effect.reason == "signature"
            if refused and (watch is None or watch.may_repeat()):
                effect = self._upload_once(url, file, content, watch, headers)
        unsent = unsent_headers(url, first)
        if unsent and isinstance(effect, Rejected) and effect.reason == "signature":
            line = f"upload: {{headers: {{{', '.join(f'{name}: VALUE' for name in unsent)}}}}}"
            effect = replace(effect, hint=f"The URL signs headers that were not sent: add `{line}` under `service:`.")
        return discreet_effect(effect, self._redactor)

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Download a result of at most `limit` bytes to `target`, which has its old content or all of the new.

        Raises:
            ServiceError: there is no whole file; with `Code.EXPIRED_URL` a new status brings a new URL.
        """
        self._redactor.learn(url)
        with discreet_errors(self._redactor):
            taken = self._fetch(url, target, limit)
            return taken if taken.whole else self._fetch(url, target, limit, taken)

    def _fetch(self, url: Secret, target: Path, limit: int, before: Downloaded | None = None) -> Downloaded:
        taken = exchange_following(
            self._wire,
            lambda place: Request(method="GET", url=place),
            result_taker(target, limit=limit, before=before),
            statuses=MOVED,
            learn=self._redactor.learn,
            url=url,
        )
        if isinstance(taken, Downloaded):
            return taken
        return self._notes.read("download", "", taken, lambda: refuse_download(taken))

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        """Put the model of a finished retrain job into service."""
        path = f"/retrain_jobs/{quote(retrain_job_id, safe='')}/update_model"
        answer = self._ask("PUT", path, key)
        effect = switch_effect(answer, retrain_job_id, self._options, self._statuses.busy)
        return discreet_effect(self._notes.effect("switch", path, answer, effect), self._redactor)

    def fetch_api_key(self, secret_key: Secret, model_id: int) -> FetchedApiKey:
        """Fetch a model's 30-day key with the account's secret key.

        Raises:
            ServiceError: no key was handed out.
        """
        path = f"/api-key?credential_type=retrain&model_id={model_id}"

        def read(answer: Answer) -> FetchedApiKey:
            fetched = read_api_key(answer)
            self._redactor.learn(fetched.key)
            return fetched

        fetched = self._read("api_key", path, secret_key, read)
        return replace(fetched, end_date=self._redactor.redact(fetched.end_date))

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        """Ask which models the classifiers behind this key serve; can verify a switch.

        The answer also holds keys for predictions; nothing but ids and numbers is kept of it.

        Raises:
            ServiceError: the answer was refused or unreadable.
        """
        return self._read("classifiers", "/classifiers", key, read_classifiers)

    def models(self, key: Secret) -> tuple[ListedModel, ...]:
        """Ask which models this key may list, and for their tasks.

        Raises:
            ServiceError: the answer was refused or unreadable.
        """
        listed = self._read("models", f"/models?offset=0&limit={_MOST_LISTED}", key, read_models)
        return discreet_models(listed, self._redactor)

    def close(self) -> None:
        """Begin no further call; those under way come to their own end."""
        self._wire.close()

    def _upload_once(
        self,
        url: Secret,
        file: SentFile,
        content: Checksum | None,
        watch: UploadWatch | None,
        headers: Mapping[str, str],
    ) -> Effect:
        """Send the file with the one request that a store carries out; those that it redirects it does not."""
        with ExitStack() as stack:

            def new_body() -> UploadBody:
                body = UploadBody(file, content=content, watch=watch, read_ahead=not self._secure)
                return stack.enter_context(closing(body))

            sent = [new_body()]
            if sent[0].look() is not None:
                return _not_uploaded(file, sent[0])

            def request(place: Secret) -> Request:
                if len(sent) > 1 and watch is not None and not watch.may_repeat():
                    raise _NotRepeatedError
                sent.append(new_body())
                return Request(method="PUT", url=place, body=sent[-1], headers=headers)

            try:
                answer = exchange_following(
                    self._wire,
                    request,
                    take_store_answer,
                    statuses=SAME_REQUEST,
                    learn=self._redactor.learn,
                    url=url,
                )
            except _NotRepeatedError:
                return REDIRECTED_AFTERWARDS
        if sent[-1].problem:
            return _not_uploaded(file, sent[-1])
        return self._notes.effect("put", "", answer, upload_effect(answer, handed_over=sent[-1].handed_over))

    def _read(
        self,
        call: Call,
        path: str,
        key: Secret,
        reader: Callable[[Answer], T],
        is_its_own: Callable[[Answer], bool] | None = None,
    ) -> T:
        with discreet_errors(self._redactor):
            answer = self._ask("GET", path, key, is_its_own)
            return self._notes.read(call, path, answer, lambda: reader(arrived(answer)))

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


def _known(proxies: Proxies, redactor: Redactor) -> Proxies:
    """Return the proxies, their credentials known to the redactor."""
    if isinstance(proxies.choice, Proxy) and proxies.choice.credentials is not None:
        redactor.learn(proxies.choice.credentials)
    return proxies


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

    What is not an address at all is left to the wire, which sends nothing to it.
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


def _not_uploaded(file: SentFile, body: UploadBody) -> Rejected:
    """Return why the store was not sent a whole file."""
    hint = "Let nothing change the data during a run, then run again."
    if body.deprived:
        hint = "Somebody freed its lock; let the run that took over end, then run again."
    return Rejected(
        message=f"The file {file.shown} {body.problem}, so it was not uploaded.",
        hint=hint,
        kind=Kind.SERVICE if body.deprived else Kind.DATA,
        permanent=not body.deprived,
        reason="store",
    )
