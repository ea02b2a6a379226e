"""Says which promises a world broke, by the service's own log and by every byte the runner wrote."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner.journal.outcomes import OUTCOMES
from tests.fakes.two_port_service import INFERENCE_CANARY, SIGNATURE_CANARY
from tests.stress.fault_points import shown
from tests.stress.fault_service import EVERY
from tests.stress.fault_world import KEY_CANARY, Ended, FaultWorld

LONGEST_S = (
    150.0  # of one model in one run: a read gives up after 120 s of attempts, and its last call may take its time
)
_SETTLED = frozenset({"switched", "unchanged"})
_CODES = frozenset({0, 1, 5, 8})  # of a run in which nothing but the service misbehaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken promise and the one line that shows it again."""

    point: str
    what: str

    def __str__(self) -> str:
        return f"{self.point}: {self.what}"


def judge_run(world: FaultWorld, ended: Ended) -> Iterator[Violation]:
    """Judge what holds after every run, faulty or not."""
    if ended.exit_code not in _CODES:
        yield Violation(point="all", what=f"the exit code is {ended.exit_code}")
    for name, point in zip(world.names, world.plans, strict=True):
        yield from (Violation(point=shown(point), what=what) for what in _judge_model(world, name, ended))


def _judge_model(world: FaultWorld, name: str, ended: Ended) -> Iterator[str]:
    accepted, switched = len(world.service.accepted(name)), len(world.service.switches(name))
    entry = ended.models[name]
    if accepted > 1:
        yield f"{accepted} uploads were accepted for one content"
    if switched > 1:
        yield f"{switched} switches were applied for one decision"
    if entry["outcome"] not in OUTCOMES:
        yield f"the outcome is {entry['outcome']}"
    if (entry["outcome"] in _SETTLED) and (accepted, switched) != (1, 1):
        yield f"told as {entry['outcome']}, with {accepted} uploads and {switched} switches"
    if ended.took[name] > LONGEST_S:
        yield f"it took {ended.took[name]:.0f} s"
    yield from (f"not a plain sentence: {text!r}" for text in _texts(entry) if not _is_plain(text))
    if not entry["reason"].endswith("."):
        yield f"the reason does not end: {entry['reason']!r}"
    seen = ended.calls_seen[name]
    hidden = {call: number for call, number in seen.items() if number > entry["calls"].get(call, 0)}
    if hidden:
        yield f"the service saw {hidden}, the report tells {entry['calls']}"


def judge_faulty(world: FaultWorld, ended: Ended) -> Iterator[Violation]:
    """Judge the run with the faults: what went wrong shows, and a model without faults is not held up."""
    for name, point in zip(world.names, world.plans, strict=True):
        entry = ended.models[name]
        if not point and entry["outcome"] != "switched":
            yield Violation(point="no fault", what=f"stopped by the others: {entry['reason']}")
        if point and entry["outcome"] == "switched" and not entry["warnings"] and not _may_be_silent(world, name):
            yield Violation(point=shown(point), what="the report tells nothing of it")


def judge_end(world: FaultWorld, ended: Ended) -> Iterator[Violation]:
    """Judge the last run, after the faults have gone: everything is done, once, or a person is asked."""
    for name, point in zip(world.names, world.plans, strict=True):
        entry = ended.models[name]
        if entry["outcome"] not in _SETTLED and not (entry["outcome"] == "unknown" and _asks_a_person(world, name)):
            yield Violation(point=shown(point), what=f"it ends as {entry['outcome']}: {entry['reason']}")
    if world.service.redirected:
        yield Violation(
            point="redirects", what=f"{len(world.service.redirected)} requests came to another host with a key"
        )
    yield from (Violation(point="the service", what=repr(error)) for error in world.service.errors)
    yield from (Violation(point="verify", what=what) for what in world.findings())
    yield from (Violation(point=f"secrets in {place}", what=form) for place, form in leaks(written(world)))


def written(world: FaultWorld) -> dict[str, bytes]:
    """Return every byte the runner wrote: its state folder and what it told listeners and loggers."""
    files = {str(path.relative_to(world.folder)): path.read_bytes() for path in _files(world.state)}
    return {**files, "its names": "\n".join(files).encode(), "its lines": world.written.getvalue().encode()}


def leaks(places: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return every place with a form of a canary."""
    forms = {form for canary in (KEY_CANARY, SIGNATURE_CANARY, INFERENCE_CANARY) for form in _forms(canary)}
    return sorted((place, form.decode()) for place, content in places.items() for form in forms if form in content)


def _forms(secret: str) -> Iterator[bytes]:
    """Give the secret as it is, quoted, and in base64 at each of its three offsets."""
    for text in {secret, quote(secret), quote(secret, safe=""), secret.replace("/", "\\/")}:
        yield text.encode()
        for offset in range(3):
            whole = base64.b64encode(b"\0" * offset + text.encode())
            yield whole[4 if offset else 0 : len(whole) - 4]  # the ends depend on the bytes beside the secret


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _asks_a_person(world: FaultWorld, name: str) -> bool:
    """Return whether only a person knows: two switches of one decision were lost, or the list before one was not read.

    A third is not sent before a person has looked; and a list proves a switch only against the one before it.
    """
    met = world.service.plans[name].met
    unread = any(fault.operation == "classifiers" and fault.index in (1, EVERY) for fault in met)
    if unread and any(fault.operation == "switch" for fault in met):
        return True
    return sum(fault.operation == "switch" and not fault.done for fault in met) > 1


def _may_be_silent(world: FaultWorld, name: str) -> bool:
    """Return whether no fault need show: none was met, or the call succeeded, or it was a look before an effect.

    The list before a switch is only missed where the switch's answer is lost, which shows.
    """
    return all(
        fault.kind.harmless
        or (fault.operation in ("put", "switch") and fault.kind.claims in ("page", "success"))
        or (fault.operation in ("status", "classifiers") and fault.index in (1, EVERY))
        for fault in world.service.plans[name].met
    )


def _texts(entry: dict[str, Any]) -> Iterator[str]:
    yield entry["reason"]
    yield from entry["warnings"]
    if entry["error"] is not None:
        yield from (entry["error"]["message"], entry["error"]["hint"])


def _is_plain(text: str) -> bool:
    """Return whether a text is one printable line, well joined, and shows no insides of the program."""
    insides = ("Traceback", "Error(", "object at 0x", "urllib3", "requests.", "<class", ".;", ".:", ".. ")
    return (
        not text.endswith("..")
        and text.isprintable()
        and text == text.strip() != ""
        and not any(part in text for part in insides)
    )
