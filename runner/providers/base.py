"""A provider of retraining: the calls that a run makes, and what is needed to make them."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from runner.http.upload_watch import UploadWatch
from runner.lib.secrets import Redactor, Secret
from runner.providers.call_results import Classifier, Downloaded, Effect, FetchedApiKey, IssuedJob, Status
from runner.providers.facts import ProviderFacts, Statuses

if TYPE_CHECKING:  # it brings threads, and most commands hash nothing
    from runner.lib.checksums import Checksum


class ProviderCalls(Protocol):
    """The calls of a provider that a model's training makes, each made once, from many threads.

    Reads raise `ServiceError`, which says whether asking again may help. Effects (upload, switch) do not raise for
    trouble of the network or the service: what became of them is their value. No secret is in a text handed back.
    """

    def take_job(self, key: Secret, filename: str) -> IssuedJob:
        """Return a new job id with its upload URL; without an upload it has no effect."""

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        """Return the state of a job."""

    def upload(self, url: Secret, file: Path, *, content: "Checksum", watch: UploadWatch) -> Effect:
        """Send the file with exactly one request; where `watch` forbids its end, what arrives is not an upload."""

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Store the result file at `target`, whole or not at all.

        It is read by `runner.policy.result`; a provider with a form of its own stores what that reads.
        """

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        """Make the job's model the published one, with exactly one request."""

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        """Return the classifiers that this key may list, each with the model it serves now."""


class Provider(ProviderCalls, Protocol):
    """All calls of a provider."""

    def fetch_api_key(self, secret_key: Secret, model_id: int) -> FetchedApiKey:
        """Return a model's API key for the account's secret key."""

    def close(self) -> None:
        """Begin no further call."""


class Connection(Struct, frozen=True, kw_only=True):
    """What a provider is connected with.

    `base_url` has no trailing slash; `trusted_hosts` are those that the operator trusts beside the provider's own and
    this machine. The redactor learns every secret that passes through.
    """

    base_url: str
    statuses: Statuses
    redactor: Redactor
    trusted_hosts: Collection[str] = ()


class ProviderEntry(Struct, frozen=True, kw_only=True):
    """A provider as the registry has it.

    `connect` makes no request, and raises UsageError where keys may not be sent to the host.
    """

    facts: ProviderFacts
    connect: Callable[[Connection], Provider]
