"""The page of a large run has every line, and the panels that find room in it."""

import json
import random

import pytest

from runner.reports.page import PAGE_BYTES, Line, lay_out


def row(number: Line, panel: str) -> str:
    return f"<tbody><tr><th>{number}</th></tr><tr><td>{panel}</td></tr></tbody>"


@pytest.mark.parametrize("apart", [True, False])
def test_a_page_of_any_number_of_models_has_all_lines_and_the_panels_that_find_room(*, apart: bool) -> None:
    rng = random.Random(1)  # noqa: S311 -- not cryptography
    panels = [f"<p>{rng.randbytes(4000).hex()}</p>" for _ in range(2000)]
    lines: list[Line] = list(range(2000))  # type: ignore[arg-type]  # the row of this test needs none
    sheet = lay_out(
        lines=lines,
        row=row,
        panel=lambda number: panels[number],  # type: ignore[call-overload]  # as above
        left_out="left out",
        lanes=["<p>lane</p>"] * 2000,
        apart=apart,
    )
    assert ("<noscript>" in sheet.first_rows) is not apart
    markup = [sheet.first_rows, *sheet.later_rows, sheet.first_lanes, sheet.later_lanes, sheet.panels or ""]
    assert PAGE_BYTES - 200_000 < sum(len(part.encode()) for part in markup) < PAGE_BYTES
    rows = "".join([sheet.first_rows, *sheet.later_rows])
    assert rows.count("<tbody>") == 2000
    assert 0 < sheet.left_out == rows.count("left out") < 2000
    assert "left out" not in sheet.first_rows[:100]
    shown = json.loads(sheet.panels) if sheet.panels else panels[: 2000 - sheet.left_out]
    assert shown == panels[: 2000 - sheet.left_out]


@pytest.mark.parametrize("apart", [True, False])
def test_no_panel_is_made_where_the_lines_alone_fill_the_page(*, apart: bool) -> None:
    def panel(line: Line) -> str:
        raise AssertionError(line)

    lines: list[Line] = list(range(100))  # type: ignore[arg-type]  # as above
    lanes = ["x" * (PAGE_BYTES // 100)] * 100
    sheet = lay_out(lines=lines, row=row, panel=panel, left_out="left out", lanes=lanes, apart=apart)
    assert sheet.left_out == 100
    assert "".join([sheet.first_rows, *sheet.later_rows]).count("<tbody>") == 100
