"""What a seed draws before and during a history: the service's traits, the models' settings, the troubles of runs."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from runner.manifest.model import Retrain, Wait
from tests.stress.simulated_inputs import POLICIES
from tests.stress.simulated_runner import Trouble
from tests.stress.simulated_service import WORDS, Traits
from tests.stress.simulated_time import ShownClock, Timeline

REALISTIC_EVERY = 4
LONGEST_TRAINING_S = 10000.0
URL_LIFETIMES = (60.0, 300.0, 900.0)  # the last is what the manifest assumes when a URL does not tell
QUARANTINES = (60.0, 150.0)
DEADLINES = (timedelta(minutes=4), timedelta(minutes=15), timedelta(hours=1))
MACHINES = 2
MOST_OFF_S = 25.0  # of a clock that is kept; two differ by less than the minute that is always allowed
MOST_SWAY_S, MOST_RATE = 8.0, 0.0005
LONG_DEADLINE = timedelta(hours=6)


class Draws:
    """Draws from one seed. Every fourth seed is realistic: 5 % faults and a service without rare traits."""

    def __init__(self, seed: int) -> None:
        self.realistic = seed % REALISTIC_EVERY == 0
        self.rng = random.Random(seed)  # noqa: S311 -- a seed is the point
        self.overlapping = not self.realistic and self.rng.random() < 0.35
        self.ambushed = not self.realistic and self.rng.random() < 0.2
        self.quarantine = self.rng.choice(QUARANTINES)
        self.traits = self._draw_traits()

    def _draw_traits(self) -> Traits:
        rng, calm = self.rng, self.realistic
        late = rng.choice((1.0, 20.0, self.quarantine * (0.4 if self.overlapping else 0.7)))
        return Traits(
            faults=0.05 if calm else rng.choice((0.0, 0.05, 0.2, 0.5)),
            words=WORDS[0] if calm else rng.choice(WORDS),
            url_s=rng.choice(URL_LIFETIMES),
            tells_expiry=calm or rng.random() < 0.8,
            tells_time=calm or rng.random() < 0.8,
            keeps_expiry=calm or (rng.random() < 0.5 and not self.ambushed),
            training_s=rng.choice(((1.0, 60.0), (60.0, 1500.0), (1500.0, LONGEST_TRAINING_S))),
            failing=0.1 if calm else rng.choice((0.0, 0.0, 0.2, 0.6)),
            deleting=0.0 if calm else rng.choice((0.0, 0.0, 0.05)),
            readable=calm or rng.random() < 0.7,
            names_model=calm or rng.random() < 0.9,
            latest=late,
            lag=0.0 if calm else rng.choice((0.0, 0.0, self.quarantine * 0.25)),
            lying=0.0 if calm else rng.choice((0.0, 0.0, 0.1, 0.4)),
            all_late=self.ambushed,
            low_priority=calm,
        )

    def clock(self, time: Timeline) -> ShownClock:
        """Return the clock of a machine or of the service as a time server keeps it, more or less."""
        rng = self.rng
        return ShownClock(
            time,
            ahead=self.near(),
            sway=rng.uniform(0.0, MOST_SWAY_S),
            rate=rng.uniform(-MOST_RATE, MOST_RATE),
        )

    def machines(self, time: Timeline) -> list[ShownClock]:
        """Return the clocks of the machines that take turns at the state, or are at it at once.

        Before an ambush they are as far apart as clocks that are kept can be: the first is slow, the second fast.
        """
        clocks = [self.clock(time) for _ in range(MACHINES)]
        if self.ambushed:
            far = MOST_OFF_S - MOST_SWAY_S
            clocks[0].ahead, clocks[1].ahead = -far, far
        return clocks

    def near(self) -> float:
        """Return by how many seconds a clock that is kept is off."""
        return self.rng.uniform(-1.0, 1.0) * (MOST_OFF_S - MOST_SWAY_S)

    def jump(self) -> float:
        """Return by how many seconds a clock is off that was set wrong.

        Two runners at once whom the service tells no time must have clocks that agree, within the tolerance. Where all
        is calm they are kept well.
        """
        if self.realistic or (self.overlapping and not self.traits.tells_time):
            return self.near()
        return self.rng.choice((-3600.0, -self.quarantine, 60.0, self.quarantine, 3600.0, 3600.0))

    def settings(self) -> dict[str, Any]:
        """Return what a model's manifest says at first."""
        rng = self.rng
        timeout = LONG_DEADLINE if rng.random() < 0.02 or self.realistic else rng.choice(DEADLINES)
        poll = rng.choice((None, None, timedelta(minutes=5)))
        return {
            "version": 1,
            "policy": rng.choice(POLICIES),
            "retrain": Retrain(attempts=rng.choice((1, 2, 2, 3))),
            "wait": Wait(timeout=timeout, poll=poll),
        }

    def ambush(self) -> Trouble:
        """Let a runner sleep at the worst moment.

        One beside others: between an intent and its request, until about when it may no longer send. One alone: over
        the first answer about a request without a result.
        """
        if not self.overlapping:
            long = self.traits.url_s + 3 * self.quarantine
            return Trouble(near_effects=True, suspend_at=self.rng.choice((6, 7, 8, 9)), suspend_s=long)
        fence = self.rng.choice((self.traits.url_s, 60.0))
        early = self.rng.uniform(-2.0, 1.0) * self.traits.latest
        return Trouble(near_effects=True, suspend_at=self.rng.choice((1, 2)), suspend_s=max(fence - early, 0.0))

    def trouble(self, jump_clock: Callable[[], None]) -> Trouble:
        """Return what befalls an ordinary run."""
        rng = self.rng
        crash = rng.random() < (0.3 if self.realistic else 0.6)
        suspend = not self.realistic and rng.random() < (0.7 if self.overlapping else 0.2)
        stop = rng.random() < (0.02 if self.realistic else 0.1)
        jump = rng.random() < 0.3
        near = rng.random() < 0.5
        return Trouble(
            near_effects=near,
            crash_at=self._point(near) if crash else None,
            suspend_at=self._point(near) if suspend else None,
            suspend_s=self._sleep(),
            jump_at=self._point(near) if jump else None,
            jump=jump_clock,
            stop_after_s=rng.expovariate(1 / 300) if stop else None,
        )

    def _sleep(self) -> float:
        """Return how long a runner is suspended; often until just before its fences close."""
        rng = self.rng
        if rng.random() < 0.4:
            return rng.uniform(0.8, 1.0) * rng.choice((self.traits.url_s, 60.0))
        return rng.choice((1.0, 30.0, 200.0, 1000.0, 10000.0)) * rng.random()

    def _point(self, near: bool) -> int:
        """Return the number of a point: one of all in a run, or one of the few near its effects."""
        return self.rng.randint(1, self.rng.choice((6, 9, 18) if near else (30, 60, 120)))
