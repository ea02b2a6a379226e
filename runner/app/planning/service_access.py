"""What a command needs of the service: API keys for it, and what is in service now."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from emulator.keys import own_key
from emulator.launch import running_emulator
from runner.app.service import TargetService, call_threads, connected
from runner.credentials import resolve
from runner.errors import Kind, ModelError
from runner.execute.commands import Keys
from runner.journal.folder import StateFolder
from runner.journal.model_progress import Observation
from runner.journal.progress import Progress
from runner.lib.parallel import map_in_threads
from runner.lib.secrets import Redactor, Secret, fingerprint
from runner.manifest.model import EnvKey, FetchedKey, FileKey, Manifest, Model, StoredKey
from runner.plan.incumbent import Moment, may_drift, observe
from runner.providers.base import Classifier, Provider


class ManifestKeys:
    """Reads keys where the manifest says they are; fetches the 30-day ones with the account's secret key."""

    def __init__(self, client: Provider, redactor: Redactor, *, host: str) -> None:
        """Prepare for the service's host."""
        self._client = client
        self._redactor = redactor
        self._host = host
        self._end_dates: dict[str, str] = {}  # of fetched keys, by the model's name
        self._owners: dict[str, list[str]] = {}  # names of models, by the key's fingerprint

    def learn_all(self, models: Iterable[Model]) -> None:
        """Read every key that can be read without asking anybody, those of models that take no part included.

        A service could name another model's key in an error, before the run has come to that model; and a key that two
        models have may not be used for either.
        """
        for model in models:
            source = model.api_key.secret_key if isinstance(model.api_key, FetchedKey) else model.api_key
            if isinstance(source, EnvKey | FileKey):
                with suppress(ModelError):
                    key = self._redactor.learn(resolve(source, model=model.name))
                    if source is model.api_key:
                        self._owners.setdefault(fingerprint(key), []).append(model.name)

    def model_key(self, model: Model) -> Secret:
        """Return the model's API key; raises ModelError when it cannot be had."""
        return self._claim(model, self._read(model))

    def end_date(self, model: Model) -> str | None:
        """Return when the model's fetched key ends, in the service's own words; None if it was not fetched."""
        return self._end_dates.get(model.name)

    def asks_service(self, model: Model) -> bool:
        """Return whether the model's API key is fetched with the account's secret key."""
        return isinstance(model.api_key, FetchedKey)

    def _read(self, model: Model) -> Secret:
        if not isinstance(model.api_key, FetchedKey):
            return self._resolve(model.api_key, model)
        secret_key = self._resolve(model.api_key.secret_key, model)
        fetched = self._client.fetch_api_key(secret_key, model.api_key.model_id)
        self._end_dates[model.name] = fetched.end_date
        return fetched.key

    def _claim(self, model: Model, key: Secret) -> Secret:
        """Refuse a key that another model has: a key belongs to one model of the service, and both would switch it."""
        owners = self._owners.setdefault(fingerprint(key), [model.name])
        other = next((name for name in owners if name != model.name), None)
        if other is not None:
            raise ModelError(
                Kind.CREDENTIALS,
                f"{model.name} has the same API key as {other}, but a key belongs to one model of the service.",
                hint="Give each model its own key; nothing was sent for this one.",
            )
        return key

    def account_key(self, model: Model) -> Secret | None:
        """Return the account's secret key where the manifest names one."""
        if not isinstance(model.api_key, FetchedKey):
            return None
        return self._resolve(model.api_key.secret_key, model)

    def _resolve(self, source: StoredKey, model: Model) -> Secret:
        if model.key_hosts is not None and self._host not in model.key_hosts:
            raise ModelError(
                Kind.CONFIG,
                f"The key of {model.name} is bound to {', '.join(model.key_hosts)}, and the service is {self._host}.",
                hint="Correct `service.url`, or `hosts` of its `api_key`; the key was not read.",
            )
        return self._redactor.learn(resolve(source, model=model.name))


class EmulatorKeys:
    """The keys an emulator started for this run accepts; no real key is read."""

    def model_key(self, model: Model) -> Secret:
        """Return the model's key; raises ModelError when the emulator was not told about the model."""
        if model.emulator is None:
            raise ModelError(
                Kind.CONFIG,
                f"The emulator cannot train {model.name}, because its manifest names no task and target.",
                hint=f"Add `emulator: {{task: ..., target: ...}}` to {model.name}.",
            )
        return Secret(own_key(model.name))

    def asks_service(self, model: Model) -> bool:  # noqa: ARG002 -- the port's signature
        """Return False: the emulator's keys are known here."""
        return False

    def end_date(self, model: Model) -> str | None:  # noqa: ARG002 -- the port's signature
        """Return None: the emulator's own keys do not end."""
        return None

    def account_key(self, model: Model) -> Secret | None:  # noqa: ARG002 -- the port's signature
        """Return None: the emulator lists what serves for a model's own key."""
        return None


def refresh(  # noqa: PLR0913 -- each from another source, and each by its name
    progress: Progress,
    manifest: Manifest,
    models: Sequence[Model],
    service: TargetService,
    *,
    paths: Sequence[Path],
    folder: StateFolder,
) -> None:
    """Put into the progress what the service's list says of each model that this project has a record of.

    Raises:
        UsageError: API keys may not be sent to the service.
        RetrainError: the emulator cannot be started.
    """
    service.require_trusted()
    asked = [model for model in models if may_drift(progress.model(service.name, model.name))]
    if not asked:
        return
    with _service(manifest, service, paths, folder) as (client, keys):
        answers = map_in_threads(lambda model: _listed(client, keys, model), asked, call_threads(len(asked)))
        for model, listed in zip(asked, answers, strict=True):
            known, now = progress.model(service.name, model.name), datetime.now(UTC)
            moment = Moment(now=now, quarantine=manifest.service.quarantine)
            known.observation = Observation(fact=observe(model, known, listed, moment), at=now)


def _listed(client: Provider, keys: Keys, model: Model) -> tuple[Classifier, ...] | None:
    """Return the service's list, or None if it cannot be read; the service is asked once."""
    try:
        account = keys.account_key(model) if keys.asks_service(model) else None
        return client.classifiers(account or keys.model_key(model))
    except ModelError:
        return None


@contextmanager
def _service(
    manifest: Manifest, service: TargetService, paths: Sequence[Path], folder: StateFolder
) -> Iterator[tuple[Provider, Keys]]:
    redactor = Redactor()
    if service.emulator:
        with running_emulator(paths, folder.emulator) as url:
            yield connected(manifest.service, url, service, redactor), EmulatorKeys()
        return
    client = connected(manifest.service, manifest.service.url or "", service, redactor)
    keys = ManifestKeys(client, redactor, host=service.name)
    keys.learn_all(manifest.models.values())
    try:
        yield client, keys
    finally:
        client.close()
