import os
import unicodedata
from pathlib import Path

import pytest

from runner.datasets.local_source import meant, natural_order
from runner.datasets.resolve import resolve_file
from tests.unit.datasets.conftest import HEADER, Desk, rows, source

GAS = "ガスデータ.csv"


@pytest.mark.parametrize(
    "names",
    [
        ["s_8.csv", "s_9.csv", "s_10.csv"],
        ["v1.2.csv", "v1.10.csv", "v2.0.csv"],
        ["2026-09.csv", "2026-10.csv", "2026-11.csv"],
        ["a/9.csv", "a/10.csv", "b/1.csv"],
        ["9.csv", "10.csv", "x.csv"],
        ["s_09.csv", "s_9.csv", "s_10.csv"],
    ],
)
def test_numbers_in_names_count_as_numbers(names: list[str]) -> None:
    assert [str(path) for path in sorted(map(Path, reversed(names)), key=natural_order)] == names


def test_the_latest_by_name_is_taken_and_a_file_that_changed_long_after_it_is_named(desk: Desk) -> None:
    for name in ("s_9.csv", "s_10.csv"):
        desk.write(name, HEADER + rows(3))
    wanted = source(desk.folder, "s_*.csv", "latest")
    found = resolve_file(wanted, None, "d")
    assert (found.source, found.remarks) == ("s_10.csv", ())
    os.utime(desk.folder / "s_10.csv", (0, 0))
    assert "s_9.csv was changed after it" in resolve_file(wanted, None, "d").remarks[0]


def test_files_in_another_letter_case_are_named_where_all_are_joined(desk: Desk) -> None:
    for name in ("day1.csv", "day2.CSV"):
        desk.write(name, HEADER + rows(3))
    assert "day2.CSV" in resolve_file(source(desk.folder, "day*.csv", "all"), None, "d").remarks[0]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("data/Train.csv", "data/train.csv? Its name differs in letter case."),
        ("Data/TRAIN.CSV", "data/train.csv? Its name differs in letter case."),
        ("data\\train.csv", "Write the path with slashes: data/train.csv."),
        ("data/trian.csv", "data/train.csv? Correct the path"),
        ("data/train .csv", "data/train.csv?"),
        (f"data/{unicodedata.normalize('NFD', GAS)}", "Its name differs in its Unicode form: NFC with"),
        ("~/train.csv", "`~` is not read as your home folder"),
        ("elsewhere/other.csv", None),
        ("data/quite_another_thing.csv", None),
    ],
)
def test_a_path_that_leads_nowhere_is_answered_with_the_file_that_may_be_meant(
    desk: Desk, written: str, told: str | None
) -> None:
    desk.write("data/train.csv", HEADER)
    desk.write(f"data/{GAS}", HEADER)
    found = meant(written, desk.folder)
    assert (found is None) if told is None else (told in (found or ""))
