"""The layout of a run's page: headline, style and script, and which panels are in it at once."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice

from markupsafe import Markup
from msgspec import Struct

from runner.journal.outcomes import NEEDS_PERSON, OUTCOMES, Outcome
from runner.reports.page import Line
from runner.reports.text import inline, quoted_parts

_FORMS = (Markup("{}"), Markup("<code>{}</code>"))


def prose(sentence: object) -> Markup:
    """Return a sentence, escaped; the commands that it quotes are in `code` elements."""
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


_SIGNS: Mapping[str, str] = {"passed": "✓", "inconclusive": "?"} | {
    name: outcome.sign for name, outcome in OUTCOMES.items()
}


class InlineFile(Struct, frozen=True, kw_only=True):
    """Text that is within a page; `source` is the expression for it in a Content-Security-Policy."""

    text: str
    source: str


@cache
def inline_file(name: str) -> InlineFile:
    """Return a file of the templates folder, with what its pages take from the table of outcomes.

    Nothing in it may end the element that it is in.
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
        f".badge.{outcome}, .toggle.{outcome} {{ color: var(--{row.tone}); background: var(--{row.tone}-back); }}\n"
        f".shares .{outcome}, .strip .{outcome}, .days .{outcome} {{ fill: var(--{row.fill}); }}\n"
        for outcome, row in OUTCOMES.items()
    )


def _outcome_script() -> str:
    return f"const needsPerson = {json.dumps(NEEDS_PERSON)};\n"


_OF_OUTCOMES: Mapping[str, Callable[[], str]] = {"report.css": _outcome_style, "report.js": _outcome_script}


PAGE_BYTES = 12_000_000  # at most, for as long as the lines alone stay below
_FRAME_BYTES = 100_000  # of these for the style, the script, the head and the foot
_LEAST_BYTES = 1000  # that a panel takes
_AT_ONCE = 50  # lines and lanes of a large run; a window shows fewer
_FEW = 20  # models; of more the panels are not elements of the page before they are opened, which takes its time
_PLACE = "\0"  # of the panel in its line, until it is known; templates show this character of a text as its escape
_WAITING = Markup("<noscript>{}</noscript>")


class PageLayout(Struct, frozen=True, kw_only=True):
    """Markup: the lines of the table and the lanes of the picture, the first ones apart from the later ones.

    `panels` is a JSON list of the panels of the lines, None where they are in the lines. `left_out` counts the panels
    for which there was no room, those of the least urgent models.
    """

    first_rows: str
    later_rows: Sequence[str]
    first_lanes: str
    later_lanes: str
    panels: str | None
    left_out: int


def lay_out(  # noqa: PLR0913 -- all by name: what a page is made of
    *,
    lines: Iterable[Line],
    row: Callable[[Line, str], str],
    panel: Callable[[Line], str],
    left_out: str,
    lanes: Sequence[str],
    apart: bool,
) -> PageLayout:
    """Return the parts of a page of `PAGE_BYTES`.

    `row` renders a line with its panel, which is text where it is left out. With `apart` the panels are in a list of
    their own, and the page's script puts one into its line when that is opened. `panel` is asked only for those that
    may find room: of ten thousand models the lines alone fill the page.
    """
    rows = [row(line, _PLACE) for line in lines]
    taken = sum(len(part.encode()) for part in rows) - len(rows) * len(_PLACE)
    room = max(PAGE_BYTES - _FRAME_BYTES - taken - sum(len(part.encode()) for part in lanes), 0)
    panels = [panel(line) for line in islice(lines, room // _LEAST_BYTES)]
    texts = [_json(panel) for panel in panels] if apart else panels
    kept = _fitting(texts, room)
    shown = [""] * kept if apart else _inline(panels[:kept])
    for place, text in enumerate(rows):
        rows[place] = text.replace(_PLACE, shown[place] if place < kept else left_out)
    at_once = _AT_ONCE if apart else len(rows)
    return PageLayout(
        first_rows="".join(rows[:at_once]),
        later_rows=rows[at_once:],
        first_lanes="".join(lanes[:at_once]),
        later_lanes="".join(lanes[at_once:]),
        panels=f"[{','.join(texts[:kept])}]" if apart else None,
        left_out=len(rows) - kept,
    )


def _inline(panels: Sequence[str]) -> Sequence[str]:
    """Return the panels as they are in their lines: without script they are always there."""
    return panels if len(panels) <= _FEW else [_WAITING.format(panel) for panel in panels]


def _fitting(panels: Sequence[str], room: int) -> int:
    for place, panel in enumerate(panels):
        room -= len(panel.encode()) + 1
        if room < 0:
            return place
    return len(panels)


def _json(panel: str) -> str:
    """Return a panel as JSON that can be in a `script` element: it has no `<`."""
    return json.dumps(panel, ensure_ascii=False).replace("<", "\\u003c")
