"""Which service a run speaks to, its name in the journal, and the provider that serves it."""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import UsageError
from runner.http.addresses import host_of, is_trusted
from runner.http.proxies import NO_PROXIES, Proxies, Proxy
from runner.journal.events import EMULATOR
from runner.lib.secrets import Redactor
from runner.manifest.model import Manifest, Service
from runner.providers.base import Connection, Provider
from runner.providers.kept_answers import AnswerKeeper
from runner.providers.registry import PROVIDERS, facts_of

_CALLS, _MOST_CALLS = 16, 64  # threads for short calls
_MODELS_A_CALL = 8  # of many models at once; the others wait for their trainings


class TargetService(Struct, frozen=True, kw_only=True):
    """A service as the journal knows it.

    What was trained on the emulator must not count as trained on the service, so the journal keeps a history for each
    `name`: `emulator`, or the service's host. The port does not count: it changes in tests and rehearsals.
    `trusted_hosts` are those that the operator named, never the manifest; `documented_hosts` are the provider's own.
    """

    name: str
    emulator: bool
    trusted_hosts: frozenset[str] = frozenset()
    documented_hosts: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether API keys may be sent to the service."""
        return self.emulator or is_trusted(self.name, self.documented_hosts, self.trusted_hosts)

    def require_trusted(self) -> None:
        """Raise a UsageError unless API keys may be sent to the service. Comes before any key is read."""
        if not self.trusted:
            raise untrusted(self.name)


def untrusted(host: str) -> UsageError:
    """Return the error of a host that nobody but the manifest names."""
    return UsageError(
        f"API keys are not sent to {host}: it is neither a host of the vendor nor one that you trust.",
        hint=f"If the manifest may send them there, give --trust-host {host} or set RETRAIN_TRUSTED_HOSTS={host}.",
    )


def service_of(manifest: Manifest, *, emulator: bool, trusted_hosts: Collection[str] = ()) -> TargetService:
    """Return the service of a manifest; `emulator` and `trusted_hosts` are the command line's.

    Raises:
        UsageError: the emulator is requested, and this provider has no emulator.
    """
    facts = facts_of(manifest.service.provider)
    if emulator and not facts.emulated:
        raise UsageError(
            f"There is no emulator of the provider {facts.name}.",
            hint="Run without --emulator, against a test service.",
        )
    if emulator or manifest.service.emulator or manifest.service.url is None:
        return TargetService(name=EMULATOR, emulator=True)
    return TargetService(
        name=host_of(manifest.service.url),
        emulator=False,
        trusted_hosts=frozenset(trusted_hosts),
        documented_hosts=facts.hosts,
    )


def connected(
    service: Service, url: str, target: TargetService, redactor: Redactor, keeper: AnswerKeeper | None = None
) -> Provider:
    """Return the provider of a manifest at this address; nothing is sent yet.

    Raises:
        UsageError: API keys may not be sent to the address, or through the manifest's proxy.
    """
    options = replace(service.options, proxies=NO_PROXIES) if target.emulator else service.options
    _require_trusted_proxy(options.proxies, target.trusted_hosts)
    connection = Connection(
        base_url=url,
        statuses=service.statuses,
        redactor=redactor,
        trusted_hosts=target.trusted_hosts,
        options=options,
        keeper=keeper,
    )
    return PROVIDERS[service.provider].connect(connection)


def call_threads(models: int) -> int:
    """Return how many threads make short calls for so many models at once.

    A service that answers after 150 ms is asked 107 times a second by 16 threads, which is too little for thousands.
    """
    return min(max(_CALLS, models // _MODELS_A_CALL), _MOST_CALLS, max(models, 1))


def _require_trusted_proxy(proxies: Proxies, trusted_hosts: Collection[str]) -> None:
    """Refuse a proxy that only the manifest names: with its own certificates it could read the keys."""
    proxy = proxies.choice
    if isinstance(proxy, Proxy) and not is_trusted(proxy.host, (), trusted_hosts):
        raise UsageError(
            f"The proxy {proxy.host} is named by the manifest alone.",
            hint=f"If you trust it, add `--trust-host {proxy.host}`, or set HTTPS_PROXY and write `proxy: env`.",
        )
