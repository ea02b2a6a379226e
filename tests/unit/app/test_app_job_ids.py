"""Job ids as people type them."""

import pytest

from runner.app.review.candidates import full_job_id
from runner.errors import UsageError

KNOWN = ["abc1", "abd2", "abd2x"]


@pytest.mark.parametrize(("given", "full"), [("abc", "abc1"), ("abd2", "abd2"), ("abd2x", "abd2x"), ("abc1", "abc1")])
def test_a_whole_id_or_its_only_beginning_is_taken(given: str, full: str) -> None:
    assert full_job_id("m", KNOWN, given) == full


@pytest.mark.parametrize(("given", "said"), [("ab", "abc1, abd2, abd2x"), ("", "no job"), ("zzz", "no job")])
def test_anything_else_is_refused_and_says_what_there_is(given: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        full_job_id("m", KNOWN, given)


def test_a_slip_of_the_pen_is_answered_by_the_nearest_id() -> None:
    with pytest.raises(UsageError) as refused:
        full_job_id("m", KNOWN, "abcl")
    assert refused.value.hint == "Did you mean `abc1`?"
