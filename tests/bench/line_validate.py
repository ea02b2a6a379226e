"""`retrain validate` of many models in one file, against check-jsonschema on the same file and schema."""

from functools import partial
from pathlib import Path

from runner.lib.schemas import schema_path
from tests.bench.figure import Part, Row, at_least, at_most, exponent, ratio, sample
from tests.bench.manifests import write_many
from tests.bench.measure import cost_of, in_turn
from tests.bench.services import TOOL, retrain
from tests.bench.sizes import Sizes


def measure(folder: Path, sizes: Sizes) -> Part:
    """Compare on all models, and ours with itself on a quarter of them."""
    for count in (sizes.models, sizes.models // 4):
        (folder / str(count)).mkdir()
        write_many(folder / str(count), count)
    file, part = (folder / str(count) / "models.yaml" for count in (sizes.models, sizes.models // 4))
    peer = [str(TOOL / "check-jsonschema"), "--schemafile", str(schema_path("manifest")), str(file)]
    ours, smaller, theirs = in_turn(
        [
            partial(cost_of, command)
            for command in (retrain("validate", str(file)), retrain("validate", str(part)), peer)
        ],
        rounds=sizes.rounds,
    )
    seconds, quarter, others = ([cost.seconds for cost in side] for side in (ours, smaller, theirs))
    times = ratio(others, seconds)
    growth = sample([exponent((1, 4), pair) for pair in zip(quarter, seconds, strict=True)])
    return Part(
        rows=(
            Row(
                what=f"`retrain validate`, {sizes.models:,} models in one file",
                ours=f"{sample(seconds, 's')}; {sample([cost.mebibytes for cost in ours], 'MiB')}",
                peer=f"check-jsonschema: {sample(others, 's')}; {sample([cost.mebibytes for cost in theirs], 'MiB')}",
                ratio=f"{times} faster",
                value=times.median,
                target=at_least(8, "at least 8x faster"),
            ),
            Row(
                what=f"its growth from {sizes.models // 4:,} to {sizes.models:,} models, as an exponent",
                ours=str(growth),
                value=growth.median,
                target=at_most(1.1, "at most 1.1 (linear is 1)"),
            ),
        )
    )
