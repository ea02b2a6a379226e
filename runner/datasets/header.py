"""The column names of a data file, without reading the rest of it."""

from runner.datasets.columns import ColumnContents
from runner.datasets.csv_scan import CsvScan
from runner.datasets.joined_stream import BLOCK, BOM, blocks, header_length
from runner.datasets.resolve import ResolvedFile
from runner.datasets.source import DataFile

_FIRST = 64 << 10  # bytes that hold nearly every header


def read_header(file: ResolvedFile) -> tuple[str, ...] | None:
    """Return the column names of the file's first part, or None when its first record is no good header.

    At most 1 MiB is read.

    Raises:
        ModelError: of kind `data`, when the system will not read the file.
    """
    part = file.parts[0]
    record = _first_record(part, file.delimiter)
    scan = CsvScan(part, file.delimiter, frozenset(), ColumnContents(file.delimiter, 0))
    scan.feed(record)
    scan.finish()
    if scan.problems.found:
        return None
    return tuple(name.decode(scan.encoding.encoding.removesuffix("-sig"), "replace") for name in scan.header)


def _first_record(part: DataFile, delimiter: str) -> bytes:
    text = next(blocks(part, _FIRST), b"")
    if len(text) == _FIRST and _length(text, delimiter) == len(text):
        text = next(blocks(part, BLOCK), b"")
    return text[: _length(text, delimiter)]


def _length(text: bytes, delimiter: str) -> int:
    """Return the number of bytes of the first record with its line end, and of a byte order mark before it."""
    mark = len(BOM) if text.startswith(BOM) else 0
    return mark + header_length(text[mark:], delimiter)
