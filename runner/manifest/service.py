"""The service and who is notified: from a document with positions to the typed model."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from msgspec.structs import replace

from runner.errors import UsageError
from runner.http.addresses import is_loopback
from runner.http.proxies import Proxies, read_proxy
from runner.lib.text import choice, did_you_mean, shown
from runner.manifest.document import Findings, YamlList, YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.merge import Combined
from runner.manifest.model import Manifest, Model, Notification, Ping, Place, Service
from runner.manifest.sources import read_stored_key
from runner.providers.base import ServiceOptions
from runner.providers.facts import ProviderFacts, Statuses
from runner.providers.fields import Fields
from runner.providers.registry import DEFAULT_PROVIDER, facts_of

_OWN_HEADERS = frozenset(
    {"authorization", "cookie", "content-length", "host", "transfer-encoding", "user-agent", "x-api-key"}
)


def read_service(section: YamlMap, findings: Findings) -> Service:
    """Return the service; without a url and the emulator it is the provider's own."""
    facts = facts_of(section.get("provider", DEFAULT_PROVIDER))
    emulator = section.get("emulator", False)
    if emulator and not facts.emulated:
        findings.error(
            section.key_place("emulator"),
            "no-emulator",
            f"There is no emulator of the provider {facts.name}.",
            hint="Remove `emulator`, and give the address of a service under `url`.",
        )
    if emulator and "url" in section:
        findings.error(
            section.key_place("emulator"),
            "service-twice",
            "The service is either a `url` or the emulator, not both.",
            hint="Remove one of the two.",
            related=(section.key_place("url"),),
        )
    url = _read_url(section, facts, findings) if "url" in section else facts.default_url
    standard = standard_service(facts)
    quarantine = read_duration(section, "quarantine", findings, zero=True)
    return Service(
        url=None if emulator else url,
        emulator=emulator,
        quarantine=standard.quarantine if quarantine is None else quarantine,
        url_lifetime=read_duration(section, "url_lifetime", findings) or standard.url_lifetime,
        statuses=_read_statuses(section.get("statuses", YamlMap()), facts.statuses),
        provider=facts.name,
        options=_read_options(section, standard.options, findings),
    )


def standard_service(facts: ProviderFacts) -> Service:
    """Return the service of a manifest that says nothing but its provider."""
    return Service(
        url=facts.default_url,
        emulator=False,
        statuses=facts.statuses,
        url_lifetime=facts.url_lifetime,
        provider=facts.name,
    )


def _read_statuses(section: YamlMap, standard: Statuses) -> Statuses:
    return Statuses(
        finished=tuple(status.lower() for status in section.get("finished", standard.finished)),
        failed=tuple(status.lower() for status in section.get("failed", standard.failed)),
        waiting=tuple(status.lower() for status in section.get("waiting", standard.waiting)),
        busy=tuple(status.lower() for status in section.get("busy", standard.busy)),
    )


def _read_options(section: YamlMap, standard: ServiceOptions, findings: Findings) -> ServiceOptions:
    bundle = section.get("ca_bundle")
    return ServiceOptions(
        fields=_read_fields(section.get("fields", YamlMap()), standard.fields),
        switch_proof=section.get("switch_proof", standard.switch_proof),
        upload_headers=_read_headers(section.get("upload", YamlMap()), findings),
        proxies=_read_proxies(section, findings) if "proxy" in section else standard.proxies,
        ca_bundle=None if bundle is None else Path(section.value_place("ca_bundle").file).parent / bundle,
    )


def _read_fields(section: YamlMap, standard: Fields) -> Fields:
    """Return the names of the parts of an answer: those of the manifest count before the documented ones."""
    named = {part: (names,) if isinstance(names, str) else tuple(names) for part, names in section.items()}
    return replace(standard, **{part: (*names, *getattr(standard, part)) for part, names in named.items()})


def _read_headers(section: YamlMap, findings: Findings) -> dict[str, str]:
    headers = section.get("headers", YamlMap())
    for name in headers:
        if name.lower() in _OWN_HEADERS:
            findings.error(
                headers.key_place(name),
                "own-header",
                f"The header {shown(name)} cannot be set by a manifest.",
                hint="Remove it: what it says is either a secret or set by the upload itself.",
            )
    return {name.lower(): value for name, value in headers.items()}


def _read_proxies(section: YamlMap, findings: Findings) -> Proxies:
    text, problem = section["proxy"], None
    if text in ("env", "none"):
        return Proxies(choice=text)
    try:
        proxy = read_proxy(text, "`service.proxy`")
    except UsageError as error:
        problem = error.message, error.hint
    else:
        if proxy.credentials is None:
            return Proxies(choice=proxy)
        problem = (
            "A user and a password do not belong in a manifest.",
            "Put the address with them into HTTPS_PROXY, and write `proxy: env`.",
        )
    findings.error(section.value_place("proxy"), "bad-proxy", problem[0], hint=problem[1])
    return Proxies(choice="none")


