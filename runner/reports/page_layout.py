"""The layout of a run's page: headline, style and script, and which panels are in it at once."""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from importlib.resources import files
from itertools import chain, groupby, islice
from operator import itemgetter

from markupsafe import Markup
from msgspec import Struct

from runner.journal.outcomes import NEEDS_PERSON, OUTCOMES, Outcome
from runner.reports.page import Line
from runner.reports.text import inline, quoted_parts

_FORMS = (Markup("{}"), Markup("<code>{}</code>"))


def prose(sentence: object) -> Markup:
    """Return a sentence, escaped; the commands that it quotes stand in `code` elements."""
    parts = quoted_parts(inline(sentence))
    return Markup("").join(_FORMS[place % 2].format(part) for place, part in enumerate(parts))


def answer(summary: Mapping[Outcome, int]) -> str:
    """Return the counts by outcome as one sentence, such as `2 of 3 models switched; 1 was held back.`."""
    if not summary:
        return "No model took part."
    total, [(first, count), *others] = sum(summary.values()), list(summary.items())
    told = OUTCOMES[first].verbs[count > 1]
    if not others:
        return f"All {total:,} models {told}." if total > 1 else f"The model {told}."
    rest = [f"{number:,} {OUTCOMES[outcome].verbs[number > 1]}" for outcome, number in others]
    return f"{count:,} of {total:,} models {told}; {_listed(rest)}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


_SIGNS: Mapping[str, str] = {"passed": "✓", "inconclusive": "?"} | {name: one.sign for name, one in OUTCOMES.items()}


class InlineFile(Struct, frozen=True, kw_only=True):
    """Text that stands within a page; `source` is the expression for it in a Content-Security-Policy."""

    text: str
    source: str


@cache
def inline_file(name: str) -> InlineFile:
    """Return a file of the templates folder, with what its pages take from the table of outcomes.

    Nothing in it may end the element that it stands in.
    """
    text = files("runner.reports").joinpath("templates", name).read_text("utf-8")
    if name in _OF_OUTCOMES:
        text = f"{_OF_OUTCOMES[name]()}{text}"
    sha256 = hashlib.sha256(text.encode()).digest()
    return InlineFile(text=text, source=f"'sha256-{base64.b64encode(sha256).decode()}'")


def sign(name: str) -> str:
    """Return the sign of an outcome, or of a rule's verdict."""
    return _SIGNS[name]


def _outcome_style() -> str:
    """Return the colours of each outcome: of its badge and its button, and of its part in a bar."""
    return "".join(
        f".badge.{outcome}, .toggle.{outcome} {{ color: var(--{one.tone}); background: var(--{one.tone}-back); }}\n"
        f".shares .{outcome}, .strip .{outcome} {{ fill: var(--{one.fill}); }}\n"
        for outcome, one in OUTCOMES.items()
    )


def _outcome_script() -> str:
    return f"const needsPerson = {json.dumps(NEEDS_PERSON)};\n"


_OF_OUTCOMES: Mapping[str, Callable[[], str]] = {"report.css": _outcome_style, "report.js": _outcome_script}


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
    kept = _compressed_fitting(short, room - len(_json(pieces).encode()))
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


def _compressed_fitting(panels: Sequence[str], room: int) -> int:
    for place, panel in enumerate(panels):
        room -= len(_json(panel).encode()) + 1
        if room < 0:
            return place
    return len(panels)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


PAGE_BYTES = 4_500_000  # at most, for as long as the lines alone stay below
_FRAME_BYTES = 100_000  # of these for the style, the script, the head and the foot
_LEAST_BYTES = 200  # that a panel takes when it is folded
_AT_ONCE = 50  # lines and lanes of a large run; a window shows fewer
_FEW = 20  # models; of more the panels are no elements of the page before they are opened, which takes its time
_PLACE = "\0"  # of the panel in its line, until it is known; templates show this character of a text as its escape
_WAITING = Markup("<noscript>{}</noscript>")


class PageLayout(Struct, frozen=True, kw_only=True):
    """Markup: the lines of the table and the lanes of the picture, the first ones apart from the later ones.

    `folded` is JSON with the panels of the lines, None where they stand in the lines. `left_out` counts the panels for
    which there was no room, those of the least urgent models.
    """

    first_rows: str
    later_rows: Sequence[str]
    first_lanes: str
    later_lanes: str
    folded: str | None
    left_out: int


def lay_out(  # noqa: PLR0913 -- all by name: what a page is made of
    *,
    lines: Iterable[Line],
    row: Callable[[Line, str], str],
    panel: Callable[[Line], str],
    left_out: str,
    lanes: Sequence[str],
    folded: bool,
) -> PageLayout:
    """Return the parts of a page of `PAGE_BYTES`.

    `row` renders a line with its panel, which is text where it is left out. `panel` is asked for those that may find
    room only: of ten thousand models the lines alone fill the page.
    """
    rows = [row(line, _PLACE) for line in lines]
    taken = sum(len(part.encode()) for part in rows) - len(rows) * len(_PLACE)
    room = max(PAGE_BYTES - _FRAME_BYTES - taken - sum(len(part.encode()) for part in lanes), 0)
    panels = [panel(line) for line in islice(lines, room // _LEAST_BYTES)]
    found = fold(panels, room) if folded else None
    kept = found.kept if found else _fitting(panels, room)
    shown = [""] * kept if found else _inline(panels[:kept])
    for place, text in enumerate(rows):
        rows[place] = text.replace(_PLACE, shown[place] if place < kept else left_out)
    at_once = _AT_ONCE if found else len(rows)
    return PageLayout(
        first_rows="".join(rows[:at_once]),
        later_rows=rows[at_once:],
        first_lanes="".join(lanes[:at_once]),
        later_lanes="".join(lanes[at_once:]),
        folded=found.text if found else None,
        left_out=len(rows) - kept,
    )


def _inline(panels: Sequence[str]) -> Sequence[str]:
    """Return the panels as they stand in their lines: without script they are always there."""
    return panels if len(panels) <= _FEW else [_WAITING.format(panel) for panel in panels]


def _fitting(panels: Sequence[str], room: int) -> int:
    for place, panel in enumerate(panels):
        room -= len(panel.encode())
        if room < 0:
            return place
    return len(panels)
