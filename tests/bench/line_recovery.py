"""What it costs to find out where everything stands: `retrain status` on a long journal."""

from functools import partial
from pathlib import Path

from tests.bench.figure import Part, Row, at_most, sample
from tests.bench.measure import cost_of, in_turn
from tests.bench.services import retrain, script
from tests.bench.sizes import Sizes

_MODELS = 100
_EVENTS_OF_A_MODEL = 12  # in a run that trains and switches


def measure(folder: Path, sizes: Sizes) -> Part:
    """Write the nights of a fleet until the journal is long enough, then ask."""
    models = min(_MODELS, sizes.models)
    nights = -(-sizes.events // (models * _EVENTS_OF_A_MODEL))
    words = ["history", str(folder), str(models), str(nights)]
    events = int(cost_of(script("make_state", *words)).output)
    state = folder / "state"
    (costs,) = in_turn([partial(cost_of, retrain("status", "--state", str(state)))], rounds=sizes.rounds)
    seconds = sample([cost.seconds for cost in costs], "s")
    return Part(
        rows=(
            Row(
                what=f"`retrain status`, {events:,} events ({models} models, {nights} nights)",
                ours=f"{seconds}; {sample([cost.mebibytes for cost in costs], 'MiB')}",
                value=seconds.median,
                target=at_most(2, "at most 2 s"),
            ),
        )
    )
