"""Packing training and evaluation data into the upload's zip, against the vendor's way."""

import importlib.util
import os
from functools import partial
from pathlib import Path

from tests.bench.csv_files import write_plain
from tests.bench.figure import Part, Row, at_least, at_most, ratio, sample
from tests.bench.manifests import write_packed
from tests.bench.measure import cost_of, in_turn
from tests.bench.services import script
from tests.bench.sizes import Sizes

_MIB = 1 << 20
_EVAL_SHARE = 4  # the evaluation file is a quarter of the whole


def measure(folder: Path, sizes: Sizes) -> Part:
    """Pack on one core and on two; the vendor's zipfile knows one only."""
    size = write_plain(folder / "train.csv", sizes.packed - sizes.packed // _EVAL_SHARE)
    size += write_plain(folder / "eval.csv", sizes.packed // _EVAL_SHARE)
    write_packed(folder)
    ours = script("our_data", str(folder))
    theirs = script("vendor_zip", *(str(folder / name) for name in ("train.csv", "eval.csv", "vendor.zip")))
    two = 2 if len(os.sched_getaffinity(0)) > 1 else None
    one_core, two_cores, vendor = in_turn(
        [partial(cost_of, ours, cores=1), partial(cost_of, ours, cores=two), partial(cost_of, theirs, cores=1)],
        rounds=sizes.rounds,
    )
    zipped = (folder / "vendor.zip").stat().st_size
    peer = [float(cost.output) for cost in vendor]
    seconds = [[float(cost.output.split()[1]) for cost in side] for side in (one_core, two_cores)]
    what = f"packing train and eval, {size / _MIB:,.0f} MiB"
    packed = int(one_core[0].output.split()[2])
    return Part(
        rows=(
            _row(f"{what}, one core", seconds[0], peer, 13),
            _row(f"{what}, two cores", seconds[1], peer, 20)
            if two
            else Row(what=f"{what}, two cores", ours="", trouble="there is one processor"),
            Row(
                what=f"size of the zip, by {'python-isal' if importlib.util.find_spec('isal') else 'zlib'}",
                ours=f"{packed / _MIB:,.1f} MiB",
                peer=f"{zipped / _MIB:,.1f} MiB",
                ratio=f"{packed / zipped:.2f}x",
                value=packed / zipped,
                target=at_most(1.25, "at most 1.25x its size"),
            ),
        )
    )


def _row(what: str, mine: list[float], peer: list[float], limit: int) -> Row:
    times = ratio(peer, mine)
    return Row(
        what=what,
        ours=str(sample(mine, "s")),
        peer=f"zipfile, level 6: {sample(peer, 's')}",
        ratio=f"{times} faster",
        value=times.median,
        target=at_least(limit, f"at least {limit}x faster"),
    )
