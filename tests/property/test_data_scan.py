"""The scanner against the standard library's csv module, as the definition of what a row is."""

import csv
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runner.data.labels import Labels
from runner.data.resolve import Part
from runner.data.scan import Scan

# Few characters, so that quotes, delimiters and line ends meet in every way; two of them take several bytes.
PIECES = st.sampled_from(["a", "1", ",", ",", ",", "\n", "\n", "\r\n", '"', '""', '","', '\n"', "é", "漢"])
TEXTS = st.lists(PIECES, max_size=40).map("".join)
FIELDS = st.text(st.sampled_from('ab1,"\n é漢'), max_size=4)
TABLES = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(FIELDS, min_size=n, max_size=n), min_size=1, max_size=8))


def scanned(content: bytes, size: int, target: bytes | None = None) -> tuple[Scan, Labels]:
    """Scan the content in blocks; a file is there for the scanner to look back into."""
    labels = Labels()
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        path = Path(file.name)
        scan = Scan(Part(path=path, shown="a.csv"), ",", frozenset([target] if target else []), labels)
        for at in range(0, len(content), size):
            scan.feed(content[at : at + size])
        scan.finish()
        return scan, labels


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


@given(text=TEXTS, size=st.integers(1, 12))
def test_any_text_in_blocks_of_any_size_is_judged_as_by_the_csv_module(text: str, size: int) -> None:
    scan, _ = scanned(text.encode(), size)
    rows, trouble = judged_by_csv(text)
    if trouble is None:
        assert (scan.problems.found, scan.rows) == ([], rows)
    else:
        first = min(problem.line or 0 for problem in scan.problems.found)
        # An open quote is told at the line where it opens, which may be a later line of the same record.
        assert first == trouble or (first > trouble and "quote" in scan.problems.found[0].reason)


@given(table=TABLES, size=st.integers(1, 12), line_end=st.sampled_from(["\n", "\r\n"]), every=st.booleans())
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
        scan, labels = scanned(text.encode(), size, name.encode())
        assert scan.problems.found == []
        assert scan.rows == len(table)
        values = {row[index] for row in table} - {""}
        if any(not value.strip(" ").isdigit() for value in values):
            assert labels.decoded("utf-8") == tuple(sorted(values))
        else:
            assert labels.decoded("utf-8") is None


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
