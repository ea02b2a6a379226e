"""The panels of a large run in few bytes: the markup that they have in common stands once in the page. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, groupby
from operator import itemgetter

from msgspec import Struct

_FIRST, _LAST = 0xE000, 0xF8FF  # characters that Unicode leaves to private use: each stands for one piece of markup
_PRIVATE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_MARK_BYTES = 3  # of such a character in UTF-8
_TOKEN = re.compile(r'[<>"]?[^<>"]+|[<>"]')
_SHARE = 20  # what stands in one of so many panels is taken for markup, the rest for values


class CompressedPanels(Struct, frozen=True, kw_only=True):
    """Panels as JSON: `pieces` of markup, and `panels` in which one private character stands for each piece.

    `kept` counts the panels that found room. The JSON can stand in a `script` element: it has no `<`.
    """

    text: str
    kept: int


def fold(panels: Sequence[str], room: int) -> CompressedPanels:
    """Return as many of the panels, from the first on, as go into so many bytes."""
    known: dict[str, str] = {}  # one object for each text: panels have very many, and few different ones
    split = [[known.setdefault(one, one) for one in _elements(_without_private(panel))] for panel in panels]
    tokens = {element: tuple(_TOKEN.findall(element)) for element in known}
    common = _common(Counter(chain.from_iterable(split)), tokens, 2 + len(panels) // _SHARE)
    parts = {element: tuple(_runs(found, common)) for element, found in tokens.items()}
    runs = [list(_joined(chain.from_iterable(parts[element] for element in panel), known)) for panel in split]
    pieces = _pieces(Counter(text for panel in runs for text, is_markup in panel if is_markup))
    marks = {piece: chr(_FIRST + place) for place, piece in enumerate(pieces)}
    short = ["".join(marks.get(text, text) for text, _ in panel) for panel in runs]
    kept = _fitting(short, room - len(_json(pieces).encode()))
    return CompressedPanels(text=_json({"pieces": pieces, "panels": short[:kept]}), kept=kept)


def unfold(text: str) -> list[str]:
    """Return the panels as they were, as the page's script does."""
    found = json.loads(text)
    return [_PRIVATE.sub(lambda mark: found["pieces"][ord(mark[0]) - _FIRST], panel) for panel in found["panels"]]


def _without_private(html: str) -> str:
    return html if html.isascii() else _PRIVATE.sub(lambda found: f"&#{ord(found[0])};", html)


def _elements(html: str) -> list[str]:
    """Cut markup without private characters before each `<`, where a token begins anyway."""
    return html.replace("<", f"{chr(_FIRST)}<").split(chr(_FIRST))


def _common(elements: Mapping[str, int], tokens: Mapping[str, Sequence[str]], least: int) -> AbstractSet[str]:
    """Return the tokens that occur so often, by how often their elements do."""
    counts: Counter[str] = Counter()
    for element, count in elements.items():
        for token in tokens[element]:
            counts[token] += count
    return {token for token, count in counts.items() if count >= least}


def _runs(tokens: Sequence[str], common: AbstractSet[str]) -> Iterator[tuple[str, bool]]:
    """Yield the text of an element in turns of markup and values."""
    for is_markup, group in groupby(tokens, key=common.__contains__):
        yield "".join(group), is_markup


def _joined(runs: Iterable[tuple[str, bool]], known: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """Yield the text of a panel in such turns, from those of its elements."""
    for is_markup, group in groupby(runs, key=itemgetter(1)):
        text = "".join([text for text, _ in group])
        yield known.setdefault(text, text), is_markup


def _pieces(counts: Mapping[str, int]) -> list[str]:
    """Return the pieces that are worth a character, those that save most first."""
    saved = {piece: (count - 1) * (len(piece) - _MARK_BYTES) for piece, count in counts.items()}
    worth = sorted((piece for piece in saved if saved[piece] > 0), key=lambda piece: (-saved[piece], piece))
    return worth[: _LAST - _FIRST + 1]


def _fitting(panels: Sequence[str], room: int) -> int:
    for place, panel in enumerate(panels):
        room -= len(_json(panel).encode()) + 1
        if room < 0:
            return place
    return len(panels)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
