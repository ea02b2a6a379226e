"""Whether the service answers, by what clock, and what it says of each model's key."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from runner.app.doctor.key_questions import KeyAnswer, own_entry
from runner.app.service import TargetService, untrusted
from runner.credentials import ENDS_SOON, read_end
from runner.errors import ModelError
from runner.execute.upload_evidence import clock_difference
from runner.http.addresses import read_address
from runner.http.proxies import ca_bundle
from runner.journal.model_progress import ModelProgress
from runner.lib.text import nearest
from runner.lib.timestamps import NOTICED
from runner.manifest.durations import duration_text
from runner.manifest.model import FetchedKey, Manifest, Model, Policy, Service
from runner.plan.incumbent import ONE_WAY, is_unrecorded
from runner.providers.base import Code, ListedModel, ServiceError, Status
from runner.reports.diagnosis import Check

_BRAND = frozenset({Code.INVALID_KEY, Code.NOT_FOUND_KEY, Code.INACTIVE_KEY})


def untrusted_check(service: TargetService) -> Check:
    """Return the check of a service to which no key may be sent, so that nothing is asked."""
    error = untrusted(service.name)
    near = nearest(service.name, service.documented_hosts)
    guess = f" Or correct `service.url`: did you mean https://{near}?" if near else ""
    return Check(name="service", verdict="problem", seen=error.message, next=f"{error.hint}{guess}")


def service_checks(manifest: Manifest, service: TargetService, answers: Sequence[KeyAnswer]) -> Iterator[Check]:
    """Yield whether the service answered at all, and how its clock compares with this machine's."""
    url = manifest.service.url or ""
    unreachable = next((found.answer for found in answers if found.unreachable), None)
    if isinstance(unreachable, ServiceError):
        near = nearest(service.name, service.documented_hosts) if service.name not in service.documented_hosts else None
        guess = f" Did you mean https://{near}?" if near else ""
        yield Check(
            name="service",
            verdict="problem",
            seen=f"{url}{_certificates(manifest.service, url)}: {unreachable.message}",
            next=f"{unreachable.hint}{guess}",
        )
        return
    read = [found.reading for found in answers if found.reading is not None]
    if not read:
        yield Check(
            name="service",
            verdict="note",
            seen=f"{url} was not asked, because there is no key to ask with.",
        )
        return
    yield Check(
        name="service",
        verdict="ok",
        seen=f"{url} answers{_secured(url)}{_certificates(manifest.service, url)}{_proxy(manifest.service, url)}.",
    )
    most = max(manifest.service.quarantine, NOTICED)
    telling = [reading for reading in read if reading.date is not None]
    if not telling:
        yield Check(
            name="clock", verdict="note", seen="The service's answers contain no time, so this machine's clock is used."
        )
        return
    reading = min(telling, key=lambda told: abs(told.ahead))
    ahead, difference = abs(reading.ahead), clock_difference(reading)
    if ahead < NOTICED:
        yield Check(name="clock", verdict="ok", seen="This machine's clock agrees with the service's.")
        return
    yield Check(
        name="clock",
        verdict="problem" if ahead > most else "warning",
        seen=f"{difference}; {duration_text(most)} are allowed before an upload.",
        next="Synchronize this machine's clock with a time server; with systemd, `timedatectl set-ntp true` does that.",
    )


def _secured(url: str) -> str:
    return " over TLS, and its certificate is trusted" if url.startswith("https:") else ""


def _proxy(service: Service, url: str) -> str:
    """Return through which proxy the service is asked; the error of one that cannot be reached names it itself."""
    proxy = service.options.proxies.proxy_for(read_address(f"{url}/"))
    return f", through the proxy {proxy.url}" if proxy is not None else ""


def _certificates(service: Service, url: str) -> str:
    """Return whose certificates are trusted where those are not the public ones."""
    bundle = ca_bundle(service.options.ca_bundle) if url.startswith("https:") else None
    return f", with the certificates of {bundle.path} ({bundle.source})" if bundle is not None else ""


