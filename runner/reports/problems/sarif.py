"""Problems of manifests as SARIF 2.1.0, for code scanners and editors, with the rules they belong to."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from runner.manifest.model import Place
from runner.manifest.problems import Problem
from runner.reports.json_text import render_json
from runner.reports.problems.for_ci import with_fingerprints
from runner.reports.text import inline

RULES: Mapping[str, str] = MappingProxyType(
    {
        "alias-expansion": "Aliases must not expand a file beyond the limit.",
        "bad-merge": "A merge key must be a mapping or a list of mappings.",
        "bad-proxy": "A proxy must be an address without user and password, or `env` or `none`.",
        "own-header": "Headers for the store must not contain secrets or headers that the upload sets.",
        "bad-name": "Names contain letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`.",
        "bad-url": "The address of the service must be a plain https URL.",
        "built-in-metric": "The direction and target of a built-in metric cannot be changed.",
        "contradicting-approvals": "Approvals of one candidate must not contradict each other.",
        "control-character": "A manifest must not contain control characters.",
        "duplicate-key": "A key must not be repeated in a mapping.",
        "duplicate-name": "A name must be defined only once in all files.",
        "empty-file": "A manifest file must not be empty.",
        "empty-value": "A key must have a value.",
        "glob-without-pick": "A pattern must say which of its files to use.",
        "invalid-state": "The state must have an address that a state can have.",
        "key-of-another-host": "An API key must only be used with the hosts it is bound to.",
        "leads-out": "A manifest must be in its checkout, even if it is a link.",
        "literal-key": "API keys must not be written in a manifest.",
        "matches-nothing": "Notifications must match at least one model.",
        "merge-conflict": "A manifest must not contain merge conflict markers.",
        "metric-of-other-task": "The metric of a rule must fit the task of the model.",
        "misplaced-key": "A key must be used where it has an effect.",
        "missing-key": "Required keys must be present.",
        "moved-in-a-circle": "Names that are exchanged must all be in the manifest.",
        "moved-still-there": "A model that moved must not be in the manifest under its old name.",
        "moved-twice": "A model can only be moved once, from one name to another.",
        "never-decides": "A threshold policy must have at least one rule that decides.",
        "never-fails": "It must be possible for a rule to fail.",
        "never-passes": "It must be possible for a rule to pass.",
        "no-emulator": "The emulator must support the provider.",
        "no-evaluation-data": "Evaluation data is only allowed if the provider accepts it.",
        "no-limit": "A rule must have a limit.",
        "no-manifest": "A folder of manifests must contain manifest files.",
        "no-models": "A manifest must define at least one model.",
        "non-string-key": "Keys must be strings.",
        "not-utf8": "A manifest must be UTF-8 text.",
        "number-range": "Numbers must be within the range that can be computed exactly.",
        "odd-character": "Spaces, colons and quotes in YAML must be ASCII characters.",
        "out-of-range": "A value must be within its limits.",
        "plain-http": "API keys must be sent over https, except to this machine.",
        "repeated-item": "A list must not repeat an item.",
        "service-twice": "A service must be either a URL or the emulator.",
        "several-documents": "A manifest file must contain one YAML document.",
        "shared-key": "Each model must have its own API key.",
        "similar-name": "Names must look different, not only in letter case.",
        "tab": "YAML must be indented with spaces.",
        "tag": "YAML tags are not allowed.",
        "too-deep": "Values are nested too deeply.",
        "too-large": "A manifest file must not be larger than 4 MiB.",
        "too-many-errors": "Only the first 1,000 errors are reported.",
        "too-many-nodes": "A manifest file must not contain too many values.",
        "too-many-warnings": "Only the first 1,000 warnings are reported.",
        "unknown-alias": "An alias must come after its anchor.",
        "unknown-dataset": "The dataset of a model must be defined.",
        "unknown-key": "Only keys of the format are allowed.",
        "unknown-model": "The model of an approval must be in the manifest.",
        "unknown-metric": "The metric of a rule must be built in or defined.",
        "unknown-policy": "The policy of a model must be defined.",
        "unreadable": "Every named file must be readable.",
        "unused": "Everything that is defined must be used.",
        "wrong-count": "Wrong number of items.",
        "wrong-form": "A string must have the form that its key requires.",
        "wrong-type": "A value must have the type that its key requires.",
        "wrong-value": "A value must be one of those that its key allows.",
        "wrong-side": "A bound must exclude the worse values.",
        "yaml-syntax": "A manifest must be valid YAML.",
    }
)


def rule_text(code: str) -> str:
    """Return what a problem with this code is about."""
    return RULES.get(code, "The manifest follows its format.")


_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "%SRCROOT%"  # the name that viewers know for the root of the checkout
_FINGERPRINT = "retrainProblem/v1"
_LINK = re.compile(r"\[(?=[^\]]*\]\()")


def sarif_log(problems: Sequence[Problem], *, version: str) -> bytes:
    """Return the problems as a SARIF log with one run; without problems its results are empty."""
    codes = sorted({problem.code for problem in problems})
    run = {
        "tool": {"driver": {"name": "retrain", "version": version, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"description": {"text": "The folder in which the command ran."}}},
        "results": [
            _result(problem, fingerprint, codes.index(problem.code))
            for problem, fingerprint in with_fingerprints(problems)
        ],
    }
    return render_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    text = {"text": rule_text(code)}
    return {"id": code, "shortDescription": text, "fullDescription": text, "help": text}


def _result(problem: Problem, fingerprint: str, rule: int) -> dict[str, Any]:
    result = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": _message(f"{problem.message} {problem.hint}")},
        "locations": [_location(problem.place)],
        "partialFingerprints": {_FINGERPRINT: fingerprint},
    }
    if problem.related:
        result["relatedLocations"] = [_location(place) for place in problem.related]
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
