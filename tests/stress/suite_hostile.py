"""Whoever may change the state, a checkout, a bundle, an approval, the service or the store gets no further than that.

Every attack of `hostile/` is played with `count` seeds, each another variation. `--seed N` shows one.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.stress.figure import Figure
from tests.stress.hostile.attack import Attack
from tests.stress.hostile.attacks import ATTACKS

FULL = 20


def measure(count: int | None) -> Iterator[Figure]:
    """Play each attack with `count` seeds, and yield one figure for each sentence of the trust model."""
    seeds = range(FULL if count is None else count)
    for sentence in sorted({attack.sentence for attack in ATTACKS}):
        chosen = [attack for attack in ATTACKS if attack.sentence == sentence]
        broken = [found for one in chosen for seed in seeds for found in play(one, seed)]
        detail = broken[0] if broken else ", ".join(one.name for one in chosen)
        yield Figure(name=f"hostile {sentence}", points=len(chosen) * len(seeds), violations=len(broken), detail=detail)


def show(seed: int) -> tuple[list[str], bool]:
    """Play each attack with one seed, and return what happened."""
    lines = [f"{attack.name}: {found}" for attack in ATTACKS for found in play(attack, seed)]
    return lines or [f"{len(ATTACKS)} attacks failed"], bool(lines)


def play(attack: Attack, seed: int) -> list[str]:
    """Play one variation in a folder of its own, and return what went wrong."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        return [f"{attack.name}, seed {seed}: {found}" for found in attack.play(Path(folder), Random(seed))]  # noqa: S311 -- a variation, no secret
