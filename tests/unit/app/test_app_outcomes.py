"""The exit table: which code wins, and that the documents show what the code says."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.app.run.run_end import exit_code
from runner.errors import EXIT_TABLE, PRECEDENCE, ExitCode, LockedError, StateError, UsageError
from runner.journal.events import ModelFinished
from runner.journal.outcomes import Outcome
from runner.manifest.document import ManifestError

EXIT_CODES = Path(__file__).parents[3] / "docs" / "reference" / "exit-codes.md"


def finished(outcome: Outcome) -> ModelFinished:
    """Return the end of a model."""
    return ModelFinished(
        outcome=outcome, reason="Because.", retrain_job_id="j", error=None, timings={}, calls={}, warnings=()
    )


def ends(*outcomes: Outcome) -> list[ModelFinished]:
    """Return the ends of some models."""
    return [finished(outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        (["switched", "unchanged", "awaiting_approval", "skipped"], 0),
        (["switched", "held"], 4),
        (["held", "training"], 5),
        (["training", "failed", "held"], 1),
        (["failed", "unknown"], 8),
    ],
)
def test_the_highest_code_that_applies_wins(outcomes: Sequence[Outcome], code: int) -> None:
    assert exit_code(ends(*outcomes), internal_errors=False, stopped=None, allow_held=False) == code


def test_a_candidate_that_is_still_held_is_not_news() -> None:
    still = replace(finished("held"), still_held=True)
    assert exit_code([still], internal_errors=False, stopped=None, allow_held=False) == 0
    assert exit_code([still, finished("held")], internal_errors=False, stopped=None, allow_held=False) == 4
    assert exit_code([still, finished("failed")], internal_errors=False, stopped=None, allow_held=False) == 1


def test_allow_held_takes_only_held_away() -> None:
    assert exit_code(ends("held"), internal_errors=False, stopped=None, allow_held=True) == 0
    assert exit_code(ends("held", "failed"), internal_errors=False, stopped=None, allow_held=True) == 1


def test_a_bug_stands_above_everything() -> None:
    assert exit_code(ends("unknown"), internal_errors=True, stopped="SIGTERM", allow_held=False) == 70


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_has_its_own_code(name: str, code: int) -> None:
    assert exit_code(ends("training", "failed"), internal_errors=False, stopped=name, allow_held=False) == code


def test_errors_that_end_a_command_have_their_codes() -> None:
    classes = (UsageError, ManifestError, LockedError, StateError)
    assert [one.exit_code for one in classes] == [2, 3, 6, 7]


def test_the_order_is_the_documented_one() -> None:
    assert list(PRECEDENCE) == [70, 8, 7, 1, 5, 4, 0]


def test_the_page_of_exit_codes_shows_the_table_of_the_code() -> None:
    lines = EXIT_CODES.read_text(encoding="utf-8").splitlines()
    first = lines.index("| code | means |") + 2
    assert set(EXIT_TABLE) == set(ExitCode)
    assert lines[first : first + len(EXIT_TABLE) + 1] == [
        *(f"| {int(code)} | {row.meaning} |" for code, row in EXIT_TABLE.items()),
        "",
    ]


def test_the_page_of_exit_codes_shows_the_order_of_the_code() -> None:
    order = ", ".join(str(int(code)) for code in PRECEDENCE)
    assert f"in the order {order}" in EXIT_CODES.read_text(encoding="utf-8")
