"""What `retrain doctor` makes of an `end_date`, whose form is not published."""

from datetime import UTC, datetime

import pytest

from runner.app.doctor.service_checks import read_end


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-30T09:00:00Z",
        "2026-12-30 09:00:00",
        "2026/12/30 09:00:00",
        "2026-12-30T18:00:00+09:00",
        "2026-12-30T09:00:00.000Z",
        "1798621200",
        "1798621200000",
        "Wed, 30 Dec 2026 09:00:00 GMT",
    ],
)
def test_every_usual_form_of_a_moment_is_read(text: str) -> None:
    assert read_end(text) == datetime(2026, 12, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(("text", "day"), [("2026-12-30", 30), ("20261230", 30), ("2026/12/01", 1)])
def test_a_day_is_its_beginning(text: str, day: int) -> None:
    assert read_end(text) == datetime(2026, 12, day, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+14:00", "9" * 400, "2026-13-45", "30 days"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert read_end(text) is None
