"""Which parts of a run's page stand in it at once, which its script builds, and which have no room. Pure."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from markupsafe import Markup
from msgspec import Struct

from runner.reports.page import Line
from runner.reports.page_compression import fold

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
