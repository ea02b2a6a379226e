"""The Date header: what it may say, and what is taken for no time at all."""

from datetime import UTC, datetime

import pytest

from runner.http.headers import read_date, retry_after


def test_a_date_is_read() -> None:
    assert read_date("Sun, 01 Mar 2026 04:05:06 GMT") == datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "Sun, 01 Mar 2026 04:05:06",
        "Sun, 01 Mar 2026 04:05:06 +0200",
        "Sunday, 01-Mar-26 04:05:06 GMT",
        "Sun, 31 Feb 2026 04:05:06 GMT",
        "Sun, 01 Mar 2026 25:05:06 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Sun, 01 Mar 2026 04:05:06 GMT, Sun, 01 Mar 2026 04:05:06 GMT",
        "Sun, 01 Mar \u0662\u0660\u0662\u0666 04:05:06 GMT",
        "1" * 100_000,
    ],
)
def test_what_is_not_a_date_of_today_tells_no_time(value: str | None) -> None:
    assert read_date(value) is None


def test_a_retry_after_date_is_measured_from_the_answers_own_date() -> None:
    date = read_date("Sun, 01 Mar 2026 04:05:06 GMT")
    assert retry_after("Sun, 01 Mar 2026 04:05:16 GMT", now=date) == 10.0
