"""The upload stage alone against `curl -T`, to the same server."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench.csv_files import write_plain
from tests.bench.figure import Part, Row, at_least, at_most, ratio, sample
from tests.bench.measure import Cost, cost_of, in_turn
from tests.bench.services import make_authority, script, sink
from tests.bench.sizes import Sizes

_MIB = 1 << 20


def measure(folder: Path, sizes: Sizes) -> Part:
    """Send one file over http and https; each side tells by its own clock how long the transfer took."""
    file = folder / "train.csv"
    size = write_plain(file, sizes.data) / _MIB
    authority, server = make_authority(folder)
    rows: list[Row] = []
    for certificate in (None, server):
        with sink(certificate) as url:
            ours = script("our_upload", url, str(file), *([str(authority)] if certificate else []))
            rows += _rows(url, size, partial(cost_of, ours), partial(cost_of, _curl(url, file, authority)), sizes)
    return Part(rows=tuple(rows))


def _curl(url: str, file: Path, authority: Path) -> list[str]:
    told = ["--write-out", "%{time_total}", "--output", "/dev/null"]
    return [
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        *told,
        "--cacert",
        str(authority),
        "-T",
        str(file),
        f"{url}/store/curl",
    ]


def _rows(url: str, size: float, ours: Callable[[], Cost], peer: Callable[[], Cost], sizes: Sizes) -> list[Row]:
    scheme = url.partition(":")[0]
    mine, theirs = in_turn([ours, peer], rounds=sizes.rounds)
    speeds = [[size / float(cost.output) for cost in side] for side in (mine, theirs)]
    faster = ratio(*speeds)
    memory = sample([cost.mebibytes for cost in mine], "MiB")
    return [
        Row(
            what=f"upload stage, {size:,.0f} MiB, {scheme}",
            ours=str(sample(speeds[0], "MiB/s")),
            peer=f"`curl -T`: {sample(speeds[1], 'MiB/s')}",
            ratio=str(faster),
            value=faster.median,
            target=at_least(1.1, "at least 1.1x its speed"),
        ),
        Row(
            what=f"memory of the upload, {scheme}",
            ours=str(memory),
            peer=f"{sample([cost.mebibytes for cost in theirs], 'MiB')}",
            value=max(memory.values),
            target=at_most(100, "at most 100 MiB"),
        ),
    ]
