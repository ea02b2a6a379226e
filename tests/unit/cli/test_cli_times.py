"""Moments on the command line."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from runner.cli.params import Duration, PointInTime


def moment(text: str, *, end_of_day: bool = False) -> datetime:
    return PointInTime(end_of_day=end_of_day).convert(text, None, None)


def test_a_day_is_its_beginning_in_utc_or_its_end() -> None:
    assert moment("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)
    assert moment("2026-03-31", end_of_day=True) == datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T04:05:06Z", "2026-03-01t04:05:06.000z", "2026-03-01 13:05:06+09:00", "2026-02-28T23:05:06-05:00"],
)
def test_a_time_counts_with_its_zone(text: str) -> None:
    assert moment(text) == moment(text, end_of_day=True) == datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)


def test_an_age_is_counted_from_now() -> None:
    assert abs(datetime.now(UTC) - timedelta(days=30) - moment("30d")) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "text", ["2026-03-01T04:05:06", "2026-02-30", "yesterday", "", "999999999d", "2026-W10-1", "20260301", "9999-12-31"]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match="2026-03-01T04:05:06Z"):
        moment(text, end_of_day=True)


@pytest.mark.parametrize("text", ["4000000d", "3651d", "999999999999999d", "9" * 40 + "d", "1.5h", "-1d", "", "1 d"])
def test_what_is_not_a_duration_of_the_manifest_is_none_here(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration of at most 3650 days such as"):
        Duration().convert(text, None, None)
