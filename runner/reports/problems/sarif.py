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
        "alias-expansion": "Aliases may not make a file grow without bound.",
        "bad-merge": "A merge key takes a mapping, or a list of mappings.",
        "bad-proxy": "A proxy is an address without a user and a password, or `env` or `none`.",
        "own-header": "Headers for the store hold no secret and none that the upload sets itself.",
        "bad-name": "Names have letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`.",
        "bad-url": "The service's address is a plain https URL.",
        "built-in-metric": "A built-in metric has a direction and a target of its own.",
        "contradicting-approvals": "Approvals of one candidate do not contradict each other.",
        "control-character": "A manifest holds no control characters.",
        "duplicate-key": "A key appears once in its mapping.",
        "duplicate-name": "A name is defined once over all files.",
        "empty-file": "A manifest file is not empty.",
        "empty-value": "A key has a value.",
        "glob-without-pick": "A glob says which of its files it means.",
        "key-of-another-host": "A key goes to the hosts it is bound to only.",
        "leads-out": "A manifest is in its checkout, also when it is a link.",
        "literal-key": "API keys never be in a manifest.",
        "matches-nothing": "Notifications are about models that exist.",
        "merge-conflict": "No marker of a merge conflict is left in a manifest.",
        "metric-of-other-task": "A rule's metric is one that the model's task has.",
        "misplaced-key": "A key is only where it has a meaning.",
        "missing-key": "Required keys are there.",
        "moved-in-a-circle": "Names that move in a circle are all in the manifest.",
        "moved-still-there": "A model that moved is not in the manifest under its old name.",
        "moved-twice": "A model moves once, from one name to another.",
        "never-decides": "A threshold policy has a rule that decides.",
        "never-fails": "A rule can fail.",
        "never-passes": "A rule can pass.",
        "no-emulator": "The emulator plays a provider that it knows.",
        "no-evaluation-data": "Evaluation data goes to a provider that takes it.",
        "no-limit": "A rule has a limit.",
        "no-manifest": "A folder that is named holds manifest files.",
        "no-models": "A manifest names at least one model.",
        "non-string-key": "Keys are texts.",
        "not-utf8": "A manifest is UTF-8 text.",
        "number-range": "Numbers stay within what can be computed exactly.",
        "odd-character": "Spaces, colons and quotes of YAML are those of ASCII.",
        "out-of-range": "A value is within its limits.",
        "plain-http": "Keys travel over https only, but for this machine.",
        "repeated-item": "A list names each item once.",
        "service-twice": "A service is either a URL or the emulator.",
        "several-documents": "A manifest file holds one YAML document.",
        "shared-key": "Each model has a key of its own.",
        "similar-name": "Names look different, and in more than letter case.",
        "tab": "YAML is indented with spaces.",
        "tag": "YAML tags are not used.",
        "too-deep": "Values are not nested without bound.",
        "too-large": "A manifest file has at most 4 MiB.",
        "too-many-errors": "Looking for problems ends after 1,000 errors.",
        "too-many-nodes": "A manifest file has a bounded number of values.",
        "too-many-warnings": "Warnings beyond the first 1,000 are left out.",
        "unknown-alias": "An alias has an anchor before it.",
        "unknown-dataset": "The dataset of a model is defined.",
        "unknown-key": "Keys are those of the format.",
        "unknown-model": "The model of an approval is in the manifest.",
        "unknown-metric": "A rule's metric is built in or defined.",
        "unknown-policy": "The policy of a model is defined.",
        "unreadable": "Every file that is named can be read.",
        "unused": "What is defined is used.",
        "wrong-count": "A list has a number of items that makes sense.",
        "wrong-form": "A text has the form its key asks for.",
        "wrong-type": "A value has the type its key asks for.",
        "wrong-value": "A value is one of those its key knows.",
        "wrong-side": "A bound keeps the worse values out.",
        "yaml-syntax": "A manifest is valid YAML.",
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
