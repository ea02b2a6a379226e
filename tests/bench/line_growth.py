"""What each command costs a model, at ten models and at ten thousand."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figure import Part, Row, at_most, exponent, number
from tests.bench.manifests import keys, write_data, write_many
from tests.bench.measure import Cost, cost_of
from tests.bench.services import retrain, script, slow_service
from tests.bench.sizes import Sizes

_REPEATS = 3
_PARALLEL = 64
_STEEPEST = 1.2
_ABOUT = """\
What a whole command takes, the start of the program included: seconds, milliseconds for each model, peak memory; the
median of three, at the largest size one. `run` meets a service whose trainings take no time; the states of more models
than it is run with are made from one real run, and the other commands see them as a run leaves them."""
_COMMANDS = ("validate", "plan", "run", "status", "verify", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A project of so many models: its manifest, and the state after one run of all of them."""

    models: int
    folder: Path
    manifest: Path
    state: Path


def measure(folder: Path, sizes: Sizes) -> Part:
    """Cost every command at every size: the median of three, and of what is not run itself one."""
    found: dict[str, dict[int, Cost]] = {name: {} for name in _COMMANDS}
    for models in sizes.growth:
        for name, cost in _costs(folder, models, driven=models <= sizes.driven).items():
            found[name][models] = cost
        shutil.rmtree(folder / str(models))
    return Part(
        rows=tuple(_row(name, costs) for name, costs in found.items()),
        heading="Growth",
        text=_text(found, sizes.growth),
    )


def _costs(folder: Path, models: int, *, driven: bool) -> Mapping[str, Cost]:
    place = folder / str(models)
    place.mkdir()
    write_data(place, models)
    with slow_service(0, 0) as url:
        manifest = write_many(place, models, url=url, parallel=_PARALLEL)
        fleet = Fleet(models=models, folder=place, manifest=manifest, state=place / "state")
        costs = {"run": _run(fleet)} if driven else {}
        if not driven:
            cost_of(script("make_state", "run", str(place), str(models)))
    words = {
        "validate": ["validate", str(manifest)],
        "plan": ["plan", str(manifest)],
        "status": ["status"],
        "verify": ["verify"],
        "report": ["report", "--format", "html"],
    }
    repeats = _REPEATS if driven else 1
    return {**costs, **{name: _median(fleet, command, repeats) for name, command in words.items()}}


def _run(fleet: Fleet) -> Cost:
    """Run all models on a service whose trainings take no time, each time from the beginning."""
    costs = []
    for _ in range(_REPEATS):
        shutil.rmtree(fleet.state, ignore_errors=True)
        command = retrain("run", str(fleet.manifest), "--state", str(fleet.state), "-q")
        costs.append(cost_of(command, keys(fleet.models)))
    return _middle(costs)


def _median(fleet: Fleet, words: list[str], repeats: int) -> Cost:
    with_state = [] if words[0] == "validate" else ["--state", str(fleet.state)]
    return _middle([cost_of(retrain(*words, *with_state), keys(fleet.models)) for _ in range(repeats)])


def _middle(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.seconds)[len(costs) // 2]


def _row(name: str, costs: Mapping[int, Cost]) -> Row:
    sizes, seconds = list(costs), [cost.seconds for cost in costs.values()]
    steepness = exponent(sizes, seconds)
    return Row(
        what=f"growth of `retrain {name}` from {sizes[-2]:,} to {sizes[-1]:,} models, as an exponent",
        ours=f"{number(steepness)} ({seconds[-1] / seconds[-2]:.1f}x the time)",
        value=steepness,
        target=at_most(_STEEPEST, f"at most {_STEEPEST} (linear is 1)"),
    )


def _text(found: Mapping[str, Mapping[int, Cost]], sizes: Sequence[int]) -> str:
    head = f"{_ABOUT}\n\n| command | " + " | ".join(f"{models:,} models" for models in sizes) + " | exponent |\n"
    lines = [_line(name, costs, sizes) for name, costs in found.items()]
    return head + "| --- " * (len(sizes) + 2) + "|\n" + "\n".join(lines)


def _line(name: str, costs: Mapping[int, Cost], sizes: Sequence[int]) -> str:
    cells = [_cell(models, costs.get(models)) for models in sizes]
    steepness = exponent(list(costs), [cost.seconds for cost in costs.values()])
    return f"| `retrain {name}` | {' | '.join(cells)} | {number(steepness)} |"


def _cell(models: int, cost: Cost | None) -> str:
    if cost is None:
        return "not run"
    return f"{number(cost.seconds)} s, {number(1000 * cost.seconds / models)} ms each, {number(cost.mebibytes)} MiB"
