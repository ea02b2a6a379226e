"""Which unknown statuses sound like an end, and the lines that tell the runner what they mean."""

import pytest

from runner.execute.training_ends import failed_line, finished_line, sounds_failed, sounds_finished
from runner.providers.facts import Statuses

STATUSES = Statuses(finished=("job_finished",), failed=("fail",), waiting=())


@pytest.mark.parametrize(
    "status",
    ["finished", "job_finish", "succeeded", "job_succeeded", "completed", "complete", "done", "job_done", "学習完了"],
)
def test_an_end_is_heard(status: str) -> None:
    assert sounds_finished(status)


@pytest.mark.parametrize(
    "status",
    [
        "running",
        "incomplete",
        "unfinished",
        "not_finished",
        "not yet complete",
        "finishing",
        "completing",
        "unsuccessful",
        "abandoned",
        "未完了",
        "upload_completed",
        "data_received_done",
        "2",
    ],
)
def test_what_only_looks_like_an_end_is_none(status: str) -> None:
    assert not sounds_finished(status)


@pytest.mark.parametrize("status", ["ng", "job_ng", "crashed", "unsuccessful", "abandoned", "異常終了", "学習失敗"])
def test_a_failure_is_heard(status: str) -> None:
    assert sounds_failed(status)
    assert not sounds_finished(status)


@pytest.mark.parametrize("status", ["training", "running", "queueing", "deadline_set", "2"])
def test_what_only_looks_like_a_failure_is_none(status: str) -> None:
    assert not sounds_failed(status)


def test_the_lines_keep_what_counts_already_and_quote_what_yaml_would_not_take_as_text() -> None:
    assert finished_line(STATUSES, "succeeded") == "statuses: {finished: [job_finished, succeeded]}"
    assert finished_line(STATUSES, "2") == 'statuses: {finished: [job_finished, "2"]}'
    assert finished_line(STATUSES, "no") == 'statuses: {finished: [job_finished, "no"]}'
    assert failed_line(STATUSES, "学習 失敗, x]") == 'statuses: {failed: [fail, "学習 失敗, x]"]}'
