from pathlib import Path

import pytest

from runner.datasets import csv_scan as scanner
from runner.datasets.columns import ColumnContents
from runner.datasets.csv_scan import CsvScan
from runner.datasets.findings import MOST_SHOWN
from runner.datasets.local_source import LocalFile


def scanned(tmp_path: Path, content: bytes, *, delimiter: str = ",", size: int = 1 << 16) -> CsvScan:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    scan = CsvScan(LocalFile(path=path, shown="a.csv"), delimiter, frozenset(), ColumnContents(delimiter, 200))
    for at in range(0, len(content), size):
        scan.feed(content[at : at + size])
    scan.finish()
    return scan


def told(tmp_path: Path, content: bytes, size: int = 1 << 16) -> list[str]:
    return scanned(tmp_path, content, size=size).problems.lines()


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"h,i\n", 0),
        (b"h,i", 0),
        (b"h,i\n1,2\n3,4\n", 2),
        (b"h,i\n1,2\n3,4", 2),
        (b"h,i\r\n1,2\r\n3,4\r\n", 2),
        (b"h,i\r\n1,2\n3,4\r\n", 2),
        (b"h,i\n1,2\n\n\r\n\n", 1),
        (b"\xef\xbb\xbfh,i\n1,2\n", 1),
        (b'\xef\xbb\xbf"h","i"\n"1","2"\n', 1),
        (b'h,i\n"a\nb","c,d"\n3,4\n', 2),
        (b'h,i\n"say ""hi""",2\n', 1),
        (b"h,i\n,\n,\n", 2),
        (b"h\n1\n2\n", 2),
    ],
)
def test_well_formed_tables_pass_with_their_number_of_rows(tmp_path: Path, content: bytes, rows: int) -> None:
    scan = scanned(tmp_path, content)
    assert (scan.problems.lines(), scan.rows) == ([], rows)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "a.csv:1: is empty; column names are expected"),
        (b"\xef\xbb\xbf", "a.csv:1: is empty; column names are expected"),
        (b"\nh,i\n", "a.csv:1: is blank; column names are expected"),
        (b"h,i\n1,2\n3\n", "a.csv:3: found 1 field, expected 2"),
        (b"h,i\n1,2\n3", "a.csv:3: found 1 field, expected 2"),
        (b"h,i\n1,2,3\n3,4\n", "a.csv:2: found 3 fields, expected 2"),
        (b"h,i\n1,2,\n3\n", "a.csv:2: found 3 fields, expected 2"),
        (b'h,i\n"a\n\nb",2\n3\n', "a.csv:5: found 1 field, expected 2"),
        (b'h,i\n"a\nb",2,3\n', "a.csv:2: found 3 fields, expected 2"),
        (b"h,i\n1,2\n\n\n3,4\n", "a.csv:3: is blank, and rows follow"),
        (b"h\n1\n\n3\n", "a.csv:3: is blank, and rows follow"),
        (b'h,i\n\n"3",4\n', "a.csv:2: is blank, and rows follow"),
        (b'h,i\n1,2\n3,"4\n5,6\n', "a.csv:3: a quote opens here and is not closed"),
        (b'h,i\n"1\n2",",\n5,6\n', "a.csv:3: a quote opens here and is not closed"),
        (b'"h,i\n1,2\n', "a.csv:1: a quote opens here and is not closed"),
        (
            b'h,i\n1,"2"x\n',
            "a.csv:2: text follows the closing quote of a field; a quote within a field is written twice",
        ),
        (b"h,i\r1,2\r", "a.csv:1: a carriage return is within the line; end lines with LF or CRLF"),
        (b"h,i\n1,2\r3,4\n", "a.csv:2: a carriage return is within the line; end lines with LF or CRLF"),
        (b'h,i\n"1",2\r3,4\n', "a.csv:2: a carriage return is within the line; end lines with LF or CRLF"),
        (b"h,i\n1,\0\n", "a.csv:2: holds a NUL byte, so it is not text in UTF-8 or Shift_JIS"),
        (
            "h,i\n1,2\n".encode("utf-16"),
            "a.csv:1: is UTF-16 text (Excel's Unicode Text); save it as CSV UTF-8",
        ),
        (b'h,i\n"a\n\n\xff",2\n', "a.csv:4: holds the byte 0xFF, which does not fit UTF-8 or Shift_JIS"),
        (
            "h,i\n日,2\n本,3\n".encode("cp932") + b"4,\xff\n",
            "a.csv:4: holds the byte 0xFF, which does not fit UTF-8 or Shift_JIS",
        ),
        (
            "h,i\nあ,2\nあ,3\n".encode() + b"4,\xff\n",
            "a.csv:4: holds the byte 0xFF, which does not fit UTF-8 or Shift_JIS",
        ),
        (b"h,i\n1,2\n3,\xff\n", "a.csv:3: holds the byte 0xFF, which does not fit UTF-8 or Shift_JIS"),
        (
            b"\xef\xbb\xbfh,i\n1,\x93\xfa\n",
            "a.csv:2: holds the byte 0x93, which does not fit UTF-8, as its byte order mark says",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1 << 16])
