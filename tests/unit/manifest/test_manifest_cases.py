"""Each file in tests/cases/accept is a manifest without a problem; each in tests/cases/reject names its problems."""

import re
from pathlib import Path

import pytest

from runner.manifest.load import read

CASES = Path(__file__).parents[2] / "cases"
ACCEPTED = sorted((CASES / "accept").glob("*.yaml"))
REJECTED = sorted((CASES / "reject").glob("*.yaml"))
EXPECTATION = re.compile(r"^# expect: (\d+):(\d+): (\S+)$", re.MULTILINE)


def test_there_are_cases_to_test() -> None:
    assert len(ACCEPTED) >= 12
    assert len(REJECTED) >= 40


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_accepted_case_has_no_problem(path: Path) -> None:
    reading = read([path])
    assert [problem.line_text() for problem in reading.problems] == []
    assert reading.manifest is not None


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_a_rejected_case_has_exactly_the_problems_it_names(path: Path) -> None:
    expected = [(int(line), int(column), code) for line, column, code in EXPECTATION.findall(path.read_text("utf-8"))]
    found = [(problem.line, problem.column, problem.code) for problem in read([path]).problems]
    assert expected, "a case without an expectation tests nothing"
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_every_problem_is_two_plain_sentences_on_one_line(path: Path) -> None:
    for problem in read([path]).problems:
        assert problem.line_text().isprintable()
        assert problem.message[0].isupper() or problem.message[0] == "`"
        assert problem.message.endswith((".", "!"))
        assert problem.hint.endswith((".", "?"))


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_no_problem_shows_a_value_that_may_be_a_secret(path: Path) -> None:
    shown = "".join(problem.line_text() for problem in read([path]).problems)
    assert "abc123SECRET" not in shown


def test_the_canary_stands_in_several_cases() -> None:
    assert sum("abc123SECRET" in path.read_text("utf-8") for path in REJECTED) >= 6
