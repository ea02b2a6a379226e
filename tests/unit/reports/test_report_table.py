"""Tables for people, and comma-separated values for other programs."""

import csv
import io
from decimal import Decimal

import pytest

from runner.reports.table import Column, csv_text, short_number, signed_number, text_table

COLUMNS = (Column(title="model"), Column(title="auc", number=True), Column(title="reason", spare=True))
ROWS = (("churn", "0.9120", "passed"), ("需要予測", "0.85", "held"))


def test_wide_characters_count_as_two_columns() -> None:
    assert text_table(COLUMNS, ROWS, width=None).splitlines() == [
        "model        auc  reason",
        "churn     0.9120  passed",
        "需要予測    0.85  held",
    ]


def test_a_narrow_terminal_leaves_out_the_spare_columns() -> None:
    assert text_table(COLUMNS, ROWS, width=80).splitlines()[1] == "churn     0.9120"
    assert text_table(COLUMNS, ROWS, width=120).splitlines()[1].endswith("passed")


def test_no_line_is_longer_than_the_terminal_and_nothing_is_lost() -> None:
    rows = [("m" * 100, "0.5", ""), ("需" * 60, "0.6", "")]
    table = text_table(COLUMNS, rows, width=80)
    assert max(len(line) for line in table.splitlines()) <= 80
    assert (table.count("m") - 1, table.count("需")) == (100, 60)


@pytest.mark.parametrize("width", range(20, 121, 5))
def test_a_number_is_never_cut_nor_broken_however_many_columns_there_are(width: int) -> None:
    names = ("auc", "accuracy", "precision", "recall", "median_absolute_error_ratio", "coverage_rate")
    columns = [
        Column(title="run", whole=True),
        Column(title="outcome"),
        *(Column(title=name, number=True) for name in names),
    ]
    row = ["20261122T030605Z-ef444e", "awaiting approval", *(f"0.9{number}4624" for number in range(6))]
    table = text_table(columns, [row, row], width=width)
    assert [table.count(cell) for cell in (row[0], *row[2:])] == [2] * 7
    assert "awaiting" in table
    assert max(len(line) for line in table.splitlines()) <= max(width, 40)


@pytest.mark.parametrize("width", [20, 80, None])
def test_markup_stays_text_also_where_cells_are_broken(width: int | None) -> None:
    rows = [["[red]x[/red]", "y" * 15]]
    assert "".join(text_table([Column(title="a"), Column(title="b")], rows, width=width).split()).count("[") == 2


@pytest.mark.parametrize("width", [20, 80, None])
def test_markup_and_controls_stay_text(width: int | None) -> None:
    table = text_table(
        [Column(title="[bold]")], [["[red]x[/red]"], ["\x1b[31mred"], ["\u202eesrever"], [":smile:"]], width=width
    )
    assert table.splitlines() == ["[bold]", "[red]x[/red]", "\\x1b[31mred", "\\u202eesrever", ":smile:"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_text_that_a_spreadsheet_would_compute_is_quoted(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_text([text], [])))
    assert cell.startswith("'")
    [_, [cell]] = csv.reader(io.StringIO(csv_text(["name"], [[text]])))
    assert cell.startswith("'")


def test_values_come_back_as_they_were() -> None:
    written = csv_text(["a", "b"], [['say "hi", x', Decimal("-0.50")], ["", None], [True, 7]])
    assert written.endswith("\r\n")
    assert list(csv.reader(io.StringIO(written, newline=""))) == [
        ["a", "b"],
        ['say "hi", x', "-0.50"],
        ["", ""],
        ["true", "7"],
    ]


def test_a_record_is_one_line_whatever_is_in_it() -> None:
    assert csv_text(["reason"], [["one\r\ntwo\x00\x1b"]]).splitlines() == ["reason", "one two\\x00\\x1b"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.9120", "0.9120"),
        ("0.994623655913978", "0.9946"),
        ("0.289863", "0.2899"),
        ("12345.6", "12346"),
        ("-0.5", "-0.5"),
        ("10916.353", "10916"),
        ("123456789.25", "123456789"),
        ("-12.8810624464", "-12.88"),
        ("7.90322580645", "7.903"),
        ("0.00001234567", "0.00001235"),
        ("1234567890.5", "1.235e+9"),
        ("1E-400", "1E-400"),
    ],
)
def test_long_numbers_are_rounded_to_four_or_five_digits_without_an_exponent_below_1e9(text: str, shown: str) -> None:
    assert short_number(Decimal(text)) == shown


def test_a_margin_has_its_sign_and_none_has_no_text() -> None:
    assert [signed_number(Decimal(text)) for text in ("0.112", "-0.42137712345", "0")] == ["+0.112", "-0.4214", "0"]
    assert (short_number(None), signed_number(None)) == ("", "")


def test_text_is_broken_between_words() -> None:
    columns = [
        *(Column(title="run", whole=True), Column(title="balanced_accuracy", number=True)),
        Column(title="decided by"),
        Column(title="reason"),
    ]
    reason = "the misclassification rate is above its limit"
    for width in (60, 80):
        table = text_table(
            columns, [["20260301T040506.123456Z-1a2b3c", "0.912", "policy guarded", reason]], width=width
        )
        words = {"balanced_accuracy", "guarded", *reason.split()}
        assert words <= set(table.replace(":", " ").split())
        assert max(map(len, table.splitlines())) <= width
