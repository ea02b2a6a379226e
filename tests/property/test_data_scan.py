"""The scanner against the standard library's csv module, as the definition of what a row is."""

import csv
import io
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.datasets.columns import ColumnContents, LabelSet
from runner.datasets.csv_scan import CsvScan
from runner.datasets.local_source import LocalFile

# Few characters, so that quotes, delimiters and line ends meet in every way; two of them take several bytes.
PIECES = st.sampled_from(["a", "1", ",", ",", ",", "\n", "\n", "\r\n", '"', '""', '","', '\n"', "é", "漢"])
TEXTS = st.lists(PIECES, max_size=40).map("".join)
FIELDS = st.text(st.sampled_from('ab1,"\n é漢'), max_size=4)
SIZES = st.one_of(st.integers(1, 12), st.integers(20, 400))  # of blocks: within a record, and with many of them
TABLES = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(FIELDS, min_size=n, max_size=n), min_size=1, max_size=8))


def scanned(
    content: bytes, size: int, target: bytes | None = None, collected: ColumnContents | None = None
) -> tuple[CsvScan, LabelSet]:
    """Scan the content in blocks of several pieces; a file is there for the scanner to look back into."""
    found = collected or ColumnContents(",", 200)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        path = Path(file.name)
        part, wanted = LocalFile(path=path, shown="a.csv"), frozenset([target] if target else [])
        scan = CsvScan(part, ",", wanted, found, at_once=size)
        for at in range(0, len(content), 3 * size - 1):
            scan.feed(content[at : at + 3 * size - 1])
        scan.finish()
        return scan, found.labels


def judged_by_csv(text: str) -> tuple[int, int | None]:
    """Return the number of rows and the line of the first trouble (None without), by the csv module alone."""
    lines = text.split("\n")
    reader = csv.reader((line + "\n" for line in lines[:-1] + [lines[-1]] * bool(lines[-1])), strict=True)
    header: list[str] = []
    rows, blank, begin = 0, None, 1
    try:
        for fields in reader:
            if not header:
                header = fields
                if not header:
                    return 0, 1
            elif not fields:
                blank = blank or begin
            elif blank or len(fields) != len(header):
                return rows, blank or begin
            else:
                rows += 1
            begin = reader.line_num + 1
    except csv.Error:
        return rows, begin
    return rows, None if header else 1


@example(text="a\na", size=1)
@given(text=TEXTS, size=SIZES)
def test_any_text_in_blocks_of_any_size_is_judged_as_by_the_csv_module(text: str, size: int) -> None:
    scan, _ = scanned(text.encode(), size)
    rows, trouble = judged_by_csv(text)
    # A row that is the header once more is a finding about the content; the csv module judges the form.
    problems = [problem for problem in scan.problems.found if problem.kind != "repeated_header"]
    if trouble is None:
        assert (problems, scan.rows) == ([], rows)
    else:
        first = min(problem.line or 0 for problem in problems)
        # An open quote is told at the line where it opens, which may be a later line of the same record.
        assert first == trouble or (first > trouble and "quote" in problems[0].reason)


@example(table=[["", "", " "], ["", "", " "]], size=1, line_end="\n", every=True)
@given(table=TABLES, size=SIZES, line_end=st.sampled_from(["\n", "\r\n"]), every=st.booleans())
def test_whatever_the_csv_module_writes_is_accepted_and_its_labels_are_found(
    table: list[list[str]], size: int, line_end: str, *, every: bool
) -> None:
    header = [f"c{number}" for number in range(len(table[0]))]
    with tempfile.TemporaryFile("w+", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL).writerows(
            [header, *table]
        )
        file.seek(0)
        text = file.read()
    for index, name in enumerate(header):
        collected = ColumnContents(",", 200)
        scan, labels = scanned(text.encode(), size, name.encode(), collected)
        assert scan.problems.found == []
        assert collected.gaps.count == sum(not row[index] for row in table)
        assert (index in collected.empty.left) == (not any(row[index].strip(" \n") for row in table))
        assert scan.rows == len(table)
        values = {row[index] for row in table} - {""}
        if any(not value.strip(" ").isdigit() for value in values):
            assert labels.decoded("utf-8") == tuple(sorted(values))
        else:
            assert labels.decoded("utf-8") is None


