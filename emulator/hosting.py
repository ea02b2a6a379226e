"""From a manifest to the models the emulator hosts: the only place where it unwraps a key of the user."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from emulator.keys import ACCOUNT_KEY, key_digest, own_key
from runner import credentials
from runner.errors import ModelError, UsageError
from runner.manifest.model import (
    CommandKey,
    EmulatorModel,
    EnvKey,
    FetchedKey,
    FileKey,
    KeyringKey,
    Manifest,
    Model,
    StoredKey,
    Task,
)


class HostedModel(Struct, frozen=True, kw_only=True):
    """One model of the emulated account.

    `key_digest` is the hex SHA-256 of its API key, `key_label` what a person may read about that key, and
    `declared_id` the id the manifest uses to fetch keys, if it does.
    """

    name: str
    task: Task
    target: str
    key_digest: str
    key_label: str
    declared_id: int | None = None


class Hosting(Struct, frozen=True, kw_only=True):
    """Everything the emulator takes from a manifest; `left_out` names the models without an `emulator:` entry."""

    models: Mapping[str, HostedModel]
    account_digests: frozenset[str]
    left_out: tuple[str, ...] = ()


def host_models(manifest: Manifest, *, own_keys: bool) -> Hosting:
    """Return the hosted models in the manifest's order.

    With `own_keys` each model has its own key of `keys.own_key`; otherwise the manifest's key where it resolves.

    Raises:
        UsageError: no model has an `emulator:` entry, or two models share a key or a model id.
    """
    models = manifest.models.values()
    hosted = [_host(model, model.emulator, own_keys=own_keys) for model in models if model.emulator is not None]
    if not hosted:
        raise UsageError(
            "No model of the manifest can be emulated.",
            hint="Give a model its task and target: `emulator: {task: binary_classification, target: COLUMN}`.",
        )
    _refuse_shared(((model.name, model.key_digest) for model in hosted), what="API key")
    declared = ((model.name, model.declared_id) for model in hosted if model.declared_id is not None)
    _refuse_shared(declared, what="model_id")
    return Hosting(
        models={model.name: model for model in hosted},
        account_digests=_account_digests(models, own_keys=own_keys),
        left_out=tuple(model.name for model in models if model.emulator is None),
    )


def _host(model: Model, settings: EmulatorModel, *, own_keys: bool) -> HostedModel:
    digest, label = key_digest(own_key(model.name)), f"x-api-key: {own_key(model.name)}"
    source = model.api_key
    if not own_keys and not isinstance(source, FetchedKey):
        resolved = _resolve(source, model.name)
        if resolved is not None:
            digest, label = resolved, f"key from {_describe(source)}"
    return HostedModel(
        name=model.name,
        task=settings.task,
        target=settings.target,
        key_digest=digest,
        key_label=label,
        declared_id=source.model_id if isinstance(source, FetchedKey) else None,
    )


def _account_digests(models: Iterable[Model], *, own_keys: bool) -> frozenset[str]:
    digests = {key_digest(ACCOUNT_KEY)}
    if not own_keys:
        fetching = [(model.name, model.api_key) for model in models if isinstance(model.api_key, FetchedKey)]
        digests |= {found for name, source in fetching if (found := _resolve(source.secret_key, name)) is not None}
    return frozenset(digests)


def _resolve(source: StoredKey, name: str) -> str | None:
    try:
        return key_digest(credentials.resolve(source, model=name).reveal())
    except ModelError:
        return None


def _describe(source: StoredKey) -> str:
    match source:
        case EnvKey(name=name):
            return f"env {name}"
        case FileKey(path=path):
            return f"file {path}"
        case CommandKey(argv=argv):
            return f"command {argv[0]}"
        case KeyringKey(service=service):
            return f"keyring {service}"


def _refuse_shared(pairs: Iterable[tuple[str, object]], *, what: str) -> None:
    owners: dict[object, str] = {}
    for name, value in pairs:
        if value in owners:
            raise UsageError(
                f"The models {owners[value]} and {name} have the same {what}.",
                hint="The service tells models apart by it: give each model its own.",
            )
        owners[value] = name
