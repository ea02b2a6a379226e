"""When the status is asked for: by how long trainings of this model took before."""

import math
from bisect import insort
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from msgspec import Struct, field

from runner.journal.model_progress import ModelProgress

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
    """Return the expected time by the model's last training, else by those of others; None if neither is known."""
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


ASKED_A_SECOND = 150  # questions about trainings, of all models together; more of them would only wait for each other


class TrainingStats(Struct, kw_only=True):
    """Shared by the models of a run; only the coordinator's thread touches it.

    `going` tells that some training of this run was still going when it was asked after: they do not end at once.
    """

    going: bool = False
    _lengths: list[float] = field(default_factory=list)  # seconds, in ascending order
    _waiting: int = 0

    @classmethod
    def known(cls, models: Iterable[ModelProgress]) -> "TrainingStats":
        """Return what the journal tells by the last training of each model."""
        training_stats = cls()
        for model in models:
            training_stats.learn(model.last_training_seconds())
        return training_stats

    def learn(self, seconds: float | None) -> None:
        """Take in how long a training took, where that is known."""
        if seconds is not None:
            insort(self._lengths, seconds)

    @property
    def usual(self) -> float | None:
        """Return the median of the known trainings in seconds: half of them took longer."""
        return self._lengths[len(self._lengths) // 2] if self._lengths else None

    @property
    def shortest(self) -> float:
        """Return the shortest pause in seconds before the same training is asked after again."""
        return max(SHORTEST, self._waiting / ASKED_A_SECOND)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a model that waits for its training."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
