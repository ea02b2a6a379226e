"""A process that slept within an upload, as one that was stopped and went on: it has lost its turn."""

import pytest

from runner.http.request import Countdown, Deadlines


def test_what_a_process_hands_over_after_it_slept_earns_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("runner.http.request.time.monotonic", lambda: now[0])
    countdown = Countdown(Deadlines(call=60, slowest=1024))
    now[0] = 59.0
    countdown.sent(1 << 20)
    assert countdown.patience() == 60
    now[0] += 61  # asleep, with a part half handed over
    countdown.sent(1 << 20)
    with pytest.raises(TimeoutError):
        countdown.patience()
