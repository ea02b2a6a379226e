"""How long to wait before asking for a training's status again.

The next pause at time t is sqrt(2 c t / h(t)), where h is the hazard that the training ends now. The hazard mixes a
narrow lognormal around the last duration of the same model with a broad one. Short trainings are asked after often,
long ones seldom, and about 32 calls do for either (`make bench`). A model's first training is guessed by those of the
run's other models, less narrowly, which takes about 42 calls; where none is known, only a broad guess is left.
"""

import math
from datetime import timedelta

from msgspec import Struct

COST = 0.0005  # a call weighs as much as this share of the training's length in lag
SHORTEST = 0.5  # seconds
LONGEST = 1800.0
_NARROW = 0.2  # the guess from the last run is off by about 20 %
_BROAD = 1.4
_NARROW_BY_OTHERS = 0.5  # models differ from each other more than one does from its last training
_BROADEST = 2.0
_TRUST = 0.85
_UNKNOWN_LENGTH = 600.0  # a first training: somewhere between seconds and hours


class EndEstimate(Struct, frozen=True, kw_only=True):
    """About how many seconds a training takes; the spreads are those of the two lognormals that are mixed."""

    seconds: float
    narrow: float
    broad: float


def guess(last: float | None, usual: float | None) -> EndEstimate | None:
    """Return the guess by the model's last training, else by what is usual for others; None where neither is known."""
    if last is not None and last > 0:
        return EndEstimate(seconds=last, narrow=_NARROW, broad=_BROAD)
    if usual is not None and usual > 0:
        return EndEstimate(seconds=usual, narrow=_NARROW_BY_OTHERS, broad=_BROADEST)
    return None


def next_pause(elapsed: float, by: EndEstimate | None, fixed: timedelta | None, *, shortest: float = SHORTEST) -> float:
    """Return the seconds to wait, `elapsed` seconds into a training, but not fewer than `shortest`."""
    if fixed is not None:
        return fixed.total_seconds()
    now = max(elapsed, SHORTEST)
    pause = _pause_at(now, by)
    if pause <= shortest:
        return shortest
    ahead = min(_pause_at(now + part * pause, by) + part * pause for part in (0.25, 0.5, 0.75))
    return min(max(min(pause, ahead), shortest), LONGEST)


def _pause_at(elapsed: float, by: EndEstimate | None) -> float:
    return math.sqrt(2 * COST * elapsed / max(_hazard(elapsed, by), 1e-12))


def _hazard(elapsed: float, by: EndEstimate | None) -> float:
    if by is None:
        density, survival = _lognormal(elapsed, _UNKNOWN_LENGTH, _BROADEST)
        return density / survival
    narrow = _lognormal(elapsed, by.seconds, by.narrow)
    broad = _lognormal(elapsed, by.seconds, by.broad)
    density = _TRUST * narrow[0] + (1 - _TRUST) * broad[0]
    return density / (_TRUST * narrow[1] + (1 - _TRUST) * broad[1])


def _lognormal(at: float, median: float, spread: float) -> tuple[float, float]:
    """Return density and survival of a lognormal; the survival is kept away from zero."""
    z = (math.log(at) - math.log(median)) / spread
    density = math.exp(-z * z / 2) / (at * spread * math.sqrt(2 * math.pi))
    return density, max(math.erfc(z / math.sqrt(2)) / 2, 1e-9)
