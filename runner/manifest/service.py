"""The section `service`: which service the models live on."""

from urllib.parse import SplitResult, urlsplit

from runner.http.hosts import is_loopback
from runner.manifest.document import YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.model import Service
from runner.manifest.problems import Findings
from runner.providers.facts import ProviderFacts, Statuses
from runner.providers.registry import DEFAULT_PROVIDER, facts_of


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
        finished=tuple(word.lower() for word in section.get("finished", standard.finished)),
        failed=tuple(word.lower() for word in section.get("failed", standard.failed)),
        waiting=tuple(word.lower() for word in section.get("waiting", standard.waiting)),
    )


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
