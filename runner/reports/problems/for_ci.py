"""Problems of manifests for GitHub Actions, for GitLab Code Quality, and as JSON for scripts."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from runner.manifest.model import Place
from runner.manifest.problems import Problem
from runner.reports.json_text import render_json
from runner.reports.text import inline

_LINE = re.compile(r"(?<=\bline )\d+")


def with_fingerprints(problems: Sequence[Problem]) -> Iterator[tuple[Problem, str]]:
    """Yield each problem with a lower-case hex SHA-256 of its file, code and message, and its number among equals."""
    equals: Counter[tuple[str, str, str]] = Counter()
    for problem in problems:
        identity = (problem.file, problem.code, _LINE.sub("", problem.message))
        equals[identity] += 1
        parts = (*identity, str(equals[identity]))
        yield problem, hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()


MOST_ANNOTATIONS = 10
_OLD_COMMAND, _HARMLESS = "##[", r"\x23#["  # the runner takes the first for a command wherever it is in a line


def github_commands(problems: Sequence[Problem]) -> list[str]:
    """Return the lines to print: annotations, errors first, then what is beyond them as plain lines."""
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    if len(ordered) <= MOST_ANNOTATIONS:
        return [_annotation(problem) for problem in ordered]
    shown, rest = ordered[: MOST_ANNOTATIONS - 1], ordered[MOST_ANNOTATIONS - 1 :]
    level = rest[0].severity
    more = f"{len(rest)} more problems are in the log of this step; its text output shows them all."
    return [*map(_annotation, shown), f"::{level} title=more-problems::{_data(more)}", *map(_log_line, rest)]


def _annotation(problem: Problem) -> str:
    properties = {"file": problem.file, "line": str(problem.line), "col": str(problem.column), "title": problem.code}
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{problem.severity} {told}::{_data(f'{problem.message} ({problem.hint})')}"


def _log_line(problem: Problem) -> str:
    """Return a line that is not a command, whatever the file is called: those begin with `::`."""
    return f"problem: {inline(problem.line_text())}".replace(_OLD_COMMAND, _HARMLESS)


def _data(text: str) -> str:
    return inline(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_SEVERITIES = {"error": "major", "warning": "minor"}


def gitlab_report(problems: Sequence[Problem]) -> bytes:
    """Return a JSON array with an object a problem; GitLab wants it also when it is empty."""
    return render_json(
        [
            {
                "description": inline(f"{problem.message} {problem.hint}"),
                "check_name": problem.code,
                "fingerprint": fingerprint,
                "severity": _SEVERITIES[problem.severity],
                "location": {"path": problem.file, "lines": {"begin": problem.line}},
            }
            for problem, fingerprint in with_fingerprints(problems)
        ]
    )


VALIDATION_VERSION = 1


def problems_json(problems: Sequence[Problem], *, valid: bool) -> bytes:
    """Return the problems as one JSON object, each with its place, code, message, hint and severity."""
    found = [
        {
            **_place(problem.place),
            "code": problem.code,
            "message": problem.message,
            "hint": problem.hint,
            "severity": problem.severity,
            "related": [_place(place) for place in problem.related],
        }
        for problem in problems
    ]
    return render_json({"validation_version": VALIDATION_VERSION, "valid": valid, "problems": found})


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}
