"""Data of an object store: sent to the service against read alone, and looked at where it is known."""

from functools import partial
from pathlib import Path
from urllib.request import urlopen

from tests.bench.figure import Part, Row, at_least, at_most, ratio, sample
from tests.bench.measure import cost_of, in_turn
from tests.bench.services import data_store, script, sink
from tests.bench.sizes import Sizes

_MIB = 1 << 20


def measure(_folder: Path, sizes: Sizes) -> Part:
    """Read and send one table in turn, then look at as many as one manifest has models."""
    with data_store(sizes.data * _MIB) as store, sink() as service:
        sides = [partial(cost_of, script("our_remote", what, store, service, "1")) for what in ("send", "read")]
        sent, read = in_turn(sides, rounds=sizes.rounds)
        speeds = [[sizes.data / float(cost.output) for cost in side] for side in (sent, read)]
        share, memory = ratio(*speeds), sample([cost.mebibytes for cost in sent], "MiB")
        rows = [
            Row(
                what=f"an object to the service, {sizes.data:,} MiB",
                ours=str(sample(speeds[0], "MiB/s")),
                peer=f"read alone: {sample(speeds[1], 'MiB/s')}",
                ratio=str(share),
                value=share.median,
                target=at_least(0.8, "at least 0.8x the speed of reading"),
            ),
            Row(
                what="memory of it",
                ours=str(memory),
                value=max(memory.values),
                target=at_most(100, "at most 100 MiB"),
            ),
        ]
    with data_store(_MIB) as store:
        looked = cost_of(script("our_remote", "plan", store, "-", str(sizes.models)))
        seconds = float(looked.output)
        rows.append(
            Row(
                what=f"the data of {sizes.models:,} models that is known, {_reads(store)} reads of its content",
                ours=f"{seconds:.1f} s",
                value=seconds if _reads(store) == 0 else float("inf"),
                target=at_most(15, "at most 15 s, nothing read"),
            )
        )
    return Part(rows=tuple(rows))


def _reads(store: str) -> int:
    with urlopen(f"{store}/reads") as answer:
        return int(answer.headers["Reads"])
