"""What `retrain doctor` found, and its forms: text, JSON, JUnit. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal
from xml.etree import ElementTree as ET

from msgspec import Struct

from runner.lib.cassette import Exchange
from runner.manifest.model import Manifest
from runner.reports.model import ModelReport
from runner.reports.table import FLEET
from runner.reports.text import columns_of, counted, duration, in_words, inline, render_json

DIAGNOSIS_VERSION = 1
Verdict = Literal["ok", "note", "warning", "problem"]
CheckName = Literal["manifest", "service", "clock", "key", "data", "rules", "plan", "switch", "state", "notify"]
_MOST_NAMED = 5  # models in one line
_LABELS: dict[Verdict, str] = {"ok": "ok", "note": "note", "warning": "warning", "problem": "PROBLEM"}


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    `seen` is what was found, `next` what to do about it, both as sentences; `next` is None where there is nothing to
    do. Without a `model` it is about all of them.
    """

    name: CheckName
    verdict: Verdict
    seen: str
    next: str | None = None
    model: str | None = None


class Diagnosis(Struct, frozen=True, kw_only=True):
    """Everything that was looked at; `models` are the names of those selected. It is `ready` without a problem."""

    diagnosis_version: int
    ready: bool
    service: str | None
    models: tuple[str, ...]
    checks: tuple[Check, ...]


def diagnosis(service: str | None, models: Sequence[str], checks: Sequence[Check]) -> Diagnosis:
    """Return the diagnosis that these checks come to."""
    return Diagnosis(
        diagnosis_version=DIAGNOSIS_VERSION,
        ready=all(check.verdict != "problem" for check in checks),
        service=service,
        models=tuple(models),
        checks=tuple(checks),
    )


def diagnosis_json(found: Diagnosis) -> str:
    """Return the diagnosis as JSON."""
    return render_json(found).decode().rstrip("\n")


def diagnosis_text(found: Diagnosis) -> str:
    """Return one line for what is well with a model, and two for anything that needs a person."""
    lines = [_line(check.name, check) for check in found.checks if check.model is None]
    lines += [*_healthy(found), *_told(found)]
    width = max((columns_of(line[0]) for line in lines), default=0)
    return "\n".join([*(_shown(line, width) for line in lines), "", _summary(found)])


_Line = tuple[str, Verdict, str, str | None]


def _line(subject: str, check: Check, seen: str | None = None) -> _Line:
    advice = None if check.next is None else inline(check.next)
    return inline(subject), check.verdict, inline(seen or check.seen), advice


def _healthy(found: Diagnosis) -> Iterator[_Line]:
    """Yield a line for each model with what is well with it; the models of a fleet without any finding are counted."""
    models = found.models
    if len(models) >= FLEET:
        told = {check.model for check in found.checks if check.verdict != "ok"}
        sound = [model for model in models if model not in told]
        models = tuple(model for model in models if model in told)
        if sound:
            each = "`--select MODEL` shows what was checked of each."
            yield counted(len(sound), "model"), "ok", f"Nothing is wrong with {_named(sound)}; {each}", None
    for model in models:
        seen = [check.seen for check in found.checks if check.model == model and check.verdict == "ok"]
        if seen:
            yield inline(model), "ok", inline(" ".join(seen)), None


def _told(found: Diagnosis) -> Iterator[_Line]:
    """Yield a line for everything else; what is the same for several models is told once."""
    same: dict[Check, list[str]] = {}
    for check in found.checks:
        if check.model is not None and check.verdict != "ok":
            about_all = Check(name=check.name, verdict=check.verdict, seen=check.seen, next=check.next)
            same.setdefault(about_all, []).append(check.model)
    order: tuple[Verdict, ...] = ("note", "warning", "problem")
    for check, models in sorted(same.items(), key=lambda item: order.index(item[0].verdict)):
        yield _line(_named(models), check, f"{check.name}: {check.seen}")