def test_each_trouble_is_told_with_its_line_and_reason(tmp_path: Path, content: bytes, problem: str, size: int) -> None:
    assert told(tmp_path, content, size)[0] == problem


def test_the_line_is_right_after_many_blocks_and_quoted_line_ends(tmp_path: Path) -> None:
    content = b"h,i\n" + b"1,2\n" * 100_000 + b'"a\n\n\nb",2\n' + b"1,2\n" * 100_000 + b"3\n" + b"1,2\n" * 10
    scan = scanned(tmp_path, content)
    assert scan.problems.lines() == ["a.csv:200006: found 1 field, expected 2"]
    assert scan.rows == 200_012


def test_the_first_five_problems_are_told_and_the_others_counted(tmp_path: Path) -> None:
    lines = told(tmp_path, b"h,i\n" + b"1\n" * 12)
    assert len(lines) == MOST_SHOWN + 1
    assert lines[-1] == "a.csv: 7 more like these"


def test_tabs_divide_a_tsv_and_commas_do_not(tmp_path: Path) -> None:
    scan = scanned(tmp_path, b'h\ti\n1,5\t2\n"a\tb"\t2\n', delimiter="\t")
    assert (scan.problems.lines(), scan.rows, scan.header) == ([], 2, (b"h", b"i"))


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp932"])
def test_japanese_text_is_read_in_each_encoding_the_service_takes(tmp_path: Path, codec: str, size: int) -> None:
    # Characters whose second byte in Shift_JIS is a backslash or a vertical bar are the classic trap.
    content = '番号,表示,ソース\n1,能力,"ポ、\n十"\n'.encode(codec)
    scan = scanned(tmp_path, content, size=size)
    assert (scan.problems.lines(), scan.rows, scan.encoding.encoding) == ([], 1, codec)
    assert scan.header[1] == "表示".encode(codec.removesuffix("-sig"))


def test_a_file_whose_first_text_fits_both_encodings_is_judged_from_its_first_byte(tmp_path: Path) -> None:
    both = "ﾃｱ".encode("cp932")  # valid UTF-8 as well
    assert both.decode("utf-8") == "ñ"
    head = b"h,i\n" + both + b",1\n"
    fine = scanned(tmp_path, head + "日本,2\n".encode("cp932"), size=8)
    assert (fine.encoding.encoding, fine.problems.lines()) == ("cp932", [])
    torn = scanned(tmp_path, b"h,i\n\xe2\x82\xac\xff,1\n" + "日本,2\n".encode("cp932"), size=8)
    assert torn.problems.lines() == ["a.csv:2: holds the byte 0xFF, which does not fit UTF-8 or Shift_JIS"]
    mixed = scanned(tmp_path, "h,i\nあ,1\n".encode() + "日本,2\n".encode("cp932"), size=8)
    assert mixed.problems.lines() == ["a.csv:3: holds the byte 0x93, which does not fit UTF-8 or Shift_JIS"]


def test_windows_1252_is_not_taken_for_shift_jis(tmp_path: Path) -> None:
    assert "0x80" in told(tmp_path, "h,i\n5€,2\n".encode("cp1252"))[0]


def test_an_open_quote_stops_at_the_length_of_a_field_and_says_where_it_opened(tmp_path: Path) -> None:
    content = b'h,i\n1,2\n"3,4\n' + b"5,6\n" * 100_000
    scan = scanned(tmp_path, content)
    assert scan.problems.lines() == ["a.csv:3: a quote opens here and is not closed within 131,072 characters"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "LONGEST_RECORD", 1 << 20)
    scan = CsvScan(LocalFile(path=tmp_path / "a.csv", shown="a.csv"), ",", frozenset(), ColumnContents(",", 200))
    for _ in range(64):
        scan.feed(b"x" * (1 << 16))
    assert scan.problems.lines() == ["a.csv:1: a row is longer than 1 MiB"]


def test_a_blank_first_line_is_the_only_thing_told_of_such_a_file(tmp_path: Path) -> None:
    assert told(tmp_path, b'\n"h","i"\n"1"\n') == ["a.csv:1: is blank; column names are expected"]
