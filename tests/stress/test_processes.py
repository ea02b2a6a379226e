"""A sample of `suite_processes`: real processes on one state."""

from tests.stress import side_by_side
from tests.stress.suite_processes import Trial, decisions, figure, starts


def test_processes_on_one_state_train_and_switch_once_and_the_losers_are_told() -> None:
    stop = Trial(
        name="stopped before the upload", play=lambda: side_by_side.stopped("upload_url", "done", wake_after=False)
    )
    deprived = Trial(name="deprived of its lock within the upload", play=side_by_side.deprived)
    done = figure("one scene of each kind", [stop, deprived, *starts(1), *decisions(2)])
    assert done.violations == 0, done.detail
