"""Which rows of the evaluation data are rows of the training data too, however either file was saved.

Rows are compared without their order, line ends, quotes, encoding, and in files that are not large without the zeros
at the end of a decimal number, which spreadsheets drop. Only hashes of evaluation rows are kept, of many rows of each
so many one, so the memory does not grow with the files.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from zlib import crc32

from msgspec import Struct

from runner.datasets.check import Checked
from runner.datasets.csv_scan import LONGEST_RECORD
from runner.datasets.csv_text import end_of_records
from runner.datasets.joined_stream import BOM, blocks, content, header_length
from runner.datasets.resolve import ResolvedFile

_BLOCK = 128 << 10  # bytes; what is made of the rows of a block takes many times as much
_MOST_KEPT = 50_000  # evaluation rows of which a hash is kept
_ZEROS_UP_TO = 32 << 20  # bytes of both files together; to drop zeros takes ten times as long as to compare
_ZEROS = (
    (re.compile(rb"(\.\d*[1-9])0+(?=[,\n]|\Z)"), rb"\1"),
    (re.compile(rb"(?<=\d)\.0+(?=[,\n]|\Z)"), b""),
)
_WITHIN = b"\x1f"  # in a quoted value, for what would look like the end of one


class RowOverlap(Struct, frozen=True, kw_only=True):
    """How many of the evaluation file's `of` rows are in the training file.

    `equal` says that both files have the same rows, each as often; `estimated` that only a part was compared.
    """

    rows: int
    of: int
    equal: bool
    estimated: bool


def row_overlap(train: ResolvedFile, trained: Checked, evaluation: ResolvedFile, evaluated: Checked) -> RowOverlap:
    """Compare the rows of two files, each read once more, given what their checks found.

    Raises:
        ModelError: of kind `data`, when the system will not read a file.
    """
    without_zeros = trained.file.bytes + evaluated.file.bytes <= _ZEROS_UP_TO
    mask = _mask(evaluated.file.rows)
    kept, total, of = Counter[int](), 0, 0
    for rows in _rows(evaluation, evaluated.file.encoding, without_zeros=without_zeros):
        hashes = [hash(row) for row in rows if not crc32(row) & mask] if mask else list(map(hash, rows))
        kept.update(hashes)
        total += sum(hashes)
        of += len(rows)
    found, trained_rows = set[int](), 0
    for rows in _rows(train, trained.file.encoding, without_zeros=without_zeros):
        hashes = list(map(hash, rows))
        found |= kept.keys() & hashes
        trained_rows += len(rows)
        total -= sum(hashes)
    common = sum(kept[row] for row in found)
    compared = kept.total()
    return RowOverlap(
        rows=common if compared == of else round(common * of / max(compared, 1)),
        of=of,
        equal=not mask and of == trained_rows > 0 and total == 0,
        estimated=compared != of,
    )


def _mask(rows: int) -> int:
    """Return the bits of a row's checksum that must be zero, so that few enough rows are kept."""
    mask = 0
    while rows > _MOST_KEPT * (mask + 1):
        mask = mask * 2 + 1
    return mask


def _rows(file: ResolvedFile, encoding: str, *, without_zeros: bool) -> Iterator[list[bytes]]:
    """Yield the rows in one form, some at a time; what is after a row that is far too long is left out."""
    rest, begun, delimiter = b"", False, file.delimiter
    for block in content(file.table, lambda part: blocks(part, _BLOCK)):
        text = rest + block
        if not begun:
            text = text.removeprefix(BOM)
            text, begun = text[header_length(text, delimiter) :], True
        end = end_of_records(text)
        rest = text[end:]
        yield _plain(text[:end], delimiter, encoding, without_zeros=without_zeros)
        if len(rest) > LONGEST_RECORD:
            return
    yield _plain(rest, delimiter, encoding, without_zeros=without_zeros)


def _plain(records: bytes, delimiter: str, encoding: str, *, without_zeros: bool) -> list[bytes]:
    if encoding == "cp932" and not records.isascii():
        records = records.decode(encoding, "replace").encode()
    text = _unquoted(records, delimiter) if b'"' in records else records.replace(b"\r\n", b"\n")
    if delimiter != ",":
        text = text.replace(delimiter.encode(), b",")
    if without_zeros:
        for zeros, shorter in _ZEROS:
            text = zeros.sub(shorter, text)
    return [row for row in text.split(b"\n") if row.strip(b",")]


def _unquoted(records: bytes, delimiter: str) -> bytes:
    """Return records without quotes, as far as the csv module can read them."""
    within = str.maketrans(dict.fromkeys(f"{delimiter}\r\n", _WITHIN.decode()))
    reader = csv.reader(io.StringIO(records.decode("latin-1"), newline=""), delimiter=delimiter)
    rows: list[str] = []
    with suppress(csv.Error):  # the check names it
        rows.extend(delimiter.join(field.translate(within) for field in fields) for fields in reader)
    return "\n".join(rows).encode("latin-1")
