"""What is repeated: reads, when that can help; effects, only while surely not one byte has left.

Both are bounded in number and in time, with jitter, and visible in the report.
"""

import random
from collections.abc import Callable
from typing import TypeVar

from runner.execute.asks import Lane, Steps, Work, call, pause
from runner.execute.model_run import ModelRun
from runner.service.outcomes import Effect, NeverSent, ServiceError

T = TypeVar("T")

ATTEMPTS = 6
SENDS = 4
LONGEST_S = 120.0  # of all attempts and pauses together
_FIRST_S = 0.5
_CEILING_S = 30.0
_DOUBLINGS = 16  # far above the ceiling; a settling that lasts hours counts more than 1024 attempts


def backoff(attempt: int, chance: random.Random, after: float | None = None) -> float:
    """Return the seconds before attempt number `attempt` + 1; `after` is what the server asked for."""
    step = min(_FIRST_S * 2.0 ** min(attempt - 1, _DOUBLINGS), _CEILING_S)
    return max(step * (0.5 + chance.random()), after or 0.0)


def read(run: ModelRun, name: str, function: Callable[[], T]) -> Steps[T]:
    """Do a call without effect, again and again while that may help; `name` counts it in the report.

    Raises:
        ServiceError: it will not help, or the attempts or the time are used up.
    """
    clock = run.run.clock
    began, attempt = clock.monotonic(), 0
    while True:
        attempt += 1
        run.calls[name] += 1
        try:
            return (yield from call(function))
        except ServiceError as error:
            wait = backoff(attempt, run.run.chance, error.after)
            late = clock.monotonic() + wait - began > LONGEST_S
            if not error.again or attempt >= ATTEMPTS or late:
                raise
            run.warn(f"{name}, attempt {attempt}: {error.message}")
        yield from pause(wait)


def send(run: ModelRun, name: str, lane: Lane, function: Callable[[], Effect]) -> Steps[Effect]:
    """Do an effect once; do it again only when the one before surely never left.

    Raises:
        StoppedError: the run is to end, and nothing of this effect has left.
    """
    attempt = 0
    while True:
        attempt += 1
        run.calls[name] += 1
        effect: Effect = yield Work(lane=lane, function=function, effect=True)
        if not isinstance(effect, NeverSent) or attempt == SENDS:
            return effect
        run.warn(f"{name}, attempt {attempt}: {effect.message}")
        yield from pause(backoff(attempt, run.run.chance))
