import pytest

from runner.datasets.csv_text import CsvMarks

COMMAS = CsvMarks(b",", 3, b"\n")


@pytest.mark.parametrize(
    ("rest", "block", "end", "rows"),
    [
        (b"", b"1,2,3\n4,5,6\n", 12, 2),
        (b"1,2", b",3\n4,5,6\n7,8,", 9, 2),
        (b"", b"1,2,3\n4,5,6,7\n", 14, 0),
        (b"", b"1,2,3\n4,5\n", 10, 0),
        (b"", b"1,2,3\n\n", 7, 0),
        (b"1,2", b"3\n", 2, 0),
        (b"", b'"1",2,3\n', 8, 0),
        (b'"', b"1,2,3\n", 6, 0),
        (b"", "é,2,3\n".encode(), 7, 0),
        (b"", b"1,2,3\r\n", 7, 0),
        (b"", b"1,2,3\0\n", 7, 0),
    ],
)
def test_only_ascii_rows_without_quotes_count_as_plain(rest: bytes, block: bytes, end: int, rows: int) -> None:
    assert COMMAS.plain_rows(rest, block, end) == rows


def test_one_column_is_never_plain_since_a_blank_line_has_its_marks() -> None:
    assert CsvMarks(b",", 1, b"\n").plain_rows(b"", b"1\n2\n", 4) == 0


@pytest.mark.parametrize(
    ("rest", "block", "rows"),
    [
        (b"", b"1,2\r\n3,4\r\n", 2),
        (b"1,2\r", b"\n3,4\r\n5,6\r", 2),
        (b"1,2\r", b"3\n", 0),
        (b"1,2\rx", b"\n", 0),
        (b"1,2", b"\r3\n", 0),
        (b"", b"1,2\n", 0),
        (b"", b"1,2\r\r\n", 0),
    ],
)
def test_a_carriage_return_in_plain_rows_stands_before_each_line_feed_and_nowhere_else(
    rest: bytes, block: bytes, rows: int
) -> None:
    assert CsvMarks(b",", 2, b"\r\n").plain_rows(rest, block, block.rfind(b"\n") + 1) == rows


def test_lines_of_any_text_are_rows_when_their_delimiters_are_and_each_has_its_end() -> None:
    assert COMMAS.rows("é,2,3\n漢,,\n".encode()) == 2
    assert COMMAS.rows(b"1,2,3\n4,5,6") == 0
    assert CsvMarks(b"\t", 2, b"\r\n").rows(b"1\t2\r\n3\t4\r\n") == 2
    assert CsvMarks(b"\t", 2, b"\r\n").rows(b"1\t\r2\n") == 0