def key_checks(found: KeyAnswer, service: TargetService, now: datetime) -> Iterator[Check]:
    """Yield what is found of one model's key."""
    name, answer = found.model.name, found.answer
    if answer is None:
        yield Check(
            name="key", verdict="note", model=name, seen="The service was not asked with it: it does not answer."
        )
        return
    if found.unreachable:
        return  # told once, of the service
    yield _about_key(found, answer, service)
    if found.is_known:
        yield from _about_owner(found)
        yield from _about_end(found, now)


def _about_key(found: KeyAnswer, answer: Status | ModelError, service: TargetService) -> Check:
    name = found.model.name
    if found.is_known:
        entry = own_entry(found)
        called = f" as that of its model {entry.model_id}{_title(entry)}" if entry is not None else ""
        return Check(name="key", verdict="ok", model=name, seen=f"The service knows its key{called}.")
    said = answer.message if isinstance(answer, ModelError) else f"The service calls a job {answer.value!r}."
    same = (
        " It says the same of a job that cannot exist to a key that cannot exist." if found.told_apart is False else ""
    )
    return Check(name="key", verdict="problem", model=name, seen=f"{said}{same}", next=_advice(found, answer, service))


def _title(entry: ListedModel) -> str:
    return f", {entry.name!r}" if entry.name else ""


def _advice(found: KeyAnswer, answer: Status | ModelError, service: TargetService) -> str:
    if found.is_account:
        return (
            "This is the account's secret key, not the key of a model. Write `api_key: {secret_key: ..., model_id: "
            "NUMBER}` in the manifest, and each run fetches the model's key with it."
        )
    if found.is_model:
        return "This is the key of a model, not the account's secret key. Name it by `api_key` itself, or replace it."
    if isinstance(answer, Status):
        return "Check `service.url`: a proxy or a gateway may answer in its place."
    other = [host for host in service.documented_hosts if host != service.name]
    if (
        isinstance(answer, ServiceError)
        and answer.code in _BRAND
        and service.name in service.documented_hosts
        and other
    ):
        return f"{answer.hint} If the model is on the other brand's service, set `service.url: https://{other[0]}`."
    return answer.hint


def _about_owner(found: KeyAnswer) -> Iterator[Check]:
    """Yield whose key it is, where recorded jobs tell."""
    name = found.model.name
    if found.other is not None:
        other, job = found.other
        yield Check(
            name="key",
            verdict="problem",
            model=name,
            seen=f"The key of {name} is that of {other}: the service knows job {job} under it.",
            next=f"Give {name} its own key; the next check asks again. If {other} is called {name} now, add "
            f"`- {{from: {other}, to: {name}}}` under `moved:` in the manifest.",
        )
    elif found.lost is not None:
        yield Check(
            name="key",
            verdict="warning",
            model=name,
            seen=f"The service does not know job {found.lost} of {name} under this key.",
            next=f"Check that it is the key of {name}; a service that has forgotten the job gives the same answer.",
        )


def _about_end(found: KeyAnswer, now: datetime) -> Iterator[Check]:
    """Yield when a fetched key ends, where the service said it."""
    if not isinstance(found.model.api_key, FetchedKey):
        return
    end = read_end(found.end_date or "")
    if end is None:
        given = f"{found.end_date!r} as the end of the fetched key, which is not a date" if found.end_date else ""
        seen = f"The service gives {given or 'no end of the fetched key'}."
        yield Check(name="key", verdict="note", model=found.model.name, seen=seen)
        return
    day = f"{end:%Y-%m-%d}"
    if end - now > ENDS_SOON:
        yield Check(name="key", verdict="ok", model=found.model.name, seen=f"The fetched key is good until {day}.")
        return
    left = "is over" if end <= now else "is near"
    yield Check(
        name="key",
        verdict="warning",
        model=found.model.name,
        seen=f"The end of the fetched key {left}: {day}, although it was fetched now.",
        next="Ask the service's support for a key that lasts; a training may end after this key has expired.",
    )


def switch_check(model: Model, policy: Policy, progress: ModelProgress) -> Check:
    """Return that the first switch of a model cannot be taken back, and what helps to judge its first candidate."""
    compared = any(rule.against is not None for rule in policy.rules) and is_unrecorded(progress)
    compares = "State what is in service now, so that the first candidate is compared with it: `retrain adopt --help`."
    return Check(name="switch", verdict="note", model=model.name, seen=ONE_WAY, next=compares if compared else None)
