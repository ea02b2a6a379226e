"""Moments of the journal, which machines with different clocks have written."""

from datetime import UTC, datetime, timedelta

import pytest

from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.timestamps import age, moment, stamp

NOW = datetime(2026, 3, 1, 4, 5, 6, 7, tzinfo=UTC)


def test_a_stamp_is_read_as_it_was_written() -> None:
    assert moment(stamp(NOW)) == NOW


@pytest.mark.parametrize("ago", [timedelta(days=4000), timedelta(0), timedelta(minutes=-5)])
def test_the_age_of_what_clocks_that_are_kept_wrote_is_the_difference(ago: timedelta) -> None:
    assert age(NOW - ago, NOW) == ago


def test_what_lies_far_ahead_has_no_age() -> None:
    assert age(NOW + timedelta(minutes=5, microseconds=1), NOW) is None


@pytest.mark.parametrize(("seconds", "took"), [(60, 60.0), (0, 0.0), (-1, None)])
def test_a_training_that_ended_before_it_began_took_no_time_that_is_known(seconds: int, took: float | None) -> None:
    """Its start was recorded by one machine, and its end by another whose clock is behind."""
    job = RetrainJob(
        retrain_job_id="job-1",
        stage=JobStage.FINISHED,
        data=None,
        url_expires_at=NOW,
        status_before_upload=None,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=seconds),
    )
    assert job.training_seconds == took
