"""Situations in which the executor is killed at every line, each a fresh world with what goes wrong in it.

`prepare` may run the world first; the run that is killed comes after. Effects are what the service must have seen in
the end, whatever line the kill came at. A model `may_stay_unknown` where a switch was lost already: killed at the last
one that its decision is allowed, nothing is repeated, and a person has to look.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from runner.providers.base import Effect
from tests.fakes.world import EXPIRED, NEVER_SENT, UNCLEAR, CrashError, World, service_error

MANIFEST = """
version: 1
service: {url: "https://service.test", quarantine: 30s}
limits: {parallel: 2, uploads: 1}
datasets: {d: {train: data.csv}}
policies:
  p: {type: threshold, rules: [{metric: auc, min: 0.9}]}
models:
  m: {api_key: {env: KEY}, dataset: d, policy: p, wait: {poll: 4m}}
"""
_TWO = MANIFEST + "  n: {api_key: {env: OTHER}, dataset: d, policy: p, wait: {poll: 4m}}\n"
_ONCE: Mapping[tuple[str, str], int] = {("upload", "key-m"): 1, ("switch", "key-m"): 1}


Fault = Callable[[str, str], Effect | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A world to be killed in; `rests` is False where every later run has to ask the service again."""

    name: str
    prepare: Callable[[World], None]
    manifest: str = MANIFEST
    effects: Mapping[tuple[str, str], int] = field(default_factory=lambda: _ONCE)
    rests: bool = True
    may_stay_unknown: bool = False


@dataclass(slots=True, kw_only=True)
class Once:
    """Meets the first call of a name, and lets the others pass. A copied service has a copy of its own."""

    call: str
    act: Callable[[], Effect | None]
    met: bool = False

    def __call__(self, name: str, _job: str) -> Effect | None:
        """Act at the first such call."""
        if name != self.call or self.met:
            return None
        self.met = True
        return self.act()


def _answers(call: str, effect: Effect, *, side: str = "before") -> Callable[[World], None]:
    """Let the first such call end so, before or after it had its effect."""
    return lambda world: setattr(world.service, side, Once(call=call, act=lambda: effect))


def _raises(call: str, error: Callable[[], BaseException], *, side: str = "before") -> Callable[[World], None]:
    def act() -> Effect | None:
        raise error()

    return lambda world: setattr(world.service, side, Once(call=call, act=act))


def _outage() -> BaseException:
    return service_error(None, again=True)


def _killed(call: str, *, side: str = "before") -> Callable[[World], None]:
    """Kill a first run at its first such call."""

    def prepare(world: World) -> None:
        _raises(call, CrashError, side=side)(world)
        with suppress(CrashError):
            world.run()

    return prepare


def _one_pass(world: World) -> None:
    world.one_pass_from = 1


def _one_pass_refused(world: World) -> None:
    world.one_pass_from = 1
    _answers("put", EXPIRED)(world)


def _held_then_allowed(world: World) -> None:
    world.service.metrics = {"AUC": "0.85"}
    world.run()
    world.write_manifest(MANIFEST.replace("min: 0.9", "min: 0.8"))


def _held(world: World) -> None:
    world.service.metrics = {"AUC": "0.85"}


def _failing(world: World) -> None:
    world.service.fails = "too few rows"


@dataclass(slots=True, kw_only=True)
class Signalled(Once):
    """A signal to one process: whoever comes after that process was killed does not get it."""

    def __deepcopy__(self, _memo: object) -> Fault:
        """Return what a copied world has in its place."""
        return lambda _name, _job: None


def _stopped(world: World) -> None:
    """Send the signal during the upload."""

    def act() -> None:
        assert world.coordinator is not None
        world.coordinator.stop("SIGTERM")

    world.service.after = Signalled(call="put", act=act)


def _unreadable(world: World) -> None:
    world.service.readable = False
    _answers("switch", UNCLEAR, side="after")(world)


SITUATIONS = (
    Situation(name="undisturbed", prepare=lambda _world: None),
    Situation(
        name="two models",
        prepare=lambda _world: None,
        manifest=_TWO,
        effects={(effect, key): 1 for effect in ("upload", "switch") for key in ("key-m", "key-n")},
    ),
    Situation(name="checked while it is sent", prepare=_one_pass),
    Situation(name="checked while it is sent, and refused at once", prepare=_one_pass_refused),
    Situation(name="upload arrived, answer lost", prepare=_answers("put", UNCLEAR, side="after")),
    Situation(name="upload lost", prepare=_answers("put", UNCLEAR)),
    Situation(name="upload never sent", prepare=_answers("put", NEVER_SENT)),
    Situation(name="upload URL expired", prepare=_answers("put", EXPIRED)),
    Situation(name="killed before the upload arrived", prepare=_killed("put")),
    Situation(name="killed after the upload arrived", prepare=_killed("put", side="after")),
    Situation(name="switched, answer lost", prepare=_answers("switch", UNCLEAR, side="after")),
    Situation(name="switch lost", prepare=_answers("switch", UNCLEAR), may_stay_unknown=True),
    Situation(name="switch never sent", prepare=_answers("switch", NEVER_SENT)),
    Situation(name="killed before the switch arrived", prepare=_killed("switch"), may_stay_unknown=True),
    Situation(name="killed after the switch arrived", prepare=_killed("switch", side="after")),
    Situation(name="switch that cannot be read back", prepare=_unreadable, rests=False),
    Situation(name="calls fail and come back", prepare=_raises("upload_url", _outage)),
    Situation(name="download fails and comes back", prepare=_raises("download", _outage)),
    Situation(name="stopped by a signal during the upload", prepare=_stopped),
    Situation(name="held", prepare=_held, effects={("upload", "key-m"): 1}),
    Situation(name="held, then allowed by another policy", prepare=_held_then_allowed),
    Situation(name="trainings fail", prepare=_failing, effects={("upload", "key-m"): 2}),
)
