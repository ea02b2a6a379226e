"""Every code a problem can have is a rule with a sentence."""

import ast
import re
from pathlib import Path

from runner.reports.problems import RULES, rule_text

ROOT = Path(__file__).parents[3]
EXPECTATION = re.compile(r"^# expect: \d+:\d+: (\S+)$", re.MULTILINE)
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+")
OTHER_WORDS = {"utf-8", "utf-8-sig", "content-length", "transfer-encoding", "user-agent", "x-api-key"}


def codes_of_the_cases() -> set[str]:
    cases = (ROOT / "tests" / "cases" / "reject").glob("*.yaml")
    return {code for case in cases for code in EXPECTATION.findall(case.read_text("utf-8"))}


def codes_in_the_source() -> set[str]:
    found = set()
    for path in (ROOT / "runner" / "manifest").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.add(node.value)
    return found - OTHER_WORDS


def test_every_code_has_a_sentence() -> None:
    codes = codes_of_the_cases() | codes_in_the_source()
    assert len(codes) > 40
    assert codes - set(RULES) == set()


def test_every_rule_is_a_code_that_exists() -> None:
    words = "".join(path.read_text("utf-8") for path in (ROOT / "runner" / "manifest").glob("*.py"))
    built = {"unknown-dataset", "unknown-policy"}  # made of the key's name
    assert [code for code in RULES if f'"{code}"' not in words and code not in built] == []


def test_a_code_without_a_rule_still_has_a_sentence() -> None:
    assert rule_text("of-tomorrow").endswith(".")
