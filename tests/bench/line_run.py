"""The whole of `retrain run` for one file, with a service that answers at once, against the vendor's sample script."""

import shutil
from functools import partial
from pathlib import Path

from tests.bench.csv_files import write_plain
from tests.bench.figure import Part, Row, at_least, at_most, ratio, sample
from tests.bench.manifests import keys, write_one
from tests.bench.measure import Cost, cost_of, in_turn
from tests.bench.services import make_authority, retrain, script, sink
from tests.bench.sizes import Sizes

_MIB = 1 << 20
_GIGABIT = 117  # MiB/s of a line of 1 Gbit/s


def measure(folder: Path, sizes: Sizes) -> Part:
    """Run over http and https: digest, check, upload, wait, download, judge, switch, report; the script only sends."""
    size = write_plain(folder / "train.csv", sizes.data) / _MIB
    authority, server = make_authority(folder)
    rows: list[Row] = []
    for certificate, speed in ((None, None), (server, None), (None, _GIGABIT)):
        with sink(certificate, speed) as url:
            manifest = write_one(folder, url)
            words = ["run", str(manifest), "--state", str(folder / "state"), "-q"]
            ours = script("trusting", str(authority), *words) if certificate else retrain(*words)
            peer = script("vendor_sample", url, "bench-key", str(folder / "train.csv"))
            trust = {"REQUESTS_CA_BUNDLE": str(authority)} if certificate else {}
            mine, theirs = in_turn(
                [partial(_fresh, folder / "state", ours), partial(cost_of, peer, trust)], rounds=sizes.rounds
            )
            line = f" at {speed} MiB/s, as a line of 1 Gbit/s" if speed else ""
            rows += _rows(f"{size:,.0f} MiB, {url.partition(':')[0]}{line}", mine, theirs)[: 1 if speed else None]
    return Part(rows=tuple(rows))


def _fresh(state: Path, command: list[str]) -> Cost:
    """Run from a state without history: a first run reads the data no less often than a later one."""
    shutil.rmtree(state, ignore_errors=True)
    return cost_of(command, keys(0))


def _rows(size: str, mine: list[Cost], theirs: list[Cost]) -> list[Row]:
    times = ratio([cost.seconds for cost in theirs], [cost.seconds for cost in mine])
    memory = sample([cost.mebibytes for cost in mine], "MiB")
    peer = sample([cost.mebibytes for cost in theirs], "MiB")
    share = memory.median / peer.median
    return [
        Row(
            what=f"`retrain run`, {size}",
            ours=str(sample([cost.seconds for cost in mine], "s")),
            peer=f"the vendor's sample: {sample([cost.seconds for cost in theirs], 's')}",
            ratio=f"{times} faster",
            value=times.median,
            target=at_least(1, "faster"),
        ),
        Row(
            what="its memory, of all that it holds",
            ours=str(memory),
            peer=str(peer),
            ratio=f"{100 * share:.1f} %",
            value=100 * share,
            target=at_most(5, "at most 5 % of its memory"),
        ),
        Row(
            what="its memory, as such",
            ours=str(memory),
            value=max(memory.values),
            target=at_most(100, "at most 100 MiB"),
        ),
    ]
