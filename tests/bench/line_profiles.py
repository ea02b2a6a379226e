"""Where the time of the slowest things goes, and what bounds them."""

import pstats
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.csv_files import write_plain
from tests.bench.figure import Part
from tests.bench.manifests import keys, write_data, write_many, write_one
from tests.bench.measure import ROOT, cost_of
from tests.bench.services import script, sink
from tests.bench.sizes import Sizes

_SHOWN = 8
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Processor seconds in one function itself, and how often it was called."""

    name: str
    seconds: float
    calls: int


# Written by hand, after looking at the tables; the figures are the command's.
_BOUNDS: Mapping[str, str] = {
    "run": "Bounded by the processors: SHA-256 in one thread, a look at every byte for delimiters and line ends in "
    "another (`translate`, which keeps nothing else), sending in a third, and the service that receives, all on this "
    "machine. The vendor's sample neither looks nor digests, so it is ahead wherever the connection is as fast as "
    "memory. Over https, encryption keeps the sender's processor busy for nearly the whole transfer, and decryption "
    "the service's for two thirds.",
    "validate": "Bounded by Python's own steps for each YAML event (a value, its line, its column) and for each key "
    "that is compared with the schema; no single function stands out.",
    "verify": "Bounded by doing the run's thinking again, in Python: each event decoded, chained and held against its "
    "schema, each decision judged from its result, each model's part of every report rendered and compared. No single "
    "one of them stands out.",
}


def measure(folder: Path, sizes: Sizes) -> Part:
    """Profile a run of one large file, the validation of many models, and the audit of a large run."""
    texts = [_run(folder, sizes), _validate(folder, sizes), _verify(folder, sizes)]
    return Part(heading="Where the time goes", text="\n\n".join(texts))


def _run(folder: Path, sizes: Sizes) -> str:
    write_plain(folder / "train.csv", sizes.data)
    with sink() as url:
        words = ["run", str(write_one(folder, url)), "--state", str(folder / "one"), "-q"]
        return _table(folder, f"`retrain run`, {sizes.data:,} MiB of CSV", words, keys(0), _BOUNDS["run"])


def _validate(folder: Path, sizes: Sizes) -> str:
    words = ["validate", str(write_many(folder, sizes.models))]
    return _table(folder, f"`retrain validate`, {sizes.models:,} models", words, {}, _BOUNDS["validate"])


def _verify(folder: Path, sizes: Sizes) -> str:
    models = sizes.driven
    write_data(folder, models)
    cost_of(script("make_state", "run", str(folder), str(models)))
    state = folder / "state"
    return _table(
        folder,
        f"`retrain verify`, a run of {models:,} models",
        ["verify", "--state", str(state)],
        {},
        _BOUNDS["verify"],
    )


def _table(folder: Path, name: str, words: Sequence[str], environment: Mapping[str, str], bound: str) -> str:
    file = folder / "profile"
    cost_of(script("profiled", str(file), *words), environment)
    spent = _spent(file)
    whole = sum(one.seconds for one in spent)
    lines = [
        f"| {one.name} | {one.calls:,} | {one.seconds:.2f} | {100 * one.seconds / whole:.0f} % |"
        for one in spent[:_SHOWN]
    ]
    head = f"{name}: {whole:.1f} s of processor time under the profiler, in all threads.\n"
    return "\n".join(
        [head, "| function | calls | seconds in itself | share |", "| --- | --- | --- | --- |", *lines, "", bound]
    )


def _spent(file: Path) -> list[Spent]:
    """Return all functions, the dearest first."""
    stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(str(file)).stats  # type: ignore[attr-defined] # it is there since Python 1
    found = [Spent(name=_name(*where), seconds=own, calls=calls) for where, (_, calls, own, _, _) in stats.items()]
    return sorted(found, key=lambda one: -one.seconds)


def _name(file: str, _line: int, function: str) -> str:
    """Name a function without a path of this machine."""
    if file == "~":
        return f"`{_ADDRESS.sub('', function).strip('<>')}`"
    path = Path(file)
    place = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT / "runner") else "/".join(path.parts[-2:])
    return f"`{place}: {function}`"
