"""Where a manifest says that data and API keys come from."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from runner.http.addresses import UnfitError, host_of, is_loopback, read_address
from runner.http.objects.address import SCHEMES as OBJECTS
from runner.http.objects.address import AddressError, read_object_address
from runner.lib.text import choice, shown
from runner.manifest.document import Findings, YamlMap
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
    Source,
    StoredKey,
)
from runner.providers.facts import DataFormats


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
    first: dict[tuple[object, ...], Model] = {}
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


def _identity(key: KeySource) -> tuple[object, ...]:
    """Return what two sources of one key have in common."""
    match key:
        case EnvKey():
            return ("env", key.name)
        case FileKey():
            return ("file", _written(key.path))
        case CommandKey():
            return ("command", _written(key.folder), *key.argv)
        case KeyringKey():
            return ("keyring", key.service, key.username)
        case FetchedKey():
            return ("secret_key", key.model_id, *_identity(key.secret_key))


def _written(path: Path) -> str:
    return os.path.normpath(path)


ADDRESSES = {*OBJECTS, "https", "http"}  # of addresses that `runner.datasets.resolve` finds data at
_GLOB = re.compile(r"[*?\[]")
# Names in the query of an address that carry a signature, a key or a token; letter case and punctuation do not count.
_SECRETS = frozenset(
    {
        *("signature", "xamzsignature", "xamzcredential", "xamzsecuritytoken", "xgoogsignature", "xgoogcredential"),
        *("sig", "token", "accesstoken", "apikey", "key", "password", "secret", "auth", "awsaccesskeyid"),
    }
)


def read_source(dataset: YamlMap, key: str, combined: Combined, formats: DataFormats) -> Source:
    """Return where a data file comes from; its path starts at the folder of the file it is written in."""
    value = dataset[key]
    if isinstance(value, str):
        place = dataset.value_place(key)
        source = Source(pattern=value, folder=combined.folder(dataset, key), pick=None, place=place)
    else:
        source = _of_mapping(value, dataset, key, combined)
    for code, message, hint in _flaws(source, key):
        combined.findings.error(source.place, code, message, hint=hint)
    return replace(source, formats=formats)


def _of_mapping(value: YamlMap, dataset: YamlMap, key: str, combined: Combined) -> Source:
    kinds = [kind for kind in ("glob", "url", "command") if kind in value]
    if len(kinds) != 1:
        combined.findings.error(
            dataset.key_place(key),
            "wrong-count" if kinds else "missing-key",
            f"`{key}` must have exactly one of {choice(('glob', 'url', 'command'), 'and')}.",
            hint="For example: `{glob: data/*.csv, pick: latest}`.",
        )
        return Source(pattern="", folder=combined.folder(dataset, key), pick=None, place=dataset.key_place(key))
    kind = kinds[0]
    _refuse_misplaced(value, kind, combined.findings)
    source = Source(pattern="", folder=combined.folder(value, kind), pick=None, place=value.value_place(kind))
    if kind == "command":
        return _of_command(source, value, combined.findings)
    if kind == "glob":
        return replace(source, pattern=value["glob"], pick=value.get("pick", "latest"))
    version = value.get("version")
    source = replace(source, version=version if isinstance(version, str) else None)
    if isinstance(value["url"], str):
        return replace(source, pattern=value["url"])
    return replace(source, variable=value["url"]["env"])


def _refuse_misplaced(value: YamlMap, kind: str, findings: Findings) -> None:
    fitting = {"glob": ("pick",), "url": ("version",), "command": ("version",)}[kind]
    for other in value:
        if other != kind and other not in fitting:
            message = f"`{other}` does not go with `{kind}`."
            findings.error(value.key_place(other), "misplaced-key", message, hint="Remove it.")
    wanted = dict if kind == "command" else str
    if "version" in value and "version" in fitting and not isinstance(value["version"], wanted):
        form = "a command: `version: {command: [...]}`" if kind == "command" else "text"
        findings.error(
            value.value_place("version"), "wrong-type", f"The `version` of a `{kind}` is {form}.", hint="Write it so."
        )


def _of_command(source: Source, value: YamlMap, findings: Findings) -> Source:
    version = value.get("version")
    found: list[tuple[str, ...] | None] = []
    for owner in (value, version if isinstance(version, YamlMap) else None):
        argv = split_command(owner["command"]) if owner is not None else None
        if owner is not None and not (argv and argv[0]):
            findings.error(
                owner.value_place("command"),
                "wrong-form",
                "`command` is not a command line.",
                hint="Close its quotes, or write it as a list: `[bq, query, --format=csv, ...]`.",
            )
        found.append(argv)
    return replace(source, command=found[0] or ("",), version_command=found[1])


def _flaws(source: Source, key: str) -> Iterator[tuple[str, str, str]]:
    """Yield code, message and hint of what is wrong with a source; no query of an address is in them."""
    if source.variable is not None or source.command is not None:
        return
    scheme = source.scheme
    if scheme and scheme not in ADDRESSES:
        yield (
            "wrong-value",
            f"No data can be read from `{scheme}://`.",
            f"Use {choice([f'{name}://' for name in (*OBJECTS, 'https')])}, `command`, or the path of a local file.",
        )
    elif scheme in OBJECTS:
        yield from _object_flaws(source, key)
    elif scheme in ("https", "http"):
        yield from _web_flaws(source, key)
    elif not scheme and source.pick is None and _GLOB.search(source.pattern):
        yield from _pattern_flaw(key)
    if not scheme and source.version is not None:
        yield "misplaced-key", "A local file has no versions.", "Pin its content with `sha256` under the dataset."


def _pattern_flaw(key: str) -> Iterator[tuple[str, str, str]]:
    yield (
        "glob-without-pick",
        f"`{key}` is a pattern, but it does not say which of the files to take.",
        "Write `{glob: ..., pick: latest}` or `{glob: ..., pick: all}`.",
    )


def _object_flaws(source: Source, key: str) -> Iterator[tuple[str, str, str]]:
    try:
        address = read_object_address(source.pattern)
    except AddressError as error:
        yield "wrong-form", f"The address of `{key}` {error}.", error.hint
        return
    if not address.key or address.key.endswith("/"):
        yield "wrong-form", f"The address of `{key}` names no object.", "Add the key of a file."
    elif source.pick is None and _GLOB.search(address.key):
        yield from _pattern_flaw(key)


def _web_flaws(source: Source, key: str) -> Iterator[tuple[str, str, str]]:
    try:
        address = read_address(source.pattern)
    except UnfitError as error:
        yield "wrong-form", f"The address of `{key}` {error}.", "Write `https://HOST/PATH`."
        return
    if address.scheme == "http" and not is_loopback(address.host):
        yield "wrong-value", f"The address of `{key}` is not encrypted.", "Write `https://`."
    if source.pick is not None:
        yield "wrong-value", "A web server cannot be asked for a pattern.", "Name one file: `{url: https://...}`."
    if any(_letters_of(name) in _SECRETS for name in _query_names(source.pattern)):
        yield (
            "literal-key",
            f"The address of `{key}` is signed or holds a key: its query is a secret.",
            "Put the address into an environment variable and write `{url: {env: NAME}}`; replace what was shared.",
        )


def _query_names(url: str) -> Sequence[str]:
    return [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]


def _letters_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
