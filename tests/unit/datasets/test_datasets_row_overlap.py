import tracemalloc
from pathlib import Path

import pytest

from runner.datasets import row_overlap as module
from runner.datasets.check import check_file
from runner.datasets.resolve import resolve
from runner.datasets.row_overlap import RowOverlap, row_overlap
from tests.unit.datasets.conftest import HEADER, Desk, rows


def overlap(desk: Desk, train: str | bytes, evaluation: str | bytes, *, suffix: str = ".csv") -> RowOverlap:
    desk.write("train.csv", train)
    desk.write(f"eval{suffix}", evaluation)
    return _overlap(desk, suffix)


def _overlap(desk: Desk, suffix: str = ".csv") -> RowOverlap:
    resolved = resolve(desk.dataset(evaluation=f"eval{suffix}"))
    assert resolved.eval is not None
    trained, evaluated = (check_file(file, None, 200) for file in (resolved.train, resolved.eval))
    return row_overlap(resolved.train, trained, resolved.eval, evaluated)


TABLE = HEADER + "".join(f"{n}.50,r\u00f6t,{n % 2}\n" for n in range(40))


@pytest.mark.parametrize(
    "again",
    [
        TABLE.replace("\n", "\r\n"),
        "\ufeff" + TABLE,
        TABLE.removesuffix("\n"),
        TABLE + ",,\n,,\n",
        HEADER + "".join(sorted(TABLE.splitlines(keepends=True)[1:], reverse=True)),
        HEADER + "".join(f'"{n}.50","r\u00f6t","{n % 2}"\n' for n in range(40)),
        TABLE.replace(".50", ".5"),
        TABLE.replace(".50", ".500").replace(",1\n", ",1.0\n").replace(",0\n", ",0.00\n"),
    ],
)
def test_a_file_saved_again_is_equal(desk: Desk, again: str) -> None:
    assert overlap(desk, TABLE, again) == RowOverlap(rows=40, of=40, equal=True, estimated=False)


def test_a_file_saved_again_in_another_encoding_or_with_tabs_is_equal(desk: Desk) -> None:
    japanese = TABLE.replace("r\u00f6t", "赤")
    assert overlap(desk, japanese, japanese.encode("cp932")).equal
    assert overlap(desk, japanese, japanese.replace(",", "\t"), suffix=".tsv").equal


def test_rows_in_both_files_are_counted_each_as_often_as_it_is_evaluated(desk: Desk) -> None:
    assert overlap(desk, HEADER + rows(50), HEADER + rows(60, first=40) + rows(2)) == RowOverlap(
        rows=12, of=62, equal=False, estimated=False
    )


def test_other_rows_have_nothing_in_common(desk: Desk) -> None:
    assert overlap(desk, HEADER + rows(50), HEADER + rows(50, first=50)).rows == 0
    assert overlap(desk, HEADER + "1,a,x\n", HEADER + '"1,a",x,\n').rows == 0
    assert overlap(desk, HEADER + "100,a,x\n", HEADER + "1,a,x\n").rows == 0


def test_a_row_more_or_a_doubled_one_is_not_equal(desk: Desk) -> None:
    assert not overlap(desk, HEADER + rows(4), HEADER + rows(3)).equal
    assert not overlap(desk, HEADER + rows(3) + rows(1), HEADER + rows(3) + rows(1, first=1)).equal
    assert not overlap(desk, HEADER, HEADER).equal


def test_values_with_delimiters_and_line_ends_are_compared_whole(desk: Desk) -> None:
    text = HEADER + "".join(f'{n},"a, b\nc",yes\n' for n in range(5))
    assert overlap(desk, text, text + "9,d,no\n") == RowOverlap(rows=5, of=6, equal=False, estimated=False)


def test_of_many_rows_a_part_is_compared_in_bounded_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KEPT", 1000)
    many = rows(40_000)
    desk.write("train.csv", HEADER + many)
    desk.write("eval.csv", HEADER + rows(20_000) + rows(20_000, first=50_000))
    tracemalloc.start()
    found = _overlap(desk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.estimated
    assert found.of == 40_000
    assert 15_000 < found.rows < 25_000
    assert peak < 24 << 20


def test_a_file_without_an_end_of_its_quotes_is_read_in_bounded_memory(desk: Desk, tmp_path: Path) -> None:
    assert tmp_path == desk.folder
    assert overlap(desk, HEADER + rows(3), HEADER + '1,"' + "a,b\n" * 1000).rows == 0
