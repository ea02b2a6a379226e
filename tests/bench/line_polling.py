"""Status calls and lag of simulated trainings against one call every 30 seconds; the guess is off by 20 %."""

import random
from pathlib import Path

from runner.execute.polling import guess, next_pause
from tests.bench.figure import Part, Row, at_most
from tests.bench.sizes import Sizes

_MEDIANS = (("3 minutes", 180), ("20 minutes", 1200), ("2 hours", 7200))
_TRAININGS = 1000


def measure(_folder: Path, _sizes: Sizes) -> Part:
    """Simulate trainings of three lengths."""
    return Part(rows=tuple(row for name, median_s in _MEDIANS for row in _rows(name, median_s)))


def _rows(name: str, median_s: float) -> list[Row]:
    calls, lag = simulate(median_s, adaptive=True)
    fixed_calls, fixed_lag = simulate(median_s, adaptive=False)
    return [
        Row(
            what=f"status calls a job, trainings of about {name}",
            ours=f"{calls:.1f}",
            peer=f"every 30 s: {fixed_calls:.1f}",
            ratio=f"{calls / fixed_calls:.2f}x",
            value=calls,
            target=at_most(35, "at most 35"),
        ),
        Row(
            what=f"mean lag in % of the training, trainings of about {name}",
            ours=f"{lag:.2f} %",
            peer=f"every 30 s: {fixed_lag:.2f} %",
            ratio=f"{lag / fixed_lag:.2f}x",
            value=lag,
            target=at_most(1.5, "at most 1.5 %"),
        ),
    ]


def simulate(median_s: float, *, adaptive: bool) -> tuple[float, float]:
    """Return mean calls and mean lag in percent."""
    rng = random.Random(1)  # noqa: S311 -- repeatable
    calls, lag = 0, 0.0
    for _ in range(_TRAININGS):
        length = median_s * rng.lognormvariate(0, 0.5)
        last, now = length * rng.lognormvariate(0, 0.2), 0.0
        while now < length:
            now += next_pause(now, guess(last, None), None) if adaptive else 30.0
            calls += 1
        lag += (now - length) / length
    return calls / _TRAININGS, 100 * lag / _TRAININGS