def _named(models: Sequence[str]) -> str:
    more = len(models) - _MOST_NAMED
    return ", ".join(models[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _shown(line: _Line, width: int) -> str:
    subject, verdict, seen, advice = line
    pad = " " * (width - columns_of(subject))
    first = f"{subject}{pad}  {_LABELS[verdict]:7}  {seen}"
    return first if advice is None else f"{first}\n{' ' * (width + 11)}do: {advice}"


def _summary(found: Diagnosis) -> str:
    counts = Counter(check.verdict for check in found.checks)
    told = ", ".join(f"{counts[kind]} {kind}{'' if counts[kind] == 1 else 's'}" for kind in ("problem", "warning"))
    return f"{'ready' if found.ready else 'not ready'}: {told}"


def diagnosis_junit(found: Diagnosis) -> bytes:
    """Return the diagnosis as UTF-8 XML: a case for each check, and a failure for each problem."""
    problems = sum(check.verdict == "problem" for check in found.checks)
    counts = {"tests": str(len(found.checks)), "failures": str(problems), "errors": "0"}
    suites = ET.Element("testsuites", {"name": "retrain doctor", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": "retrain doctor", **counts})
    for check in found.checks:
        case = ET.SubElement(suite, "testcase", {"classname": inline(check.model or "retrain"), "name": check.name})
        text = inline(f"{check.seen} {check.next}" if check.next else check.seen)
        if check.verdict == "problem":
            ET.SubElement(case, "failure", {"type": check.name, "message": text})
        else:
            ET.SubElement(case, "system-out").text = f"{check.verdict}: {text}"
    ET.indent(suites)
    return b"".join([ET.tostring(suites, encoding="utf-8", xml_declaration=True), b"\n"])


Kind = Literal["documented", "learnt", "differs"]
_UNDONE = ("training", "failed", "unknown")
_UNTRIED = (
    "a second PUT to one upload URL, which might train a second time",
    "an upload whose answer is lost",
    "a training that fails",
)


class Lessons(Struct, frozen=True, kw_only=True):
    """What was as the manual says, what it says nothing of, what differs, lines to paste, and what was not tried."""

    documented: tuple[str, ...]
    learnt: tuple[str, ...]
    differs: tuple[str, ...]
    paste: tuple[str, ...]
    untried: tuple[str, ...]


class Lesson(Struct, frozen=True, kw_only=True):
    """One sentence, and under which head it stands."""

    kind: Kind
    text: str


def lessons(
    exchanges: Sequence[Exchange], model: ModelReport, manifest: Manifest, *, switch: bool, paste: Sequence[str]
) -> Lessons:
    """Return what the exchanges of a run with the service, and what happened to the model, show.

    `switch` tells that a switch was asked for; `paste` are lines for the manifest that read the result, where a search
    found its metrics.
    """
    found = [
        *_of_questions(exchanges),
        *_of_upload(exchanges),
        *_of_status(exchanges, manifest),
        *_of_result(model),
        *_of_switch(exchanges),
        *_of_times(model),
    ]

    def told(kind: str) -> tuple[str, ...]:
        return tuple(lesson.text for lesson in found if lesson.kind == kind)

    why = "its policy did not decide to switch" if switch else "add --switch to try it"
    unswitched = () if any(exchange.call == "switch" for exchange in exchanges) else (f"a switch: {why}",)
    return Lessons(
        documented=told("documented"),
        learnt=told("learnt"),
        differs=told("differs"),
        paste=tuple(paste),
        untried=(*unswitched, *_UNTRIED),
    )


def lessons_text(found: Lessons, files: Sequence[str]) -> str:
    """Return the lessons under their heads, and where `files` of them are kept."""
    heads = (
        ("as documented", found.documented),
        ("learnt", found.learnt),
        ("DIFFERS", found.differs),
        ("not tried", found.untried),
        ("kept", files),
    )
    parts = ["\n".join([f"{head}:", *(f"  {inline(text)}" for text in texts)]) for head, texts in heads if texts]
    if found.paste:
        parts.insert(-2, "\n".join(["paste into the manifest:", *found.paste]))
    return "\n".join(parts)


def _of_questions(exchanges: Sequence[Exchange]) -> Iterator[Lesson]:
    for exchange in [exchange for exchange in exchanges if exchange.call == "unknown_job"][-1:]:
        fits = "not found retrain job" in (exchange.text or "").lower()
        text = f"the status of a job that does not exist is {_said(exchange)}"
        yield Lesson(kind="documented" if fits else "differs", text=text)
    for exchange in [exchange for exchange in exchanges if exchange.call == "models"][-1:]:
        readable = "can" if 200 <= exchange.status < 300 else "cannot"
        yield Lesson(kind="learnt", text=f"this key {readable} read the list of models")


def _of_upload(exchanges: Sequence[Exchange]) -> Iterator[Lesson]:
    for exchange in [exchange for exchange in exchanges if exchange.call == "upload_url"][-1:]:
        yield _by_keys(exchange, ("retrain_job_id", "upload_url"), "the question for an upload URL")
    puts = [exchange for exchange in exchanges if exchange.call == "put"]
    moved = sum(300 <= exchange.status < 400 for exchange in puts)
    if moved:
        yield Lesson(kind="differs", text=f"the store sends an upload on to another address, {moved} times")
    for exchange in puts[-1:]:
        fits = 200 <= exchange.status < 300
        text = f"the store answers an upload with {exchange.status or 'nothing'}"
        yield Lesson(kind="documented" if fits else "differs", text=text)


def _of_status(exchanges: Sequence[Exchange], manifest: Manifest) -> Iterator[Lesson]:
    uploaded = max((exchange.at for exchange in exchanges if exchange.call == "put"), default=None)
    asked = [exchange for exchange in exchanges if exchange.call == "status"]
    before = [exchange for exchange in asked if uploaded is None or exchange.at <= uploaded]
    after = [exchange for exchange in asked if uploaded is not None and exchange.at > uploaded]
    for exchange in before[-1:]:
        yield Lesson(kind="learnt", text=f"before its upload a job is {_said(exchange)}")
    course = list(dict.fromkeys(_said(exchange) for exchange in after))
    if course:
        yield Lesson(kind="learnt", text=f"after its upload a job is {', then '.join(course)}")
    last = _value(after[-1]) if after else None
    if last == "job_finished":
        yield Lesson(kind="documented", text="a finished job is `job_finished`")
    elif last is not None and last.lower() in manifest.service.statuses.finished:
        yield Lesson(kind="differs", text=f"a finished job is `{last}`, which `service.statuses.finished` names")
    if after and last is not None:
        yield _by_keys(after[-1], ("status", "metadata"), "the question for a status")


def _of_result(model: ModelReport) -> Iterator[Lesson]:
    if model.unread is not None:
        yield Lesson(kind="differs", text=f"the metrics of the result could not be read: {model.unread}")
    elif model.result is not None:
        usable = [name for name, value in model.metrics.items() if value is not None]
        missing = [name for name, value in model.metrics.items() if value is None]
        if usable:
            yield Lesson(kind="learnt", text=f"the result has {', '.join(usable)}")
        if missing:
            yield Lesson(kind="differs", text=f"the result has no usable {', '.join(missing)}")
    for warning in model.warnings:
        yield Lesson(kind="learnt", text=warning)


def _of_switch(exchanges: Sequence[Exchange]) -> Iterator[Lesson]:
    for exchange in [exchange for exchange in exchanges if exchange.call == "switch"][-1:]:
        if 200 <= exchange.status < 300:
            yield _by_keys(exchange, ("metadata",), "a switch")
        else:
            yield Lesson(kind="differs", text=f"a switch is answered by {_said(exchange)}")
    for exchange in [exchange for exchange in exchanges if exchange.call == "classifiers"][-1:]:
        readable = "can" if 200 <= exchange.status < 300 else "cannot"
        yield Lesson(kind="learnt", text=f"this key {readable} read the list of classifiers")


def _of_times(model: ModelReport) -> Iterator[Lesson]:
    timings = model.timings
    if timings.wait_s:
        yield Lesson(kind="learnt", text=f"the training took {duration(timings.wait_s)}; `wait.timeout` bounds it")
    kind: Kind = "differs" if model.outcome in _UNDONE else "learnt"
    yield Lesson(kind=kind, text=f"the model is {in_words(model.outcome)}: {model.reason}")


def _by_keys(exchange: Exchange, keys: Sequence[str], what: str) -> Lesson:
    """Return whether an answer has the documented keys."""
    document = _document(exchange)
    has = isinstance(document, dict) and set(keys) <= document.keys() and 200 <= exchange.status < 300
    if has:
        return Lesson(kind="documented", text=f"{what} is answered with {', '.join(f'`{key}`' for key in keys)}")
    shape = "in another form" if exchange.text else "without a body"
    if isinstance(document, dict):
        shape = f"with the keys {', '.join(f'`{key}`' for key in document)}" if document else "with an empty object"
    return Lesson(kind="differs", text=f"{what} is answered {exchange.status} {shape}")


def _said(exchange: Exchange) -> str:
    """Return what a status answer says: its value, or the message of a refusal."""
    value = _value(exchange)
    if value is not None:
        return f"`{value}`"
    message = _part(_document(exchange), "message")
    return f"answered {exchange.status}{f' ({message})' if isinstance(message, str) else ''}"


def last_status(exchanges: Sequence[Exchange]) -> str | None:
    """Return the last status value that the service told, None where it told none."""
    values = (_value(exchange) for exchange in reversed(exchanges) if exchange.call == "status")
    return next((value for value in values if value is not None), None)


def _value(exchange: Exchange) -> str | None:
    value = _part(_document(exchange), "status") if 200 <= exchange.status < 300 else None
    return str(value) if isinstance(value, str | int) else None


def _part(document: object, key: str) -> object:
    """Return a part of a document, of its own or one level below."""
    if not isinstance(document, dict):
        return None
    inner = (part[key] for part in document.values() if isinstance(part, dict) and key in part)
    return document[key] if key in document else next(inner, None)


def _document(exchange: Exchange) -> object:
    try:
        return json.loads(exchange.text or "")
    except (ValueError, RecursionError):
        return None