def _read_url(section: YamlMap, facts: ProviderFacts, findings: Findings) -> str | None:
    parts = _split(section["url"])
    place = section.value_place("url")
    if parts is None:
        findings.error(
            place,
            "bad-url",
            "`url` is not an http or https address without user, query and fragment.",
            hint=f"For example: `{facts.default_url}`.",
        )
        return None
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        findings.error(
            place,
            "plain-http",
            "API keys would go to this service unencrypted.",
            hint="Use https; plain http is allowed for this machine only.",
        )
        return None
    path = parts.path.rstrip("/").removesuffix(facts.base_path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _split(text: str) -> SplitResult | None:
    """Return the parts of a usable address, or None."""
    if not text.isprintable() or any(letter in text for letter in " \\?#@"):
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


TAG = "tag:"


def selectors_of(models: Iterable[Model]) -> set[str]:
    """Return every selector that means one of the models."""
    return {selector for model in models for selector in (model.name, *(TAG + tag for tag in model.tags))}


def matches(model: Model, selector: str) -> bool:
    """Return whether a selector, `NAME` or `tag:T`, means this model."""
    if selector.startswith(TAG):
        return selector.removeprefix(TAG) in model.tags
    return model.name == selector


_MOST_TOLD = 10  # of one entry


def read_notify(combined: Combined) -> tuple[Notification | Ping, ...]:
    """Return the entries in their order; wrong ones are left out, and reported."""
    entries = combined.root.get("notify")
    if not isinstance(entries, YamlList) or not combined.is_sound("notify"):
        return ()
    found = [_read_entry(entry, entries.item_place(index), combined) for index, entry in enumerate(entries)]
    return tuple(entry for entry in found if entry is not None)


def _read_entry(entry: YamlMap, place: Place, combined: Combined) -> Notification | Ping | None:
    source = read_stored_key(entry["ping" if "ping" in entry else "to"], combined)
    if source is None:
        return None
    if "ping" in entry:
        return Ping(url=source, place=place)
    owner = entry.get("owner", [])
    return Notification(
        on=tuple(entry["on"]),
        to=source,
        owners=(owner,) if isinstance(owner, str) else tuple(owner),
        select=tuple(entry.get("select", [])),
        place=place,
    )


def check_recipients(combined: Combined, notify: Iterable[Notification | Ping], models: Iterable[Model]) -> None:
    """Warn of owners and selectors that no model has: nobody would ever be told of them."""
    known = list(models)
    owners, meant = {model.owner for model in known}, selectors_of(known)
    for entry in notify:
        if isinstance(entry, Notification):
            for what in islice(_without_model(entry, owners, meant), _MOST_TOLD):
                combined.findings.warning(
                    entry.place,
                    "matches-nothing",
                    f"{what} is not that of any model.",
                    hint="Correct it, or remove it.",
                )


def _without_model(entry: Notification, owners: Collection[str | None], selectors: Collection[str]) -> Iterator[str]:
    """Yield the owners and selectors that are none of these."""
    yield from (f"The owner {shown(owner)}" for owner in entry.owners if owner not in owners)
    yield from (f"The selector {shown(selector)}" for selector in entry.select if selector not in selectors)


_MOST_NAMED = 5  # models of a manifest, in a hint


def select(manifest: Manifest, selectors: Sequence[str]) -> list[Model]:
    """Return the models named by `NAME` or `tag:T` selectors, in the manifest's order; all without selectors.

    Raises:
        UsageError: a selector names nothing. A run that selected no model is never a silent success.
    """
    if not selectors:
        return list(manifest.models.values())
    for selector in selectors:
        if not any(matches(model, selector) for model in manifest.models.values()):
            raise _nothing(manifest, selector)
    return [model for model in manifest.models.values() if any(matches(model, text) for text in selectors)]


def find_model(manifest: Manifest, name: str) -> Model:
    """Return one model by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in manifest.models:
        hint = did_you_mean(name, manifest.models, otherwise=_known(manifest))
        raise UsageError(f"The manifest has no model {shown(name)}.", hint=hint)
    return manifest.models[name]


def _nothing(manifest: Manifest, selector: str) -> UsageError:
    tags = sorted({f"{TAG}{tag}" for model in manifest.models.values() for tag in model.tags})
    hint = did_you_mean(selector, [*manifest.models, *tags], otherwise=_known(manifest))
    return UsageError(f"No model matches {shown(selector)}.", hint=f"{hint} Select by name or by `tag:NAME`.")


def _known(manifest: Manifest) -> str:
    return f"Models are {choice(list(manifest.models)[:_MOST_NAMED], 'and')}."
