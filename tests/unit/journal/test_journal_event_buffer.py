"""Packed events come back exactly as they were, as often as they are asked for."""

from typing import Any

import msgspec
import pytest

from runner.journal.chain import EventBuffer, Link
from runner.journal.events import CandidateEvaluated, Draft
from tests.unit.journal.journal_facts import chained, draft, example, run_started

_POLICY = {"type": "auto", "name": "always"}


def judged(policy: dict[str, Any]) -> Draft:
    fact = example("candidate_evaluated")
    assert isinstance(fact, CandidateEvaluated)
    return draft(msgspec.structs.replace(fact, inputs={**fact.inputs, "policy": policy}))


@pytest.fixture(scope="module")
def links() -> list[Link]:
    return chained([draft(run_started(), model=None), *(draft(example("status_changed")) for _ in range(2500))])


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2501])
def test_any_number_of_links_comes_back_as_it_was_each_time(links: list[Link], count: int) -> None:
    packed = EventBuffer(links[:count])
    assert len(packed) == count
    assert list(packed) == list(packed) == links[:count]
    assert list(packed.events()) == [link.event for link in links[:count]]
    assert list(packed.bodies()) == [link.body for link in links[:count]]
    assert list(packed.digests()) == [link.sha256 for link in links[:count]]
    assert packed.head_sha256 == (links[count - 1].sha256 if count else "")


def test_policies_of_the_same_text_are_kept_once_and_those_of_another_text_stay_what_they_were() -> None:
    policies: list[dict[str, Any]] = [{**_POLICY, "any": one} for one in (True, 1, 1.0, True)]
    facts = [link.event.fact for link in EventBuffer(chained([judged(policy) for policy in policies]))]
    found = [dict(fact.inputs["policy"])["any"] for fact in facts if isinstance(fact, CandidateEvaluated)]
    assert [type(one) for one in found[:2]] == [bool, int]
    assert found == [True, 1, 1, True]
    first, *_, last = (fact.inputs["policy"] for fact in facts if isinstance(fact, CandidateEvaluated))
    assert first is last
