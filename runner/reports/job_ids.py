"""Job ids as a table shows them: their first characters, as git does with commits."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

_FEWEST = 8
_SPARED = 4  # an id is not cut to spare fewer characters


def short_ids(ids: Iterable[str]) -> Mapping[str, str]:
    """Return each id with its first characters: eight, or as many as tell it from the others."""
    known = sorted(set(ids))
    shortest = dict.fromkeys(known, _FEWEST)
    for one, other in pairwise(known):  # in order, those most alike are neighbours
        least = _alike(one, other) + 1
        shortest[one], shortest[other] = max(shortest[one], least), max(shortest[other], least)
    return {name: name[:size] if len(name) - size >= _SPARED else name for name, size in shortest.items()}


def with_short_ids(sentence: str, short: Mapping[str, str]) -> str:
    """Return a sentence with these ids cut; the commands that it quotes in backticks keep theirs whole."""
    parts = sentence.split("`")
    for name, shown in short.items():
        parts[::2] = [part.replace(name, shown) for part in parts[::2]]
    return "`".join(parts)


def _alike(one: str, other: str) -> int:
    """Return how many first characters two texts have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))
