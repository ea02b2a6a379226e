"""Problems for forges, editors and scripts: every problem is there, and text from a manifest stays text."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import BaseModel
from sarif_pydantic import Sarif  # type: ignore[import-untyped]  # ships no types

from runner.manifest.document import Problem, Severity
from runner.manifest.model import Place
from runner.reports.problems import github_commands, gitlab_report, problems_json, sarif_log

HOSTILE = "`::error::x`, 50%\r\n::add-mask::y ##[add-mask]z [link](https://evil.example) \x1b[31m \u202e 日本語"
NOT_IN_THE_READER = ["Run.columnKind"]  # section 3.14.17 of the standard
COMMAND = re.compile(r"::(error|warning) ([^:]*)::(.*)")


def problem(number: int = 1, *, severity: Severity = "error", **changes: Any) -> Problem:
    values: dict[str, Any] = {
        "file": "models.yaml",
        "line": number,
        "column": 3,
        "code": "unknown-key",
        "message": f"There is no key `k{number}` here.",
        "hint": "Remove it.",
        "severity": severity,
        "related": (),
    }
    return Problem(**(values | changes))


def read_as_github(line: str) -> tuple[str, dict[str, str], str]:
    """Read a line the way the runner of GitHub Actions does."""
    found = COMMAND.fullmatch(line)
    assert found, line
    level, properties, data = found.groups()
    parts = dict(part.split("=", 1) for part in properties.split(","))
    return level, {name: _unescaped(value) for name, value in parts.items()}, _unescaped(data)


def _unescaped(text: str) -> str:
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, character)
    return text


def test_github_gets_an_annotation_at_the_place_of_each_problem() -> None:
    lines = github_commands([problem(4), problem(9, severity="warning", code="unused")])
    assert [read_as_github(line) for line in lines] == [
        (
            "error",
            {"file": "models.yaml", "line": "4", "col": "3", "title": "unknown-key"},
            "There is no key `k4` here. (Remove it.)",
        ),
        (
            "warning",
            {"file": "models.yaml", "line": "9", "col": "3", "title": "unused"},
            "There is no key `k9` here. (Remove it.)",
        ),
    ]


def test_github_reads_hostile_text_as_one_annotation_with_its_own_words() -> None:
    [line] = github_commands([problem(file="a,b::c%2C=d.yaml", message=HOSTILE)])
    level, properties, data = read_as_github(line)
    assert (level, properties["file"]) == ("error", "a,b::c%2C=d.yaml")
    assert data.startswith("`::error::x`, 50% ::add-mask::y ")
    assert "日本語" in data
    assert line.isprintable()


@pytest.mark.parametrize("count", [10, 11, 35])
def test_github_gets_at_most_ten_annotations_and_the_log_holds_the_rest(count: int) -> None:
    problems = [problem(1, severity="warning"), *(problem(number) for number in range(2, count + 1))]
    lines = github_commands(problems)
    commands = [line for line in lines if line.startswith("::")]
    assert len(commands) == 10
    assert read_as_github(commands[0])[0] == "error"  # errors come first, whatever their line
    told = "\n".join(lines)
    assert all(f"`k{number}`" in told for number in range(1, count + 1))
    if count > 10:
        _, properties, data = read_as_github(commands[-1])
        assert properties == {"title": "more-problems"}
        assert data.startswith(f"{count - 9} more problems")
        assert len(lines) - 10 == count - 9


def test_a_line_of_the_log_is_not_a_command_whatever_the_file_is_called() -> None:
    lines = github_commands([problem(number, file="::error::x", message=HOSTILE) for number in range(1, 15)])
    for line in lines[10:]:
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert line.isprintable()


def test_gitlab_gets_the_keys_it_asks_for_with_fingerprints_that_differ() -> None:
    report = json.loads(gitlab_report([problem(4), problem(5), problem(6, severity="warning", message=HOSTILE)]))
    assert {frozenset(one) for one in report} == {
        frozenset({"description", "check_name", "fingerprint", "severity", "location"})
    }
    assert [one["location"] for one in report] == [
        {"path": "models.yaml", "lines": {"begin": line}} for line in (4, 5, 6)
    ]
    assert [one["severity"] for one in report] == ["major", "major", "minor"]
    assert len({one["fingerprint"] for one in report}) == 3


def test_gitlab_and_sarif_have_a_form_for_no_problem() -> None:
    assert json.loads(gitlab_report([])) == []
    log = sarif([])
    assert log["runs"][0]["results"] == []
    assert log["runs"][0]["tool"]["driver"]["rules"] == []


def fingerprints(problems: list[Problem]) -> list[str]:
    return [one["fingerprint"] for one in json.loads(gitlab_report(problems))]


def test_a_fingerprint_stays_when_lines_are_added_above() -> None:
    twice = "The name `a` is defined twice, first in models.yaml at line {}."
    before = [problem(4, message="Same."), problem(7, message="Same."), problem(9, message=twice.format(2))]
    after = [problem(14, message="Same."), problem(17, message="Same."), problem(19, message=twice.format(12))]
    assert fingerprints(before) == fingerprints(after)
    assert len(set(fingerprints(before))) == 3
    log = sarif(before)
    assert [result["partialFingerprints"] for result in log["runs"][0]["results"]] == [
        {"retrainProblem/v1": fingerprint} for fingerprint in fingerprints(before)
    ]


def test_a_fingerprint_changes_with_file_code_and_message() -> None:
    same = problem()
    others = [problem(file="b.yaml"), problem(code="unused"), problem(message="Another.")]
    assert len({fingerprint for other in [same, *others] for fingerprint in fingerprints([other])}) == 4


def sarif(problems: list[Problem]) -> dict[str, Any]:
    """Read a SARIF log with a reader that is not ours; a key it does not know is an error."""
    content = sarif_log(problems, version="1.2.3")
    unknown = list(_unknown_keys(Sarif.model_validate_json(content)))
    assert unknown == NOT_IN_THE_READER
    log: dict[str, Any] = json.loads(content)
    return log


def _unknown_keys(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{type(value).__name__}.{key}" for key in value.model_extra or {})
        value = [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _unknown_keys(item)


def test_a_sarif_result_has_rule_level_place_and_related_places() -> None:
    other = Place(file="b.yaml", line=2, column=5)
    log = sarif([problem(4, related=(other,)), problem(5, code="unused", severity="warning")])
    run = log["runs"][0]
    first, second = run["results"]
    assert (log["version"], run["tool"]["driver"]["version"]) == ("2.1.0", "1.2.3")
    assert [one["level"] for one in (first, second)] == ["error", "warning"]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "models.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 4, "startColumn": 3}
    related = first["relatedLocations"][0]["physicalLocation"]
    assert (related["artifactLocation"]["uri"], related["region"]["startLine"]) == ("b.yaml", 2)
    assert "relatedLocations" not in second


def test_every_sarif_result_points_at_a_rule_with_help() -> None:
    run = sarif([problem(1), problem(2, code="unused"), problem(3), problem(4, code="of-tomorrow")])["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]
    assert all(rule["help"]["text"].endswith(".") for rule in rules)
    assert len(rules) == 3


@pytest.mark.parametrize("file", ["a b/模型#1?.yaml", "100%.yaml", "a:b.yaml", "::x.yaml"])
def test_a_sarif_uri_is_percent_encoded_and_relative(file: str) -> None:
    place = sarif([problem(file=file)])["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    uri = place["artifactLocation"]["uri"]
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri)
    assert unquote(uri) == file


def test_a_sarif_uri_outside_the_folder_is_a_file_url() -> None:
    place = sarif([problem(file="/else where/m.yaml")])["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "file:///else%20where/m.yaml"}


def test_a_sarif_message_makes_no_link_of_a_manifests_text() -> None:
    message = sarif([problem(message=HOSTILE)])["runs"][0]["results"][0]["message"]["text"]
    assert r"\[link](https://evil.example)" in message
    assert message.isprintable()


def test_json_keeps_every_part_of_a_problem_and_says_its_version() -> None:
    other = Place(file="b.yaml", line=2, column=5)
    content = problems_json([problem(4, message=HOSTILE, related=(other,))], valid=False)
    assert json.loads(content) == {
        "validation_version": 1,
        "valid": False,
        "problems": [
            {
                "file": "models.yaml",
                "line": 4,
                "column": 3,
                "code": "unknown-key",
                "message": HOSTILE,
                "hint": "Remove it.",
                "severity": "error",
                "related": [{"file": "b.yaml", "line": 2, "column": 5}],
            }
        ],
    }
    assert all(line.isprintable() for line in content.decode().splitlines())
