"""Attacks by who can write `format.json`, which says of how many partitions a state is."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from runner.app.planning.shards import group_of
from runner.app.state.manage import init_state, show_state
from runner.app.state.open_state import open_state
from runner.app.state.partitions import refuse_part
from runner.errors import RetrainError
from tests.stress.hostile.attack import Attack

_NUMBERS: tuple[Any, ...] = (0, -1, 1001, 10**30, 2.5, "8", None, True, [3], {"a": 1})
_GROUPS = ("$(id)", "a b", "../x", "<b>", "\x1b[2J", "x" * 101, "-rf", "a\nb")


def _damaged(folder: Path, rng: Random) -> Iterator[str]:
    """The number of partitions is garbage, gone or behind a link, and one partition is given as the state."""
    state, secret = folder / "state", folder / "secret"
    init_state(str(state), 3)
    file = state / "format.json"
    right = file.read_bytes()
    match rng.randrange(4):
        case 0:
            value = json.loads(right)
            value[rng.choice(("partitions", "format"))] = rng.choice(_NUMBERS)
            file.write_bytes(msgspec.json.encode(value))
        case 1:
            file.write_bytes(right[: rng.randrange(len(right) - 2)] + rng.randbytes(rng.randrange(9)))
        case 2:
            file.unlink()
        case _:
            secret.write_bytes(right)
            file.unlink()
            file.symlink_to(secret)
    for use in (show_state, lambda name: open_state(name).open_log(), lambda name: open_state(name).read_log()):
        try:
            use(str(state))
            yield f"{file.name} as {file.exists() and file.read_bytes()!r} was believed"
        except RetrainError:
            pass
    if (state / "journal.sqlite3").exists():
        yield "a journal was begun beside the partitions"
    file.unlink(missing_ok=True)
    file.write_bytes(right)
    try:
        refuse_part(f"{state}/partitions/000{rng.randrange(3)}")
        yield "one partition was taken for the state of a run"
    except RetrainError:
        pass
    group = rng.choice(_GROUPS)
    with suppress(RetrainError):
        yield f"{group_of(group, {})!r} was taken for the name of a group"


ATTACKS = (Attack(name="the_number_of_partitions_is_garbage", sentence="S11", play=_damaged),)
