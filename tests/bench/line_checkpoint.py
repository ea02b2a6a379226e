"""What `status` and `plan` cost when the history is long: a year of nights, and a million events."""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.figure import Part, Row, at_most, number
from tests.bench.manifests import write_data, write_many
from tests.bench.measure import Cost, cost_of, in_turn
from tests.bench.services import retrain, script
from tests.bench.sizes import Sizes

_MODELS = 100
_EVENTS_A_NIGHT = 1003  # of so many models
_SHORT = 10  # nights
_NIGHTS = 365
_GROWTH, _MEMORY = 1.5, 100
_FLEET_SECONDS, _FLEET_MEMORY = 5, 300
_COMMANDS = ("status", "plan")


def measure(folder: Path, sizes: Sizes) -> Part:
    """Cost both commands on a short and on a long history, in turn, and once on a large fleet after a year."""
    short, long = folder / "short", folder / "long"
    _make(short, "history", _MODELS, _SHORT)
    _make(long, "history", _MODELS, max(sizes.history // _EVENTS_A_NIGHT, _SHORT))
    rows = [row for command in _COMMANDS for row in _growth(command, short, long, sizes)]
    _make(folder / "fleet", "year", sizes.models, _NIGHTS)
    return Part(rows=(*rows, *_fleet(folder / "fleet", sizes.models)))


def _make(folder: Path, kind: str, models: int, nights: int) -> None:
    folder.mkdir()
    write_data(folder, models)
    write_many(folder, models, url="http://127.0.0.1:9")  # which a plan does not ask
    cost_of(script("make_state", kind, str(folder), str(models), str(nights)))


def _command(command: str, folder: Path) -> Cost:
    manifest = [str(folder / "models.yaml")] if command == "plan" else []
    return cost_of(retrain(command, *manifest, "--state", str(folder / "state"), "--format", "json"))


def _growth(command: str, short: Path, long: Path, sizes: Sizes) -> Iterator[Row]:
    sides = [partial(_command, command, folder) for folder in (short, long)]
    few, many = in_turn(sides, rounds=sizes.rounds)
    seconds = [statistics.median(cost.seconds for cost in side) for side in (few, many)]
    memory = max(cost.mebibytes for cost in many)
    yield Row(
        what=f"`retrain {command}`, {_MODELS} models, a journal of {sizes.history:,} events",
        ours=f"{number(seconds[1])} s",
        peer=f"of {_SHORT * _EVENTS_A_NIGHT:,} events: {number(seconds[0])} s",
        ratio=f"{number(seconds[1] / seconds[0])}x",
        value=seconds[1] / seconds[0],
        target=at_most(_GROWTH, f"at most {_GROWTH}x"),
    )
    yield Row(
        what="its memory",
        ours=f"{number(memory)} MiB",
        value=memory,
        target=at_most(_MEMORY, f"at most {_MEMORY} MiB"),
    )


def _fleet(folder: Path, models: int) -> Iterator[Row]:
    for command in _COMMANDS:
        cost = _command(command, folder)
        yield Row(
            what=f"`retrain {command}`, {models:,} models after {_NIGHTS} nights (a checkpoint as a year leaves it)",
            ours=f"{number(cost.seconds)} s",
            value=cost.seconds,
            target=at_most(_FLEET_SECONDS, f"at most {_FLEET_SECONDS} s"),
        )
        yield Row(
            what="its memory",
            ours=f"{number(cost.mebibytes)} MiB",
            value=cost.mebibytes,
            target=at_most(_FLEET_MEMORY, f"at most {_FLEET_MEMORY} MiB"),
        )
