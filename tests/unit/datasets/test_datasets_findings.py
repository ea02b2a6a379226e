"""Each kind of finding, by inputs of its kind; schema, documentation and code name the same kinds."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runner.datasets.findings import CHANGES, LEVELS, level_of
from runner.datasets.metadata import Reference, ReferenceFile, Shape
from runner.errors import ModelError
from tests.fakes.prediction_one import CHECKS
from tests.unit.datasets.conftest import SMALL, Desk

ROOT = Path(__file__).parents[3]
HEADER = "a,b,y\n"
ROWS = "".join(f"{number}.25,{number * 7 % 11},{'yes' if number % 2 else 'no'}\n" for number in range(120))
TARGET = replace(CHECKS, target="y")
BEFORE = "job 5b21, the last one switched to"


def stopped(desk: Desk, text: str | bytes, checks: Any = CHECKS, **reference: Any) -> tuple[str, str]:
    desk.write("train.csv", text)
    with pytest.raises(ModelError) as caught:
        desk.prepare(desk.dataset(), checks, **reference)
    return caught.value.message, caught.value.hint


def warned(desk: Desk, text: str | bytes, checks: Any = CHECKS, **reference: Any) -> str:
    desk.write("train.csv", text)
    return "\n".join(desk.prepare(desk.dataset(), checks, **reference).warnings)


def test_the_schema_and_the_page_name_the_kinds_and_levels_of_the_code() -> None:
    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text("utf-8"))
    (found,) = [node for node in _objects(schema) if "blank_name" in node.get("properties", {})]
    assert {kind: value["default"] for kind, value in found["properties"].items()} == {**LEVELS, **CHANGES}
    page = (ROOT / "docs" / "reference" / "manifest.md").read_text("utf-8")
    assert [kind for kind in (*LEVELS, *CHANGES) if f"`{kind}`" not in page] == []


def _objects(node: Any) -> Any:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(child)


@pytest.mark.parametrize("empty", [",,\n", " , ,\t\n", '"","",""\n', ",,\r\n"])
def test_rows_without_a_value_are_not_rows_wherever_they_are(desk: Desk, empty: str) -> None:
    text = HEADER + empty * 30 + ROWS.replace("\n", "\n" + empty, 30)
    assert "60 rows have no value in any column and do not count" in warned(desk, text)
    rows = "".join(ROWS.splitlines(keepends=True)[:60])
    assert "has 60 rows, fewer than the 100 it needs; 60 more have" in stopped(desk, HEADER + rows + empty * 60)[0]


def test_runs_of_empty_rows_behind_the_first_part_of_a_file_are_counted(desk: Desk) -> None:
    text = HEADER + ROWS * 4000 + ",,\n" * 300_000
    desk.write("train.csv", text)
    found = desk.prepare(desk.dataset(), replace(SMALL, target="y"))
    assert found.train.rows == 480_000


@pytest.mark.parametrize(
    ("header", "again"),
    [
        ("a,b,y\n", "a,b,y\n"),
        ("a,b,y\n", "\ufeffa,b,y\n"),
        ("a,b,y\n", "a,b,y\r\n"),
        ("a,b,y\n", '"a","b","y"\n'),
        ('"a","b","y"\n', "a,b,y\n"),
        ('\ufeff"a",b,"y"\n', '"a",b,"y"\n'),
    ],
)
def test_a_header_in_the_middle_is_named_with_its_line(desk: Desk, header: str, again: str) -> None:
    for rows in (ROWS, ROWS * 700):
        message, hint = stopped(desk, header + rows + again + ROWS)
        assert f"train.csv:{rows.count(chr(10)) + 2}: repeats the header" in message
        assert "`checks: {findings: {repeated_header: warn}}`" in hint


def test_a_row_that_only_holds_the_header_is_none(desk: Desk) -> None:
    assert "repeats" not in warned(desk, "a,b\n" + "1,2\n" * 100 + "xa,b\na,bc\n3,a\n")


@pytest.mark.parametrize("letter", ["\u00a0", "\u200b", "\ufeff", "\u00ad", "\u3000", "\x1f"])
def test_hidden_characters_of_column_names_are_named(desk: Desk, letter: str) -> None:
    told = warned(desk, f"\ufeffa{letter}b,c,y\n" + ROWS)
    assert f"U+{ord(letter):04X}" in told


def test_a_blank_name_can_be_accepted_alone(desk: Desk) -> None:
    text = ",b,y\n" + ROWS
    message, hint = stopped(desk, text)
    assert "index=False" in message
    assert "`checks: {findings: {blank_name: warn}}`" in hint
    assert "column 1 has no name" in warned(desk, text, replace(CHECKS, findings={"blank_name": "warn"}))
    assert warned(desk, text, replace(CHECKS, findings={"blank_name": "off"})) == ""
    assert "found 2 fields" in stopped(desk, text + "1,2\n", replace(CHECKS, findings={"blank_name": "off"}))[0]


def test_a_finding_can_be_made_to_stop_and_on_fail_stays_the_mildest() -> None:
    strict = replace(CHECKS, findings={"eval_overlap": "stop", "label_new": "stop"}, change="off")
    assert level_of("eval_overlap", strict) == level_of("label_new", strict) == "stop"
    assert (level_of("rows_lost", strict), level_of("rows_lost", replace(strict, change="warn"))) == ("off", "warn")
    assert level_of("eval_overlap", replace(strict, on_fail="warn")) == "warn"


@pytest.mark.parametrize("rows", ["1,2,\n" * 60, "1,2,maybe\n"])
def test_a_target_with_few_values_is_told(desk: Desk, rows: str) -> None:
    told = warned(desk, HEADER + ROWS + rows, replace(TARGET, rows=replace(TARGET.rows, min=1)))
    assert ("fewer than 5 rows" in told) is ("maybe" in rows)


@pytest.mark.parametrize("late", ["maybe", "2"])
def test_a_label_that_the_first_thousand_rows_lack_is_told(desk: Desk, late: str) -> None:
    numbers = ROWS.replace("yes", "1").replace("no", "0")
    rows = numbers if late == "2" else ROWS
    assert f"'{late}' first occurs after row 1,000" in warned(desk, HEADER + rows * 9 + f"1,2,{late}\n" * 9, TARGET)
    assert "first occurs" not in warned(desk, HEADER + rows * 8 + f"1,2,{late}\n" * 90, TARGET)


@pytest.mark.parametrize("evaluation", ["same", "part"])
def test_evaluation_rows_that_are_training_rows_are_found(desk: Desk, evaluation: str) -> None:
    desk.write("train.csv", HEADER + ROWS)
    again = ROWS if evaluation == "same" else "".join(ROWS.splitlines(keepends=True)[:30]) + "7,7,no\n"
    desk.write("eval.csv", "\ufeff" + (HEADER + again).replace("\n", "\r\n"))
    if evaluation == "same":
        with pytest.raises(ModelError, match=r"eval\.csv: has the same 120 rows as the training file"):
            desk.prepare(desk.dataset(evaluation="eval.csv"), TARGET)
        return
    told = desk.prepare(desk.dataset(evaluation="eval.csv"), TARGET).warnings
    assert any("eval.csv: 30 of 31 rows are rows of the training file" in line for line in told)
    off = replace(TARGET, findings={"eval_overlap": "off"})
    assert not any(
        "rows of the training" in line for line in desk.prepare(desk.dataset(evaluation="eval.csv"), off).warnings
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ((HEADER + ROWS + "1,2,\u6771\n" * 9).encode(), "is UTF-8 without BOM"),
        ((HEADER + ROWS + "1,2,\u6771\n" * 9).encode("utf-8-sig"), None),
        ((HEADER + ROWS + "1,2,\u6771\n" * 9).encode("cp932"), "is Shift_JIS, but its first 1,000 bytes"),
        ((HEADER + "1,2,\u6771\n" * 9 + ROWS).encode("cp932"), None),
    ],
)
def test_encodings_that_the_service_may_misread_are_told(desk: Desk, text: bytes, told: str | None) -> None:
    found = warned(desk, text)
    assert ("UTF-8 with a byte order mark" in found) is (told is not None)
    assert (told or "") in found


def reference(text: str, desk: Desk, **shape: Any) -> Reference:
    """Return what a job recorded of this training file."""
    desk.write("train.csv", text)
    found = desk.prepare(desk.dataset(), TARGET)
    file = found.train
    train = ReferenceFile(
        rows=file.rows,
        empty_columns=file.empty_columns,
        sha256=file.sha256,
        bytes=file.bytes,
        scales=file.scales,
        label_shares=file.label_shares,
    )
    known = Shape(columns=found.shape.columns, labels=found.shape.labels, numbers=found.shape.numbers)
    return Reference(
        name=BEFORE, shape=replace(known, target_kind=found.shape.target_kind, **shape), train=train, eval=None
    )


NUMBERS = ROWS.replace("yes", "1").replace("no", "0")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (NUMBERS, ROWS, "the target 'y' has the labels 'no', 'yes', and only numbers in"),
        (ROWS, NUMBERS, "the target 'y' holds only numbers, and the labels 'no', 'yes' in"),
        (
            NUMBERS,
            NUMBERS.replace(",0\n", ",0.0\n").replace(",1\n", ",1.0\n"),
            "labels are written '0.0', '1.0', and '0'",
        ),
        (NUMBERS, NUMBERS.replace(",1\n", ",01\n"), "labels are written '0', '01', and '0', '1' in"),
    ],
)
def test_another_kind_of_target_stops(desk: Desk, before: str, now: str, told: str) -> None:
    known = reference(HEADER + before, desk)
    message, hint = stopped(desk, HEADER + now, TARGET, reference=known)
    assert told in message
    assert "target_kind: warn" in hint


def test_a_column_of_another_size_and_a_label_of_nearly_all_rows_are_told(desk: Desk) -> None:
    known = reference(HEADER + ROWS, desk)
    thousand = "".join(
        f"{line.split(',')[0]},{int(line.split(',')[1]) * 1000},{line.split(',')[2]}\n" for line in ROWS.split()
    )
    assert "the numbers of the column 'b' have another size, typically 6,000 now, and 6 in" in warned(
        desk, HEADER + thousand, TARGET, reference=known
    )
    one = ROWS.replace("yes", "no", 58)
    assert "98 % of the rows have the target label 'no', and 50 % in" in warned(
        desk, HEADER + one, TARGET, reference=known
    )
    assert warned(desk, HEADER + ROWS.replace(".25", ".75"), TARGET, reference=known) == ""


@pytest.mark.parametrize("again", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_a_file_that_is_only_saved_again_is_told(desk: Desk, again: Any) -> None:
    known = reference(HEADER + ROWS, desk)
    told = warned(desk, again(HEADER + ROWS), TARGET, reference=known)
    assert f"has the rows of {BEFORE} and differs from it only in the " in told
    assert "`retrain: {compare: rows}`" in told
    assert "differs from it only" not in warned(
        desk, again(HEADER + ROWS.replace("yes", "no", 1)), TARGET, reference=known
    )
