"""Problems of manifests as JSON, for scripts; docs/how-to/formats.md has the keys."""

from collections.abc import Sequence
from typing import Any

from runner.manifest.model import Place
from runner.manifest.problems import Problem
from runner.reports.json_text import render_json

VALIDATION_VERSION = 1


def problems_json(problems: Sequence[Problem], *, valid: bool) -> bytes:
    """Return the problems as one JSON object, each with its place, code, message, hint and severity."""
    found = [
        {
            **_place(one.place),
            "code": one.code,
            "message": one.message,
            "hint": one.hint,
            "severity": one.severity,
            "related": [_place(place) for place in one.related],
        }
        for one in problems
    ]
    return render_json({"validation_version": VALIDATION_VERSION, "valid": valid, "problems": found})


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}