# Cells that may be in a row, and some that may not, among rows from which the labels `a` and `no` are known.
CELLS = (
    "a",
    "no",
    "",
    '"a"',
    '""',
    '"a,no"',
    '"no\n"',
    '"a""b"',
    'a"b',
    '"a"b',
    '"a" ',
    '"',
    "\r",
    "a\r",
    'b"""',
    '"\r\n"',
)
USUAL = ["a,no", '"no",a', 'a,"no"', '"no","a"', "1,a"] * 3


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("target", [None, 0, 1])
@pytest.mark.parametrize("size", [61, 500])
def test_quoted_records_are_judged_in_bulk_as_they_are_one_by_one(line_end: str, target: int | None, size: int) -> None:
    for cells in itertools.product(CELLS, CELLS):
        text = "".join(row + line_end for row in ("c0,c1", *USUAL, ",".join(cells), *USUAL))
        scan, labels = scanned(text.encode(), size, None if target is None else f"c{target}".encode())
        rows, trouble = judged_by_csv(text)
        if trouble is not None:
            assert min(problem.line or 0 for problem in scan.problems.found) >= trouble, cells
            continue
        assert (scan.problems.found, scan.rows) == ([], rows), cells
        if target is not None:
            values = {row[target] for row in csv.reader(io.StringIO(text, newline="\n"), strict=True)}
            assert labels.decoded("utf-8") == tuple(sorted(values - {"", f"c{target}"})), cells


@pytest.mark.parametrize(
    ("known", "row", "label"),
    [
        ('1,1,"a,b"', "1,a,b", "b"),
        ('1,1,"a"""', '1,1,"x,a"', "x,a"),
        ("1,1,no", '1,"x,no\n1",new', "new"),
        ("1,1,no", '1,1,"no "', "no "),
    ],
)
def test_a_row_that_only_looks_as_if_it_ended_in_a_known_label_has_its_own(known: str, row: str, label: str) -> None:
    head = "c0,c1,c2\n" + f"{known}\n" * 4
    scan, labels = scanned(f"{head}{row}\n".encode(), len(head), b"c2")
    assert scan.problems.found == []
    assert label in (labels.decoded("utf-8") or ())


@pytest.mark.parametrize("row", ["1,re\rd", '1,"a"\rd', '"1",re\rd'])
def test_a_carriage_return_within_a_line_is_told_where_lines_end_in_crlf(row: str) -> None:
    """Such a line has the same marks as its neighbours, though its own end is a bare LF."""
    scan, _ = scanned(f"c0,c1\r\n1,2\r\n{row}\n".encode(), 100)
    assert [problem.line for problem in scan.problems.found] == [3]


ODD = ("1,b", '"1",a', '1,"a', "é,1", "1", "1,2,3", "", ",", "\0,1", "1,\r2", '1,"a\nb"', "1,x\r", "1\r,x", "漢,1\r")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("more", [[], ["é,a"], ['"1",a'], ["1"]])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [9, 20, 60])
def test_a_row_unlike_the_plain_ones_around_it_is_seen_wherever_it_stands_in_a_block(
    odd: str, more: list[str], line_end: str, size: int
) -> None:
    for before in range(20, 70):
        lines = ["c0,c1", *["1,a"] * before, odd, *["22,b"] * 40, *more, *["1,a"] * 9, ""]
        text = line_end.join(lines).encode()
        blocks, _ = scanned(text, size)
        whole, _ = scanned(text, len(text))
        assert blocks.problems.found == whole.problems.found, before
        assert blocks.given_up == whole.given_up, before
        if not whole.given_up:  # else the rest has no rows that could be counted
            assert (blocks.rows, blocks.encoding.encoding) == (whole.rows, whole.encoding.encoding), before
            assert blocks.encoding.ascii == whole.encoding.ascii, before


@given(text=TEXTS, encoding=st.sampled_from(["utf-8", "utf-8-sig"]), size=st.integers(1, 12))
def test_the_encoding_does_not_depend_on_the_size_of_the_blocks(text: str, encoding: str, size: int) -> None:
    content = text.encode(encoding)
    small, _ = scanned(content, size)
    whole, _ = scanned(content, len(content) + 1)
    assert small.encoding.encoding == whole.encoding.encoding == encoding
    assert small.encoding.problem == whole.encoding.problem is None


@given(content=st.binary(max_size=60), size=st.integers(1, 12))
def test_no_bytes_make_the_scanner_fail_and_blocks_never_change_the_verdict(content: bytes, size: int) -> None:
    small, _ = scanned(content, size)
    whole, _ = scanned(content, len(content) + 1)
    assert bool(small.problems.found) == bool(whole.problems.found)
    if not whole.problems.found:
        assert (small.rows, small.header, small.encoding.encoding) == (
            whole.rows,
            whole.header,
            whole.encoding.encoding,
        )
