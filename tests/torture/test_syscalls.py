"""A sample of `suite_syscalls`: the real command under strace."""

from collections.abc import Sequence

import pytest

from tests.torture.suite_syscalls import Trial, disk_errors, figure, full_disks, kills, resets, spread, undisturbed
from tests.torture.tracing import Point, why_not

MISSING = why_not()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(scope="module")
def found() -> list[Point]:
    return list(undisturbed())


def assert_kept(name: str, trials: Sequence[Trial], count: int) -> None:
    done = figure(name, spread(trials, count))
    assert done.violations == 0, done.detail
    assert done.points == count, done.detail


def test_kill_9_at_a_syscall_doubles_and_loses_nothing(found: list[Point]) -> None:
    assert_kept("kill -9", kills(found), 3)


def test_a_disk_error_at_a_syscall_ends_with_a_sentence_and_the_next_run_settles(found: list[Point]) -> None:
    trials = [*disk_errors(found, "ENOSPC"), *disk_errors(found, "EIO"), *full_disks(found)]
    assert_kept("disk errors", trials, 2)


def test_a_reset_at_a_syscall_ends_with_a_sentence_and_the_next_run_settles(found: list[Point]) -> None:
    assert_kept("resets", resets(found), 1)
