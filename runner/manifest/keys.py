"""Where API keys and other secrets come from; they themselves never stand in a manifest."""

import shlex
from pathlib import Path

from runner.manifest.document import YamlMap
from runner.manifest.merge import Combined
from runner.manifest.model import CommandKey, EnvKey, FetchedKey, FileKey, KeyringKey, KeySource, StoredKey


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
    argv = _split(key["command"])
    if not argv or not argv[0]:
        combined.findings.error(
            key.value_place("command"),
            "wrong-form",
            "`command` is not a command line.",
            hint="Close its quotes, or write it as a list: `[pass, show, name]`.",
        )
        return None
    return CommandKey(argv=argv, folder=combined.folder(key, "command"))


def _split(command: str | list[str]) -> tuple[str, ...]:
    """Return the words of a command as a shell would cut them; nothing when quotes are not closed."""
    if not isinstance(command, str):
        return tuple(command)
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return ()
