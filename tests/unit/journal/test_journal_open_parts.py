"""The open parts of events: what a run writes fits, and what would surprise a reader of it does not."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from runner.journal.chain import payload_problem
from runner.journal.events import CandidateEvaluated
from runner.policy.evaluation import Evaluation
from tests.unit.journal.journal_facts import example

_ANY: tuple[Any, ...] = (1, "x", [], ["x"], {"command": {}})


def test_what_a_run_writes_fits() -> None:
    for kind in ("run_started", "candidate_evaluated", "run_finished"):
        assert payload_problem(example(kind)) is None


@pytest.mark.parametrize("value", _ANY)
def test_a_part_of_another_form_is_named(value: Any) -> None:
    fact = example("candidate_evaluated")
    assert isinstance(fact, CandidateEvaluated)
    assert "its part 'inputs' has another form" in (payload_problem(replace(fact, inputs=value)) or "")


def test_each_value_within_a_part_has_a_form() -> None:
    fact = example("candidate_evaluated")
    assert isinstance(fact, CandidateEvaluated)
    for key in fact.inputs:
        assert payload_problem(replace(fact, inputs={**fact.inputs, key: 1})) is not None


@pytest.mark.parametrize("text", ["1e999999999", "NaN", "Infinity", "", "0x1", "1" * 5000, " 1"])
def test_a_number_is_a_decimal_text_with_an_end(text: str) -> None:
    fact = example("candidate_evaluated")
    assert isinstance(fact, CandidateEvaluated)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(fact.evaluation), "metrics": {"auc": text}}, Evaluation)


def test_a_decision_has_a_verdict_on_each_rule_of_its_policy() -> None:
    fact = example("candidate_evaluated")
    assert isinstance(fact, CandidateEvaluated)
    policy = {"type": "threshold", "name": "p", "rules": [{}]}
    told = payload_problem(
        replace(fact, inputs={**fact.inputs, "policy": policy}, evaluation=replace(fact.evaluation, rules=()))
    )
    assert told is not None
    assert "another number of rules" in told
