"""A sample of `suite_processes`: real processes on one state."""

from tests.stress import crowd
from tests.stress.suite_processes import Trial, figure, starts


def test_crowds_on_one_state_train_and_switch_once_and_the_losers_are_told() -> None:
    stop = Trial(name="stopped before the upload", play=lambda: crowd.stopped("upload_url", "done", wake_after=False))
    deprived = Trial(name="deprived of its lock within the upload", play=crowd.deprived)
    done = figure("a crowd of each kind", [stop, deprived, *starts(1)])
    assert done.violations == 0, done.detail
