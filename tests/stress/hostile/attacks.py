"""All attacks, from every module here that has some."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from tests.stress.hostile.attack import Attack


def _attacks() -> Iterator[Attack]:
    for path in sorted(Path(__file__).parent.glob("on_*.py")):
        yield from importlib.import_module(f"tests.stress.hostile.{path.stem}").ATTACKS


ATTACKS: tuple[Attack, ...] = tuple(_attacks())
