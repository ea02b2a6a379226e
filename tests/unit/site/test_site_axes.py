"""Ticks are round, few and in their places, whatever the numbers are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.reports.charts.metric_chart import Frame
from runner.reports.charts.rule_chart import EXACT, Axis

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e400"), max_value=Decimal("1e400"))


def frame(values: list[Decimal], length: timedelta = timedelta(days=365)) -> Frame:
    with localcontext(EXACT):
        return Frame(begin=BEGIN, end=BEGIN + length, values=Axis.over(values), height=200)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["0.88", "0.93"], ["0.88", "0.9", "0.92"]),
        (["0", "100"], ["0", "50", "100"]),
        (["-3", "3"], ["-2", "0", "2"]),
        (["0.5"], ["0.45", "0.5", "0.55"]),
        (["0"], ["-1", "-0.5", "0", "0.5", "1"]),
        (["1e300", "3e300"], ["1E+300", "2E+300", "3E+300"]),
    ],
)
def test_values_on_the_axis_are_round(values: list[str], words: list[str]) -> None:
    assert [one.label for one in frame([Decimal(one) for one in values]).levels()] == words


@settings(max_examples=40)
@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_every_value_and_tick_is_in_the_picture(values: list[Decimal]) -> None:
    made = frame(values)
    levels = made.levels()
    assert 1 <= len(levels) <= 6
    for place in [*(one.place for one in levels), *(made.y(value) for value in values)]:
        assert 0 <= Decimal(place) <= 200


def test_values_that_differ_in_their_hundredth_digit_are_told_apart() -> None:
    low, high = Decimal("0." + "9" * 99 + "1"), Decimal("0." + "9" * 99 + "2")
    made = frame([low, high])
    assert Decimal(made.y(high)) < Decimal(made.y(low))


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=365), ["2026-03-01", "2026-06-30", "2026-10-30", "2027-03-01"]),
        (timedelta(hours=9), ["03-01 00:00", "03-01 03:00", "03-01 06:00", "03-01 09:00"]),
        (timedelta(seconds=5), ["03-01 00:00"]),
        (timedelta(0), ["03-01 00:00"]),
    ],
)
def test_no_date_stands_twice_on_the_axis(length: timedelta, words: list[str]) -> None:
    made = frame([Decimal(1)], length)
    assert [one.label for one in made.dates()] == words
    assert all(0 <= Decimal(one.place) <= 100 for one in made.dates())
