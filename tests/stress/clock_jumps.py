"""The wall clock jumps at a call, as after a machine's sleep or a wrong time server; the monotonic clock does not."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from runner.providers.base import Effect
from tests.fakes.world import ONE_MODEL, UNCLEAR, FakeService, VirtualClock, World

JUMPS = (timedelta(days=-400), timedelta(hours=-1), timedelta(minutes=20), timedelta(days=400))
CALLS = ("upload_url", "put", "status", "download", "switch")
LOST = (None, "put before", "put after", "switch before", "switch after")
_WRONG, _RIGHT = 3, 2  # runs after the jump, and after the clock was set right again
_EXPECTED = {("upload", "key-m"): 1, ("switch", "key-m"): 1}


def jumps(folder: Path, *, every: int = 1) -> Iterator[tuple[str, str | None]]:
    """Try every jump at every call, with no answer lost or one; give each history's name and what it broke, if any.

    With `every` only one in so many histories is tried. While the clock is wrong nothing may be sent twice, and nothing
    at all needs to be; once it is set right everything is done.
    """
    histories = itertools.islice(itertools.product(JUMPS, CALLS, LOST), 0, None, every)
    for number, (jump, call, lost) in enumerate(histories):
        place = folder / str(number)
        place.mkdir()
        yield f"jump of {jump} at {call}, lost: {lost}", _broken(place, jump, call, lost)


def _broken(folder: Path, jump: timedelta, call: str, lost: str | None) -> str | None:
    clock = VirtualClock()
    world = World(folder, ONE_MODEL, service=FakeService(clock=clock))
    world.service.before = _Trouble(clock, jump, call, f"{lost}".removesuffix(" before"))
    world.service.after = _Trouble(clock, timedelta(0), "", f"{lost}".removesuffix(" after"))
    outcomes = [world.run()["m"].outcome for _ in range(_WRONG)]
    clock.ahead = timedelta(0)
    outcomes += [world.run()["m"].outcome for _ in range(_RIGHT)]
    done = dict(world.service.effects)
    return None if done == _EXPECTED and outcomes[-1] == "unchanged" else f"{outcomes}, {done}"


class _Trouble:
    """Lets the clock jump at a call, and loses the answer of one; each the first time only."""

    def __init__(self, clock: VirtualClock, jump: timedelta, call: str, lost: str) -> None:
        self._clock = clock
        self._waiting = {("jump", call), ("lose", lost)}
        self._jump = jump

    def __call__(self, call: str, _job: str) -> Effect | None:
        if self._met("jump", call):
            self._clock.ahead += self._jump
        return UNCLEAR if self._met("lose", call) else None

    def _met(self, what: str, call: str) -> bool:
        met = (what, call) in self._waiting
        self._waiting.discard((what, call))
        return met
