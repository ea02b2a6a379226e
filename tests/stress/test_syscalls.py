"""A sample of `suite_syscalls`: the real command under strace."""

from collections.abc import Iterator, Sequence

import pytest

from tests.stress.figure import Figure
from tests.stress.suite_syscalls import (
    Crew,
    Trial,
    crew,
    disk_errors,
    figure,
    full_disks,
    kills,
    resets,
    spread,
    undisturbed,
)
from tests.stress.tracing import Point, why_not

MISSING = why_not()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(scope="module")
def free() -> Iterator[Crew]:
    with crew(2) as made:
        yield made


@pytest.fixture(scope="module")
def found(free: Crew) -> list[Point]:
    return list(undisturbed(free))


def sampled(free: Crew, trials: Sequence[Trial], count: int) -> Figure:
    return figure(free, "sample", spread(trials, count))


def test_kill_9_at_a_syscall_doubles_and_loses_nothing(free: Crew, found: list[Point]) -> None:
    done = sampled(free, kills(found), 8)
    assert done.violations == 0, done.detail
    assert done.points >= 7, done.detail  # a run does not make the same number of calls each time


def test_a_disk_error_at_a_syscall_ends_with_a_sentence_and_the_next_run_settles(
    free: Crew, found: list[Point]
) -> None:
    trials = [*disk_errors(found, "ENOSPC"), *disk_errors(found, "EIO"), *full_disks(found)]
    done = sampled(free, trials, 6)
    assert done.violations == 0, done.detail
    assert done.points >= 5, done.detail  # a run does not make the same number of calls each time


def test_a_reset_at_a_syscall_ends_with_a_sentence_and_the_next_run_settles(free: Crew, found: list[Point]) -> None:
    done = sampled(free, resets(found), 2)
    assert done.violations == 0, done.detail
    assert done.points >= 1, done.detail  # a run does not make the same number of calls each time
