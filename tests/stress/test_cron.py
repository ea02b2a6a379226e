"""A sample of `suite_cron`, and its judge seen failing."""

import signal
from collections.abc import Iterator

import pytest

from tests.acceptance.contract.contract_project import rows
from tests.stress.cron_scene import Crontab, Firing, crontab, judged, seen_by_service, two_at_once
from tests.stress.promise import MODEL
from tests.stress.suite_cron import play


def test_cron_firings_that_overlap_and_are_killed_train_each_content_once() -> None:
    lane = play(6, seed=1)
    assert lane.broken == ()
    assert lane.counts["trained"] == lane.counts["switched"] >= 1


@pytest.fixture
def trained() -> Iterator[Crontab]:
    with crontab() as table:
        assert table.project.run().code == 0
        assert list(seen_by_service(table)) == []
        yield table


def test_a_content_that_is_trained_or_switched_twice_is_seen(trained: Crontab) -> None:
    service = trained.project.service
    [job] = service.jobs.values()
    job.uploads.append(rows())
    service.switched.append(job.id)
    assert list(seen_by_service(trained)) == ["content 0 was accepted 2 times", f"{job.id} was switched to 2 times"]


def test_a_body_that_never_was_a_data_file_is_seen(trained: Crontab) -> None:
    trained.project.service.jobs[trained.project.service.switches(MODEL)[0]].uploads[0] += b"1,2,no\n"
    assert list(seen_by_service(trained)) == ["a content was uploaded that never was a data file's"]


def test_a_job_that_is_taken_up_again_after_a_later_one_is_seen_as_two_runs_at_work() -> None:
    def seen(calls: str, *, started: str = "ab") -> list[str]:
        return list(two_at_once([("upload_url", "") if call == "+" else ("status", call) for call in calls], started))

    assert seen("+aa+bb+c") == []
    assert seen("+a+ba") == ["a was taken up again after b"]
    assert seen("+a+ba", started="a") == []  # a run that was killed, and the question of the next one
    assert seen("+a+ba+c", started="ac") == []
    assert seen("+a+ba+c", started="abc") == ["a was taken up again after b"]
    assert seen("+a+bab", started="a") == ["a was taken up again after b"]
    assert list(two_at_once([("status", "a"), ("status", "b"), ("switch", "a")], "a")) == [
        "a was taken up again after b"
    ]


def test_a_run_that_ended_before_its_upload_leaves_the_next_one_to_ask_for_the_job_before(trained: Crontab) -> None:
    firing = Firing(
        pause=0,
        changes_data=True,
        waits=False,
        output="",
        locale={},
        ends_by=signal.SIGTERM,
        at=("upload_url", "done"),
        life=0,
    )
    for _ in range(3):
        trained.fire(firing)
        trained.rest()
    assert list(judged(trained)) == []
    assert len(trained.project.service.accepted(MODEL)) == 2
