"""The panels of a large run share their markup, come back as they were, and never make the page too large."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.reports.page import Line
from runner.reports.page_layout import PAGE_BYTES, fold, lay_out, unfold

MARKUP = st.sampled_from(
    ['<p class="soft">', "</p>", '<dd title="', '">', "none", "0.91", "&lt;script&gt;", "\u9700", "\n"]
)


@given(panels=st.lists(st.lists(MARKUP | st.text(max_size=5)).map("".join), max_size=40))
def test_what_was_folded_comes_back_as_it_was(panels: list[str]) -> None:
    kept = [panel for panel in panels if not any("\ue000" <= char <= "\uf8ff" for char in panel)]
    folded = fold(kept, PAGE_BYTES)
    assert unfold(folded.text) == kept
    assert "<" not in folded.text


def test_a_character_that_stands_for_markup_stays_text_where_it_is_text() -> None:
    panels = ["<p>\ue000\uf8ff</p>"] * 30
    assert unfold(fold(panels, PAGE_BYTES).text) == ["<p>&#57344;&#63743;</p>"] * 30


def test_markup_that_panels_share_stands_once() -> None:
    panels = [f'<section><h3>Data</h3><p class="n">{number} rows</p></section>' for number in range(200)]
    assert len(fold(panels, PAGE_BYTES).text) < len("".join(panels)) / 3


def row(number: Line, panel: str) -> str:
    return f"<tbody><tr><th>{number}</th></tr><tr><td>{panel}</td></tr></tbody>"


@pytest.mark.parametrize("folded", [True, False])
def test_a_page_of_any_number_of_models_has_all_lines_and_the_panels_that_find_room(*, folded: bool) -> None:
    rng = random.Random(1)  # noqa: S311 -- only has to be hard to fold
    panels = [f"<p>{rng.randbytes(2000).hex()}</p>" for _ in range(2000)]
    lines: list[Line] = list(range(2000))  # type: ignore[arg-type]  # the row of this test needs none
    sheet = lay_out(
        lines=lines,
        row=row,
        panel=lambda number: panels[number],  # type: ignore[call-overload]  # as above
        left_out="left out",
        lanes=["<p>lane</p>"] * 2000,
        folded=folded,
    )
    assert ("<noscript>" in sheet.first_rows) is not folded
    markup = [sheet.first_rows, *sheet.later_rows, sheet.first_lanes, sheet.later_lanes, sheet.folded or ""]
    assert PAGE_BYTES - 200_000 < sum(len(part.encode()) for part in markup) < PAGE_BYTES
    rows = "".join([sheet.first_rows, *sheet.later_rows])
    assert rows.count("<tbody>") == 2000
    assert 0 < sheet.left_out == rows.count("left out") < 2000
    assert "left out" not in sheet.first_rows[:100]
    shown = unfold(sheet.folded) if sheet.folded else panels[: 2000 - sheet.left_out]
    assert shown == panels[: 2000 - sheet.left_out]


@pytest.mark.parametrize("folded", [True, False])
def test_no_panel_is_made_where_the_lines_alone_fill_the_page(*, folded: bool) -> None:
    def panel(line: Line) -> str:
        raise AssertionError(line)

    lines: list[Line] = list(range(100))  # type: ignore[arg-type]  # as above
    lanes = ["x" * (PAGE_BYTES // 100)] * 100
    sheet = lay_out(lines=lines, row=row, panel=panel, left_out="left out", lanes=lanes, folded=folded)
    assert sheet.left_out == 100
    assert "".join([sheet.first_rows, *sheet.later_rows]).count("<tbody>") == 100
