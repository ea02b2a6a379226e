"""The two sides of the floor under a transfer: what is slower ends, what is not continues."""

from types import SimpleNamespace
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from runner.http.request import Countdown, Deadlines

LIMITS = Deadlines()
waits = st.floats(min_value=0.01, max_value=2 * LIMITS.call, allow_nan=False)
sizes = st.integers(min_value=0, max_value=8 * 1024 * 1024)


def transfer(steps: list[tuple[float, int]]) -> tuple[float, int, bool]:
    """Let bytes come after waits until the countdown is over; return seconds, bytes, and whether it is over."""
    clock = SimpleNamespace(seconds=0.0)
    clock.monotonic = lambda: clock.seconds
    moved = 0
    with mock.patch("runner.http.request.time", clock):
        countdown = Countdown(LIMITS)
        countdown.expect_file()
        for wait, size in steps:
            clock.seconds += wait
            if countdown.over:
                break
            countdown.received(size)
            moved += size
        return clock.seconds, moved, countdown.over


@given(st.lists(st.tuples(waits, sizes), min_size=1, max_size=200))
def test_what_goes_on_moved_its_bytes_at_the_slowest_rate_but_for_one_calls_time(
    steps: list[tuple[float, int]],
) -> None:
    seconds, moved, over = transfer(steps)
    assert over or seconds <= min(LIMITS.call + moved / LIMITS.slowest, LIMITS.longest) + 1e-6


@given(st.lists(st.floats(min_value=0.01, max_value=LIMITS.call - 1, allow_nan=False), min_size=1, max_size=200))
def test_what_keeps_to_the_slowest_rate_is_never_ended_before_the_longest_time(pauses: list[float]) -> None:
    seconds, _, over = transfer([(pause, int(pause * LIMITS.slowest) + 1) for pause in pauses])
    assert over == (seconds >= LIMITS.longest)


@given(st.lists(st.tuples(waits, sizes), max_size=50), st.integers(min_value=1, max_value=1000))
def test_a_drip_after_anything_ends_within_two_calls_time(steps: list[tuple[float, int]], size: int) -> None:
    before, _, over = transfer(steps)
    drip = [(0.4, min(size, int(LIMITS.slowest * 0.4 / 2)))] * 500  # half the slowest rate or less
    seconds, _, ended = transfer([*steps, *drip])
    assert ended
    assert over or seconds <= before + 2 * LIMITS.call + 1
