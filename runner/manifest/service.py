"""The section `service`: which service the models live on."""

from urllib.parse import SplitResult, urlsplit

from runner.manifest.document import YamlMap
from runner.manifest.durations import read_duration
from runner.manifest.hosts import VENDOR_HOSTS, is_loopback
from runner.manifest.model import Service, Statuses
from runner.manifest.problems import Findings

DEFAULT_URL = f"https://{VENDOR_HOSTS[0]}"
_BASE_PATH = "/v1/external"


def read_service(section: YamlMap, findings: Findings) -> Service:
    """Return the service; without a url and the emulator it is the vendor's own."""
    emulator = section.get("emulator", False)
    if emulator and "url" in section:
        findings.error(
            section.key_place("emulator"),
            "service-twice",
            "The service is either a `url` or the emulator, not both.",
            hint="Remove one of the two.",
            related=(section.key_place("url"),),
        )
    url = _read_url(section, findings) if "url" in section else DEFAULT_URL
    standard = Service(url=None if emulator else url, emulator=emulator)
    quarantine = read_duration(section, "quarantine", findings, zero=True)
    return Service(
        url=standard.url,
        emulator=emulator,
        quarantine=standard.quarantine if quarantine is None else quarantine,
        url_lifetime=read_duration(section, "url_lifetime", findings) or standard.url_lifetime,
        statuses=_read_statuses(section.get("statuses", YamlMap())),
    )


def _read_statuses(section: YamlMap) -> Statuses:
    standard = Statuses()
    return Statuses(
        finished=tuple(word.lower() for word in section.get("finished", standard.finished)),
        failed=tuple(word.lower() for word in section.get("failed", standard.failed)),
        waiting=tuple(word.lower() for word in section.get("waiting", standard.waiting)),
    )


def _read_url(section: YamlMap, findings: Findings) -> str | None:
    parts = _split(section["url"])
    place = section.value_place("url")
    if parts is None:
        findings.error(
            place,
            "bad-url",
            "`url` is not an http or https address without user, query and fragment.",
            hint=f"For example: `{DEFAULT_URL}`.",
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
    path = parts.path.rstrip("/").removesuffix(_BASE_PATH).rstrip("/")
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
