"""How long a command takes to begin: `retrain --version` and `validate` of a small file, against their peers."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from runner.lib.schemas import schema_path
from tests.bench.figure import Part, Row, Target, at_most, ratio, sample
from tests.bench.manifests import write_many
from tests.bench.measure import cost_of, in_turn
from tests.bench.services import PYTHON, TOOL, retrain
from tests.bench.sizes import Sizes

_ROUNDS_MORE = 3  # these are short, so there may be more of them


def measure(folder: Path, sizes: Sizes) -> Part:
    """Time whole processes."""
    file, check = str(write_many(folder, 3)), str(TOOL / "check-jsonschema")
    version, validate = retrain("--version"), retrain("validate", file)
    peer = [check, "--schemafile", str(schema_path("manifest")), file]
    rounds = sizes.rounds * _ROUNDS_MORE
    return Part(
        rows=(
            _row("`retrain --version`", version, "`python -c 'import click'`", [PYTHON, "-c", "import click"], rounds),
            _row("`retrain --version`", version, "`check-jsonschema --version`", [check, "--version"], rounds),
            _row("`retrain validate`, 3 models", validate, "check-jsonschema", peer, rounds),
        )
    )


def _row(what: str, ours: Sequence[str], name: str, peer: Sequence[str], rounds: int) -> Row:
    mine, theirs = in_turn([partial(cost_of, ours), partial(cost_of, peer)], rounds=rounds)
    times = ratio([cost.seconds for cost in mine], [cost.seconds for cost in theirs])
    return Row(
        what=what,
        ours=str(sample([1000 * cost.seconds for cost in mine], "ms")),
        peer=f"{name}: {sample([1000 * cost.seconds for cost in theirs], 'ms')}",
        ratio=str(times),
        value=times.median,
        target=_target(name),
    )


def _target(name: str) -> Target:
    return at_most(1.3, "at most 1.3x its time") if "click" in name else at_most(1, "at most its time")
