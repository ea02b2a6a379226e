"""Digest and checks of a CSV in one pass, against `sha256sum` and the csv module."""

from functools import partial
from pathlib import Path

from tests.bench.csv_files import write_plain, write_quoted, write_shift_jis, write_windows
from tests.bench.figure import Part, Row, Target, at_least, ratio, sample
from tests.bench.manifests import write_one
from tests.bench.measure import cost_of, in_turn
from tests.bench.services import script
from tests.bench.sizes import Sizes

_MIB = 1 << 20


def measure(folder: Path, sizes: Sizes) -> Part:
    """Check a file without quotes; and three other kinds of files, for information."""
    file = folder / "train.csv"
    rows = _rows(folder, write_plain(file, sizes.data) / _MIB, "quote-free", sizes.rounds)
    for write, kind, encoding in (
        (write_windows, "quote-free, lines end in CRLF", "utf-8"),
        (write_shift_jis, "quote-free, Shift_JIS", "cp932"),
        (write_quoted, "a quoted field in each row", "utf-8"),
    ):
        size = write(file, max(sizes.data // 4, 1)) / _MIB
        rows.append(_untargeted(_rows(folder, size, kind, sizes.rounds, encoding)[0]))
    return Part(rows=tuple(rows))


def _rows(folder: Path, size: float, kind: str, rounds: int, encoding: str = "utf-8") -> list[Row]:
    write_one(folder, "https://service.test")
    file = str(folder / "train.csv")
    sides = [script("our_data", str(folder)), ["sha256sum", file], script("csv_module", file, encoding)]
    ours, summed, read = in_turn([partial(cost_of, side) for side in sides], rounds=rounds)
    mine, module = [float(cost.output.split()[0]) for cost in ours], [float(cost.output) for cost in read]
    speed = sample([size / seconds for seconds in mine], "MiB/s")
    times = ratio(module, mine)
    return [
        Row(
            what=f"digest and checks, {size:,.0f} MiB of CSV, {kind}",
            ours=str(sample(mine, "s")),
            peer=f"the csv module alone: {sample(module, 's')}",
            ratio=f"{times} faster",
            value=times.median,
            target=at_least(8, "at least 8x the csv module"),
        ),
        Row(
            what="the same as a speed",
            ours=str(speed),
            peer=f"`sha256sum`, digest alone: {sample([size / cost.seconds for cost in summed], 'MiB/s')}",
            ratio=str(ratio(speed.values, [size / cost.seconds for cost in summed])),
            value=speed.median,
            target=_fast_enough(),
        ),
    ]


def _fast_enough() -> Target:
    return at_least(400e6 / _MIB, "at least 400 MB/s (381 MiB/s)")


def _untargeted(row: Row) -> Row:
    return Row(what=row.what, ours=row.ours, peer=row.peer, ratio=row.ratio)
