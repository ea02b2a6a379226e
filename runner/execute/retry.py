"""What is repeated: reads, when that can help; effects, only while certainly not one byte has left.

Both are bounded in number and in time, with jitter, and visible in the report. A server may ask to be left alone for a
while (Retry-After); that time comes on top of the run's own, and is bounded too.
"""

import random
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from runner.credentials import ENDS_SOON, read_end
from runner.execute.commands import Pool, Work, Workflow, call, pause
from runner.execute.model_run import ModelRun
from runner.lib.secrets import Secret
from runner.providers.base import Effect, NeverSent, ServiceError

T = TypeVar("T")

ATTEMPTS = 6
SENDS = 4
LONGEST_S = 120.0  # of all attempts and own pauses together
LONGEST_ASKED_S = 300.0  # of all pauses a server asked for, as far as they are longer than the own ones
_FIRST_S = 0.5
_CEILING_S = 30.0
_TOLD = 8  # attempts in a row that are told one by one
_DOUBLINGS = 16  # far above the ceiling; a settling that lasts hours counts more than 1024 attempts


def backoff(attempt: int, rng: random.Random) -> float:
    """Return the seconds before attempt number `attempt` + 1."""
    step = min(_FIRST_S * 2.0 ** min(attempt - 1, _DOUBLINGS), _CEILING_S)
    return step * (0.5 + rng.random())


class RetryBudget:
    """What is left for one read: how often it may be tried again, and how long waited for in all.

    `longest` are the seconds of all attempts and own pauses together; without `attempts` they alone are the bound.
    """

    def __init__(
        self, run: ModelRun, name: str, *, attempts: int | None = ATTEMPTS, longest: float = LONGEST_S
    ) -> None:
        self._run = run
        self._name = name
        self._attempts = attempts
        self._longest = longest
        self._longest_asked = longest if attempts is None else LONGEST_ASKED_S
        self._attempt = 0
        self._asked = 0.0
        self._began = run.context.clock.monotonic()

    def wait(self, error: ServiceError) -> Workflow[None]:
        """Wait for the next attempt, and keep a warning for the report.

        Raises:
            ServiceError: the one given: it will not help, or the attempts or the time are used up.
        """
        self._attempt += 1
        own = backoff(self._attempt, self._run.context.rng)
        wished = max((error.after or 0.0) - own, 0.0)
        more = min(wished, self._longest_asked - self._asked)
        spent = self._run.context.clock.monotonic() - self._began - self._asked
        late = spent + own > self._longest or wished > more == 0
        used_up = self._attempts is not None and self._attempt >= self._attempts
        if not error.again or used_up or late:
            raise error
        self._asked += more
        asked = "" if error.after is None else f" It is asked again after {own + more:.0f} s."
        if self._attempt <= _TOLD:
            self._run.retry(f"{self._name}, attempt {self._attempt}: {error.message}{asked}")
        yield from pause(own + more)


def read(run: ModelRun, name: str, function: Callable[[], T], *, attempts: int = ATTEMPTS) -> Workflow[T]:
    """Do a call without effect, again and again while that may help; `name` counts it in the report.

    Raises:
        ServiceError: it will not help, or the attempts or the time are used up.
    """
    budget = RetryBudget(run, name, attempts=attempts)
    while True:
        run.count(name)
        try:
            return (yield from call(function))
        except ServiceError as error:
            failure = error
        yield from budget.wait(failure)


def send(run: ModelRun, name: str, pool: Pool, function: Callable[[], Effect]) -> Workflow[Effect]:
    """Do an effect once; do it again only when the one before certainly never left.

    Raises:
        StoppedError: the run is to end, and nothing of this effect has left.
    """
    attempt = 0
    while True:
        attempt += 1
        run.count(name)
        effect: Effect = yield Work(pool=pool, function=function, effect=True)
        if not isinstance(effect, NeverSent) or attempt == SENDS:
            return effect
        run.retry(f"{name}, attempt {attempt}: {effect.message}")
        yield from pause(backoff(attempt, run.context.rng))


class Busy(Struct, kw_only=True):
    """A service that refuses a switch for now, since `began` (monotonic seconds)."""

    began: float
    count: int = 0

    def lasted(self, run: ModelRun) -> float:
        """Return for how many seconds."""
        return run.context.clock.monotonic() - self.began

    def wait(self, run: ModelRun, message: str) -> Workflow[None]:
        """Wait a little; the first time it is told."""
        self.count += 1
        if self.count == 1:
            run.retry(f"switch: {message} It is asked for again until the service takes it")
        left = run.model.wait.timeout.total_seconds() - self.lasted(run)
        yield from pause(max(min(backoff(self.count, run.context.rng), left), 0.0))


def get_key(run: ModelRun) -> Workflow[Secret]:
    """Return the model's API key.

    Raises:
        ModelError: it cannot be had.
    """
    if run.key is None:
        run.key = yield from _fetch(run)
        _warn_of_end(run)
    return run.key


def _warn_of_end(run: ModelRun) -> None:
    """Warn of a fetched key that ends soon: a training may outlive it."""
    told = run.context.keys.end_date(run.model)
    end = read_end(told) if told else None
    if end is not None and end - run.context.clock.now() <= ENDS_SOON:
        run.warn(f"the API key that was fetched for this run ends on {end:%Y-%m-%d}, so a training may outlive it")


def _fetch(run: ModelRun) -> Workflow[Secret]:
    keys, model = run.context.keys, run.model
    if keys.asks_service(model):
        return (yield from read(run, "api_key", lambda: keys.model_key(model)))
    return (yield from call(lambda: keys.model_key(model)))
