"""How long to wait before asking for a training's status again.

The next pause at time t is sqrt(2 c t / h(t)), where h is the hazard that the training ends now. The hazard mixes a
narrow lognormal around the last duration of the same model with a broad one; without a last duration only the broad one
is left. Short trainings are asked after often, long ones seldom, and about 32 calls do for either (`make bench`).
"""

import math
from datetime import timedelta

COST = 0.0005  # a call weighs as much as this share of the training's length in lag
SHORTEST = 0.5  # seconds
LONGEST = 1800.0
_NARROW = 0.2  # the guess from the last run is off by about 20 %
_BROAD = 1.4
_TRUST = 0.85
_UNKNOWN_LENGTH = 600.0  # a first training: somewhere between seconds and hours


def next_pause(elapsed: float, last: float | None, fixed: timedelta | None) -> float:
    """Return the seconds to wait, `elapsed` seconds into a training whose predecessor took `last` seconds."""
    if fixed is not None:
        return fixed.total_seconds()
    now = max(elapsed, SHORTEST)
    pause = _pause_at(now, last)
    ahead = min(_pause_at(now + part * pause, last) + part * pause for part in (0.25, 0.5, 0.75))
    return min(max(min(pause, ahead), SHORTEST), LONGEST)


def _pause_at(elapsed: float, last: float | None) -> float:
    return math.sqrt(2 * COST * elapsed / max(_hazard(elapsed, last), 1e-12))


def _hazard(elapsed: float, last: float | None) -> float:
    if last is None or last <= 0:
        density, survival = _lognormal(elapsed, _UNKNOWN_LENGTH, 2.0)
        return density / survival
    narrow = _lognormal(elapsed, last, _NARROW)
    broad = _lognormal(elapsed, last, _BROAD)
    density = _TRUST * narrow[0] + (1 - _TRUST) * broad[0]
    return density / (_TRUST * narrow[1] + (1 - _TRUST) * broad[1])


def _lognormal(at: float, median: float, spread: float) -> tuple[float, float]:
    """Return density and survival of a lognormal; the survival is kept away from zero."""
    z = (math.log(at) - math.log(median)) / spread
    density = math.exp(-z * z / 2) / (at * spread * math.sqrt(2 * math.pi))
    return density, max(math.erfc(z / math.sqrt(2)) / 2, 1e-9)
