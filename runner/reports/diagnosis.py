"""What `retrain doctor` found, and its forms: text, JSON, JUnit. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal
from xml.etree import ElementTree as ET

from msgspec import Struct

from runner.reports.json_text import render_json
from runner.reports.text import columns_of, inline

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
    """Yield a line for each model with what is well with it."""
    for model in found.models:
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
