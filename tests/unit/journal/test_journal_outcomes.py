"""One table says all of an outcome: whoever orders, draws or maps outcomes knows exactly those that are in it."""

from typing import Any, get_args

import pytest

from runner.app.run.run_end import exit_code
from runner.cli.terminal.capabilities import TerminalCapabilities, outcome_sign
from runner.errors import EXIT_TABLE, PRECEDENCE, ExitCode
from runner.journal.events import ModelFinished
from runner.journal.outcomes import BY_URGENCY, FAILURES, NEEDS_PERSON, OUTCOMES, Outcome
from runner.lib.schemas import load_schema
from runner.notify import Message
from runner.reports.formats.junit import render_junit
from runner.reports.formats.openmetrics import render_openmetrics
from runner.reports.model import ModelReport, Report
from runner.reports.page import answer, inline_file, sign
from tests.fakes.reports import report_of


def known_to(schema: Any) -> list[frozenset[str]]:
    """Return each set of outcomes that a schema names, as values or as keys."""
    if isinstance(schema, list):
        return [found for part in schema for found in known_to(part)]
    if not isinstance(schema, dict):
        return []
    sets = (schema.get("enum"), schema.get("properties"))
    own = [frozenset(map(str, names)) - {"always", "None"} for names in sets if names and "held" in names]
    return own + [found for part in schema.values() for found in known_to(part)]


def one_each() -> Report:
    return report_of([ModelReport(name=f"m_{outcome}", outcome=outcome, reason="Because.") for outcome in OUTCOMES])


def test_the_type_and_the_table_have_the_same_outcomes_in_one_order() -> None:
    assert get_args(Outcome) == tuple(OUTCOMES)


@pytest.mark.parametrize(("name", "places"), [("manifest", 1), ("plan", 1), ("report", 2), ("journal", 1)])
def test_every_schema_names_the_outcomes_of_the_table(name: str, places: int) -> None:
    assert known_to(load_schema(name)) == [frozenset(OUTCOMES)] * places


def test_no_two_outcomes_are_equally_urgent_and_those_that_need_a_person_come_first() -> None:
    assert sorted(one.urgency for one in OUTCOMES.values()) == list(range(len(OUTCOMES)))
    assert set(BY_URGENCY) == set(OUTCOMES)
    assert BY_URGENCY[: len(NEEDS_PERSON)] == NEEDS_PERSON
    assert FAILURES == ("unknown", "failed")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_an_exit_code_with_its_place_in_the_precedence(outcome: Outcome) -> None:
    end = ModelFinished(
        outcome=outcome, reason="Because.", retrain_job_id=None, error=None, timings={}, calls={}, warnings=()
    )
    code = exit_code([end], internal_errors=False, stopped=None, allow_held=False)
    assert code == OUTCOMES[outcome].exit_code
    assert code in PRECEDENCE
    assert code in EXIT_TABLE


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_drawn_in_terminals_and_pages(outcome: Outcome) -> None:
    traits, style = OUTCOMES[outcome], inline_file("report.css").text
    assert outcome_sign(outcome).shown(TerminalCapabilities(symbols=True)) == sign(outcome) == traits.sign
    assert outcome_sign(outcome).shown(TerminalCapabilities()).isascii()
    assert f".badge.{outcome}, .toggle.{outcome} {{ color: var(--{traits.tone});" in style
    assert f".shares .{outcome}, .strip .{outcome}, .days .{outcome} {{ fill: var(--{traits.fill}); }}" in style
    assert all(f"--{name}:" in style for name in (traits.tone, f"{traits.tone}-back", traits.fill))


def test_no_two_outcomes_share_a_sign() -> None:
    assert (
        len({one.sign for one in OUTCOMES.values()}) == len({one.ascii for one in OUTCOMES.values()}) == len(OUTCOMES)
    )


def test_the_script_of_the_pages_opens_those_that_need_a_person() -> None:
    assert inline_file("report.js").text.startswith(
        'const needsPerson = ["unknown", "failed", "held", "awaiting_approval"];\n'
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_can_be_said_of_one_model_and_of_several(outcome: Outcome) -> None:
    one, several = OUTCOMES[outcome].verbs
    assert answer({outcome: 1}) == f"The model {one}."
    assert answer({outcome: 2}) == f"All 2 models {several}."


def test_junit_and_openmetrics_map_every_outcome() -> None:
    report = one_each()
    junit, metrics = render_junit(report).decode(), render_openmetrics(report).decode()
    for tag in ("failure", "error", "skipped"):
        allowed = {"held"} if tag == "failure" else set[str]()  # exit code 0 says that the run allowed it
        assert junit.count(f"<{tag} ") == len(
            [one for name, one in OUTCOMES.items() if one.junit == tag and name not in allowed]
        ) + (tag == "skipped")
    for outcome in OUTCOMES:
        assert f'retrain_model_outcome{{model="m_{outcome}",outcome="{outcome}"}} 1\n' in metrics
        assert f'retrain_run_models{{outcome="{outcome}"}} 1\n' in metrics


def test_a_notification_is_as_grave_as_the_table_says() -> None:
    assert {one.severity for one in OUTCOMES.values()} <= set(get_args(Message.__annotations__["severity"]))
    assert all(
        one.severity == "failure" for one in OUTCOMES.values() if one.exit_code in (ExitCode.FAILED, ExitCode.UNKNOWN)
    )
