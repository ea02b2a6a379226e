"""Where API keys come from, and what is wrong with such a place before a key is read."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from runner.http.addresses import host_of
from runner.lib.text import shown
from runner.manifest.document import YamlMap
from runner.manifest.merge import Combined
from runner.manifest.model import (
    CommandKey,
    EnvKey,
    FetchedKey,
    FileKey,
    KeyringKey,
    KeySource,
    Model,
    Place,
    StoredKey,
)


def read_key(key: YamlMap, combined: Combined) -> KeySource | None:
    """Return the source of a key; None when it is wrong, which is then reported."""
    if "secret_key" not in key:
        return read_stored_key(key, combined)
    secret_key = read_stored_key(key["secret_key"], combined)
    return FetchedKey(secret_key=secret_key, model_id=key["model_id"]) if secret_key else None


def read_key_hosts(key: YamlMap) -> tuple[str, ...] | None:
    """Return the only hosts that the key may be sent to, in lower case; None without such a list."""
    return tuple(host.lower() for host in key["hosts"]) if "hosts" in key else None


def read_stored_key(key: YamlMap, combined: Combined) -> StoredKey | None:
    """Return where a secret is kept; None when it is wrong, which is then reported."""
    if "env" in key:
        return EnvKey(name=key["env"])
    if "file" in key:
        return FileKey(path=combined.folder(key, "file") / Path(key["file"]))
    if "keyring" in key:
        return KeyringKey(service=key["keyring"]["service"], username=key["keyring"]["username"])
    argv = split_command(key["command"])
    if not argv or not argv[0]:
        combined.findings.error(
            key.value_place("command"),
            "wrong-form",
            "`command` is not a command line.",
            hint="Close its quotes, or write it as a list: `[pass, show, name]`.",
        )
        return None
    return CommandKey(argv=argv, folder=combined.folder(key, "command"))


def split_command(command: str | list[str]) -> tuple[str, ...]:
    """Return the words of a command as a shell would cut them; nothing when quotes are not closed."""
    if not isinstance(command, str):
        return tuple(command)
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return ()


_MOST_TOLD = 5  # hosts in a sentence


def check_keys(combined: Combined, models: Iterable[Model], url: str | None) -> None:
    """Report models that have one key, and keys that may not be sent to the service; `url` is None for the emulator."""
    known = list(models)
    _refuse_shared(combined, known)
    if url is not None:
        for model in known:
            _refuse_other_host(combined, model, host_of(url))


def _refuse_shared(combined: Combined, models: Iterable[Model]) -> None:
    first: dict[tuple[Any, ...], Model] = {}
    for model in models:
        owner = first.setdefault(_identity(model.api_key), model)
        if owner is not model:
            places = _place(combined, model), _place(combined, owner)
            combined.findings.error(
                places[0] if places[0] != places[1] else model.place,  # an anchor gives both one place
                "shared-key",
                f"{shown(model.name)} has the same API key as {shown(owner.name)}, but a key belongs to one model of "
                "the service.",
                hint="Name the key of this model; both would retrain and switch one model.",
                related=(places[1],),
            )


def _refuse_other_host(combined: Combined, model: Model, host: str) -> None:
    if model.key_hosts is not None and host not in model.key_hosts:
        combined.findings.error(
            _place(combined, model),
            "key-of-another-host",
            f"The key of {shown(model.name)} is for {_listed(model.key_hosts)}, and the service is {shown(host)}.",
            hint="Correct `service.url`, or `hosts` of the key.",
        )


def _listed(hosts: Sequence[str]) -> str:
    more = len(hosts) - _MOST_TOLD
    return ", ".join(map(shown, hosts[:_MOST_TOLD])) + (f" and {more} more" if more > 0 else "")


def _place(combined: Combined, model: Model) -> Place:
    """Return where the model names its key; the model itself where it takes the key from the defaults."""
    own = combined.section("models").get(model.name)
    return own.key_place("api_key") if isinstance(own, YamlMap) and "api_key" in own else model.place


def _identity(key: KeySource) -> tuple[Any, ...]:
    """Return what two sources of one key have in common."""
    match key:
        case EnvKey():
            return ("env", key.name)
        case FileKey():
            return ("file", _plain(key.path))
        case CommandKey():
            return ("command", _plain(key.folder), *key.argv)
        case KeyringKey():
            return ("keyring", key.service, key.username)
        case FetchedKey():
            return ("secret_key", key.model_id, *_identity(key.secret_key))


def _plain(path: Path) -> str:
    return os.path.normpath(path)
