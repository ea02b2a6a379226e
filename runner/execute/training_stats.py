"""What a run knows of the trainings of all its models: how long they take, and how many it waits for."""

from bisect import insort
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from msgspec import Struct, field

from runner.execute.polling import SHORTEST
from runner.journal.model_progress import ModelProgress

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
        pace = cls()
        for one in models:
            pace.learn(one.last_training_seconds())
        return pace

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
