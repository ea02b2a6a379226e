"""Problems of manifests as SARIF 2.1.0, for code scanners and editors.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from runner.manifest.model import Place
from runner.manifest.problems import Problem
from runner.reports.json_text import render_json
from runner.reports.problems.fingerprint import with_fingerprints
from runner.reports.problems.rules import rule_text
from runner.reports.text import inline

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "%SRCROOT%"  # the name that viewers know for the root of the checkout
_FINGERPRINT = "retrainProblem/v1"
_LINK = re.compile(r"\[(?=[^\]]*\]\()")


def sarif_log(problems: Sequence[Problem], *, version: str) -> bytes:
    """Return the problems as a SARIF log with one run; without problems its results are empty."""
    codes = sorted({one.code for one in problems})
    run = {
        "tool": {"driver": {"name": "retrain", "version": version, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"description": {"text": "The folder in which the command ran."}}},
        "results": [
            _result(one, fingerprint, codes.index(one.code)) for one, fingerprint in with_fingerprints(problems)
        ],
    }
    return render_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    text = {"text": rule_text(code)}
    return {"id": code, "shortDescription": text, "fullDescription": text, "help": text}


def _result(one: Problem, fingerprint: str, rule: int) -> dict[str, Any]:
    result = {
        "ruleId": one.code,
        "ruleIndex": rule,
        "level": one.severity,
        "message": {"text": _message(f"{one.message} {one.hint}")},
        "locations": [_location(one.place)],
        "partialFingerprints": {_FINGERPRINT: fingerprint},
    }
    if one.related:
        result["relatedLocations"] = [_location(place) for place in one.related]
    return result


def _message(text: str) -> str:
    """Return a plain text message in which brackets from a manifest make no link."""
    return _LINK.sub(r"\\[", inline(text))


def _location(place: Place) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column}
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), "region": region}}


def _artifact(file: str) -> dict[str, str]:
    path = PurePosixPath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(str(path), errors="backslashreplace"), "uriBaseId": _BASE}
