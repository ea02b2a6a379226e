"""How often a training is asked after: seldom in all, and soon after its end."""

from datetime import timedelta

import pytest

from runner.execute.polling import LONGEST, SHORTEST, next_pause

HOUR = 3600.0


def asked(length: float, last: float | None) -> list[float]:
    """Return the moments, in seconds into a training of this length, at which its status is asked for."""
    moments = [0.0]
    while moments[-1] < length:
        moments.append(moments[-1] + next_pause(moments[-1], last, None))
    return moments


def test_a_fixed_pause_is_kept_whatever_is_known() -> None:
    assert next_pause(5 * HOUR, HOUR, timedelta(seconds=30)) == 30.0
    assert next_pause(0.0, None, timedelta(seconds=30)) == 30.0


@pytest.mark.parametrize("last", [60.0, HOUR])
@pytest.mark.parametrize(("factor", "calls"), [(0.8, 30), (1.0, 40), (1.2, 55), (1.5, 75), (4.0, 120)])
def test_a_training_with_a_predecessor_costs_few_calls_and_its_end_is_seen_soon(
    last: float, factor: float, calls: int
) -> None:
    moments = asked(factor * last, last)
    assert len(moments) < calls
    assert moments[-1] - factor * last < 0.05 * factor * last


@pytest.mark.parametrize(("length", "calls"), [(60.0, 40), (HOUR, 150), (24 * HOUR, 300)])
def test_a_first_training_of_any_length_costs_a_bounded_number_of_calls_and_its_end_is_seen_soon(
    length: float, calls: int
) -> None:
    moments = asked(length, None)
    assert len(moments) < calls
    assert moments[-1] - length < 0.1 * length


def test_it_is_asked_more_often_when_the_end_is_due_than_before_and_long_after() -> None:
    early, due, late = (next_pause(at, HOUR, None) for at in (0.4 * HOUR, HOUR, 3 * HOUR))
    assert early > 2 * due
    assert late > 2 * due


@pytest.mark.parametrize("last", [None, 0.0, 0.001, HOUR, 1e7])
@pytest.mark.parametrize("elapsed", [0.0, 1e-6, 1.0, HOUR, 1e6, 1e9])
def test_no_pause_is_shorter_or_longer_than_the_bounds(elapsed: float, last: float | None) -> None:
    assert SHORTEST <= next_pause(elapsed, last, None) <= LONGEST
