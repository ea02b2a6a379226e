"""From rows of text to numbers: which columns are numeric, which are text, and how each becomes a float."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from emulator.training.refusal import RefusedTrainingError
from emulator.training.table import Table

MAX_CATEGORIES = 254  # scikit-learn's histogram trees take 255 values of a category, one is kept for "missing"
Matrix = npt.NDArray[np.float64]


class Feature(Struct, frozen=True, kw_only=True):
    """A column to learn from. `categories` is None for a numeric column, else the values that have a code."""

    name: str
    categories: tuple[str, ...] | None

    @property
    def kind(self) -> str:
        """The column's type in words."""
        return "numeric" if self.categories is None else "text"


class Encoder(Struct, frozen=True, kw_only=True):
    """Knows the features of a model; made from its training data and kept with it."""

    features: tuple[Feature, ...]

    @property
    def categorical(self) -> list[bool]:
        """Which features are text, in order."""
        return [feature.categories is not None for feature in self.features]

    def encode(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Matrix:
        """Return a matrix of shape (rows, features); empty, unknown and unreadable cells are NaN.

        Raises:
            RefusedTrainingError: the header lacks a feature.
        """
        missing = [feature.name for feature in self.features if feature.name not in header]
        if missing:
            raise RefusedTrainingError(f"The column {missing[0]!r} of the model is missing.")
        places = [list(header).index(feature.name) for feature in self.features]
        codes = [_codes(feature) for feature in self.features]
        cells = array("d")
        for row in rows:
            cells.extend(
                number(row[place]) if code is None else code.get(row[place], math.nan)
                for place, code in zip(places, codes, strict=True)
            )
        return np.frombuffer(cells, dtype=np.float64).reshape(-1, len(self.features)) if cells else self._no_rows()

    def _no_rows(self) -> Matrix:
        return np.empty((0, len(self.features)))


def learn_encoder(table: Table, target: str) -> Encoder:
    """Return the encoder for all columns of the table but the target.

    A column is numeric when each of its cells is empty or a finite number; of a text column the most frequent
    `MAX_CATEGORIES` values count.
    """
    places = [place for place, name in enumerate(table.header) if name != target]
    counters: dict[int, Counter[str]] = {place: Counter() for place in places}
    for row in table.rows():
        for place in places:
            counters[place][row[place]] += 1
    return Encoder(features=tuple(_feature(table.header[place], counters[place]) for place in places))


def number(cell: str) -> float:
    """Return the cell as a float, NaN when it is empty or no finite number."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and "_" not in cell else math.nan


def _feature(name: str, counter: Counter[str]) -> Feature:
    values = [value for value in counter if value.strip()]
    if not any(math.isnan(number(value)) for value in values):
        return Feature(name=name, categories=None)
    frequent = sorted(values, key=lambda value: (-counter[value], value))[:MAX_CATEGORIES]
    return Feature(name=name, categories=tuple(sorted(frequent)))


def _codes(feature: Feature) -> dict[str, float] | None:
    if feature.categories is None:
        return None
    return {value: float(code) for code, value in enumerate(feature.categories)}
