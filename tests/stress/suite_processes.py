"""Several real processes on one state: started at once, and stopped longer than anything waits."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.stress import side_by_side
from tests.stress.figure import Figure

_AT_ONCE = 2 * (os.cpu_count() or 1)  # most of a trial's time is waiting
_DECISIONS = 40  # left while a run holds the state, which is killed
_STARTS = 60  # the full figure, half of them with two runners and half with three


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thing that several processes do; `play` yields the promises they broke."""

    name: str
    play: Callable[[], Iterator[str]]


def measure(count: int | None) -> Iterator[Figure]:
    """Yield a figure for each kind of scene; `count` bounds the points of each."""
    yield figure("runners started at once", starts(min(count or _STARTS, _STARTS)))
    yield figure("killed while a person decides", decisions(min(count or _DECISIONS, _DECISIONS)))
    yield figure("SIGSTOP longer than URL and quarantine", stops()[:count])
    yield figure("unlocked within an upload", [Trial(name="stopped at the head", play=side_by_side.deprived)])


def starts(count: int) -> list[Trial]:
    """Return trials with two and with three runners, each from a seed."""
    return [
        Trial(
            name=f"{runners} runners, seed {seed}",
            play=partial(side_by_side.together, runners, seed),
        )
        for seed in range(count)
        for runners in (2 + seed % 2,)
    ]


def decisions(count: int) -> list[Trial]:
    """Return trials with a run that is killed while a decision is on its way to it, each from a seed."""
    return [Trial(name=f"decided, seed {seed}", play=partial(side_by_side.decided, seed)) for seed in range(count)]


def stops() -> list[Trial]:
    """Return a stop at every call of a run, before and after its effect, woken after and during the next run."""
    return [
        Trial(
            name=f"stopped at {call} {moment}, woken {'after' if after else 'during'} the next run",
            play=partial(side_by_side.stopped, call, moment, wake_after=after),
        )
        for call, moment in side_by_side.STOPS
        for after in (True, False)
    ]


def figure(name: str, trials: Sequence[Trial]) -> Figure:
    """Play all trials, several at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        broken = [one for found in pool.map(played, trials) for one in found]
    return Figure(name=name, points=len(trials), violations=len(broken), detail="; ".join(broken[:20]))


def played(trial: Trial) -> list[str]:
    """Play one trial and return what it broke, under its name."""
    try:
        return [f"{trial.name}: {one}" for one in trial.play()]
    except AssertionError as error:
        return [f"{trial.name}: {error}"]
