"""Attacks by who can put files into the inbox of a state, but not write its journal."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from runner.journal.events import DecisionTaken
from tests.fakes.world import ONE_MODEL, World
from tests.stress.hostile.attack import Attack

_BASIS = "0" * 64
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    "",
    "x" * 70_000,
    "../m",
    "a\x00b",
    "\ud7ff\u202e",
    [],
    {},
    [[]] * 500,
)


def _decision(rng: Random, name: str) -> dict[str, Any]:
    """Return a decision of the right form about what nobody was shown."""
    what = rng.choice(
        [
            {"action": "approve", "job": "job-1", "force": True, "record_only": False},
            {"action": "reject", "job": "job-1"},
            {"action": "rollback", "to": "job-1"},
            {"action": "resolve", "job": "job-1", "answer": "switched"},
            {"action": "adopt", "metrics": {"auc": "1e999"}, "eval": None, "eval_sha256": None, "result_sha256": None},
        ]
    )
    return {
        "version": 1,
        "decision_id": name,
        "left_at": "2026-03-01T00:00:00.000000Z",
        "by": "mallory\x1b[2J@desk",
        "ci_actor": None,
        "service": "service.test",
        "model": "m",
        "reason": "seen",
        "basis": _BASIS,
        "what": what,
    }


def _entry(rng: Random, name: str) -> bytes:
    decision = _decision(rng, name)
    if rng.random() < 0.8:
        target = rng.choice([decision, decision["what"]])
        target[rng.choice(list(target))] = rng.choice(_VALUES)
    content = msgspec.json.encode(decision)
    if rng.random() < 0.3:
        content = content[: rng.randrange(len(content))] + rng.randbytes(rng.randrange(9))
    return content


def _filled(folder: Path, rng: Random) -> Iterator[str]:
    """The inbox of a model that waits for a person is full of links, pipes, folders and forged decisions."""
    world = World(folder, ONE_MODEL.replace("type: threshold, rules: [{metric: auc, min: 0.9}]", "type: manual"))
    world.decides = True
    world.run()
    inbox, secret = world.state.inbox, folder / "secret"
    inbox.mkdir(exist_ok=True)
    secret.write_bytes(b"secret")
    for number in range(rng.randint(1, 30)):
        name = f"20260301T0000{number:02}Z-{rng.getrandbits(128):032x}"
        path = inbox / f"{name}{rng.choice(['.json', '.json', '.claim', '.txt', ''])}"
        match rng.randrange(6):
            case 0:
                path.symlink_to(secret)
            case 1:
                os.mkfifo(path)
            case 2:
                (path / "deep").mkdir(parents=True)
            case _:
                path.write_bytes(_entry(rng, name))
    ends = world.run()
    if ends["m"].outcome != "awaiting_approval":
        yield f"the run ended with {ends['m'].outcome}: {ends['m'].reason}"
    if world.service.effects["switch", "key-m"]:
        yield "somebody who was shown nothing switched the model"
    followed = [fact for fact in _taken(world) if fact.refused is None]
    if followed:
        yield f"followed: {followed}"
    if secret.read_bytes() != b"secret":
        yield "what a link leads to was changed"
    left = [name for name in world.store.inbox.pending() if not name.endswith(".claim")]
    if left:
        yield f"still in the inbox: {left}"


def _taken(world: World) -> Iterator[DecisionTaken]:
    log = world.store.open_log()
    try:
        yield from (link.event.fact for link in log.read() if isinstance(link.event.fact, DecisionTaken))
    finally:
        log.close()


ATTACKS = (Attack(name="the_inbox_is_full_of_garbage", sentence="S10", play=_filled),)
