"""Problems of manifests for GitHub Actions, GitLab Code Quality, SARIF, and as JSON for scripts."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import quote

from runner import __version__
from runner.manifest.document import Problem
from runner.manifest.model import Place
from runner.reports.text import inline, render_json

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


def _place(place: Place) -> dict[str, object]:
    return {"file": place.file, "line": place.line, "column": place.column}


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


def _rule(code: str) -> dict[str, object]:
    text = {"text": rule_text(code)}
    return {"id": code, "shortDescription": text, "fullDescription": text, "help": text}


def _result(problem: Problem, fingerprint: str, rule: int) -> dict[str, object]:
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


def _location(place: Place) -> dict[str, object]:
    region = {"startLine": place.line, "startColumn": place.column}
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), "region": region}}


def _artifact(file: str) -> dict[str, str]:
    path = PurePosixPath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(str(path), errors="backslashreplace"), "uriBaseId": _BASE}


def problems_in(form: str, problems: Sequence[Problem], *, valid: bool, summary: str) -> bytes:
    """Return the whole output of `validate` in the form `json`, `github`, `gitlab` or `sarif`."""
    match form:
        case "json":
            return problems_json(problems, valid=valid)
        case "github":
            return "".join(f"{line}\n" for line in (*github_commands(problems), summary)).encode()
        case "gitlab":
            return gitlab_report(problems)
        case _:
            return sarif_log(problems, version=__version__)
