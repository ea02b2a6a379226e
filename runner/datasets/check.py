"""One data file, checked and digested in one pass by two threads; or its column names alone."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from time import monotonic

from msgspec import Struct

from runner.datasets.columns import ColumnContents, column_difference
from runner.datasets.csv_scan import CsvScan
from runner.datasets.findings import Findings
from runner.datasets.joined_stream import BLOCK, BOM, SHARED_BLOCK, blocks, content, header_length
from runner.datasets.metadata import CheckedFile, Shape
from runner.datasets.resolve import ResolvedFile
from runner.datasets.source import DataFile, unreadable
from runner.errors import Kind, ModelError
from runner.lib.checksums import Checksum, is_large, sum_of

_FIRST_READ = 64 << 10  # bytes that hold nearly every header

HandOver = Callable[[bytes], None]  # takes each block of a file that is sent while it is checked


class Checked(Struct, frozen=True, kw_only=True):
    """What one pass over a file gave.

    `shape.labels` are this file's own. `text_label` is a target value that is not a number, when there is one;
    `too_many_labels` says that there are more values than `shape.labels` may hold; `only_value` is the target's value
    where it has a single one, and empty where it has none; `gaps` are the rows without one; `late_labels` are in none
    of the first rows; `label_counts` are of the rows that were counted. `empty_rows` have no value at all and are no
    rows. `first_other` is where the first byte is that is not ASCII. `complete` is False when a problem made the rest
    of the file unreadable, so that rows and labels are not all known. `seconds` is what the pass took. `hidden` says
    that no name and no value of the file is shown to anybody.
    """

    file: CheckedFile
    shape: Shape
    text_label: str | None
    too_many_labels: bool
    only_value: str | None
    gaps: int
    late_labels: tuple[str, ...]
    label_counts: Mapping[str, int]
    empty_rows: int
    first_other: int | None
    complete: bool
    problems: Findings
    seconds: float
    hidden: bool = False


def needs_fast_checksum(file: ResolvedFile) -> bool:
    """Return whether the file is so large that reading it again is cheaper with a fast checksum.

    Raises:
        ModelError: of kind `data`, when a part has gone.
    """
    return is_large(sum(_size(part) for part in file.parts))


def _size(part: DataFile) -> int:
    try:
        return part.size()
    except OSError as error:
        raise unreadable(part, error) from error


def check_file(
    file: ResolvedFile,
    target: str | None,
    most_labels: int,
    *,
    known: Checksum | None = None,
    hand_over: HandOver | None = None,
) -> Checked:
    """Read a file once: its digest, its structure, and the values of the target column when one is named.

    Args:
        file: what to read.
        target: name of the target column.
        most_labels: how many classes a text target may have.
        known: the file's sum, where it need not be computed again.
        hand_over: is given each block before it is looked at.

    Raises:
        ModelError: of kind `data`, when the system will not read the file. What is wrong within it is not an exception
            but in `problems`.
    """
    began = monotonic()
    collected = ColumnContents(file.delimiter, most_labels)
    scans: list[CsvScan] = []

    def watched(part: DataFile) -> Iterator[bytes]:
        scan = CsvScan(part, file.delimiter, _byte_forms(target), collected)
        scans.append(scan)
        for block in blocks(part, SHARED_BLOCK):
            if hand_over is not None:
                hand_over(block)
            yield block
            scan.feed(block)
        scan.finish()

    if known is None and file.format.as_text is None:
        total = sum_of(content(file, watched), fast=needs_fast_checksum(file))
    else:
        total = known or sum_of(content(file), fast=needs_fast_checksum(file))
        for part in file.table.parts:
            deque(watched(part), maxlen=0)
    encoding = _encoding(scans)
    columns = _decoded(scans[0].header, encoding)
    rows = sum(scan.rows for scan in scans) - collected.empty_rows.count
    checked_file = CheckedFile(
        source=file.source,
        sha256=total.sha256,
        bytes=total.bytes,
        fast_checksum=total.fast_checksum,
        rows=rows,
        encoding=encoding,
        delimiter=file.delimiter,
        empty_columns=tuple(columns[index] for index in collected.empty.left) if rows and _is_complete(scans) else (),
        scales=collected.scales.medians(columns),
        label_shares=collected.labels.shares(encoding),
        version=file.version,
        content_id=file.content_id,
    )
    return _checked(checked_file, columns, scans, collected, began, hidden=file.outside)


def _byte_forms(target: str | None) -> frozenset[bytes]:
    if target is None:
        return frozenset()
    return frozenset(target.encode(name, "backslashreplace") for name in ("utf-8", "cp932"))


def _encoding(scans: list[CsvScan]) -> str:
    """Return the encoding of the first part that shows one; plain ASCII is both."""
    telling = (scan.encoding for scan in scans if not scan.encoding.ascii)
    return next(telling, scans[0].encoding).encoding


def _is_complete(scans: list[CsvScan]) -> bool:
    return not any(scan.given_up for scan in scans)


def _checked(  # noqa: PLR0913 -- the parts of what is found
    checked_file: CheckedFile,
    columns: tuple[str, ...],
    scans: list[CsvScan],
    collected: ColumnContents,
    began: float,
    *,
    hidden: bool,
) -> Checked:
    labels = collected.labels
    problems = Findings(scans[0].problems.file)
    for scan in scans:
        if scan is not scans[0]:
            _compare_with_first(scan, columns, checked_file.encoding, problems.file, hidden=hidden)
        problems.extend(scan.problems)
    text = labels.text
    return Checked(
        file=checked_file,
        shape=Shape(
            columns=columns,
            labels=labels.decoded(checked_file.encoding),
            numbers=labels.numbers(),
            target_kind=labels.kind(),
        ),
        text_label=None if text is None else text.decode(checked_file.encoding, "replace"),
        too_many_labels=labels.too_many,
        gaps=max(collected.gaps.count - collected.empty_rows.count, 0),
        late_labels=labels.late(checked_file.encoding),
        label_counts=labels.counts(checked_file.encoding),
        empty_rows=collected.empty_rows.count,
        first_other=scans[0].encoding.first_other,
        only_value=labels.only_value(checked_file.encoding),
        complete=_is_complete(scans),
        problems=problems,
        seconds=monotonic() - began,
        hidden=hidden,
    )


def _decoded(header: tuple[bytes, ...], encoding: str) -> tuple[str, ...]:
    return tuple(name.decode(encoding.removesuffix("-sig"), "replace") for name in header)


def _compare_with_first(scan: CsvScan, columns: tuple[str, ...], encoding: str, first: str, *, hidden: bool) -> None:
    own = scan.encoding.encoding
    if not scan.encoding.ascii and own.removesuffix("-sig") != encoding.removesuffix("-sig"):
        scan.problems.add("encoding", None, f"is {own}, but the files joined with it are {encoding}")
        return
    difference = column_difference(_decoded(scan.header, own), columns, hidden=hidden)
    if scan.header and difference:
        scan.problems.add("structure", 1, f"{difference}, unlike {first}, with which it is joined")


def read_header(file: ResolvedFile) -> tuple[str, ...] | None:
    """Return the column names of the file's first part, or None when its first record is not a good header.

    At most 1 MiB is read.

    Raises:
        ModelError: of kind `data`, when the system will not read the file, or it is not a table.
    """
    part = file.table.parts[0]
    record = _first_record(part, file.delimiter)
    scan = CsvScan(part, file.delimiter, frozenset(), ColumnContents(file.delimiter, 0))
    scan.feed(record)
    scan.finish()
    for finding in scan.problems.found:
        if finding.kind == "not_a_table":
            raise ModelError(Kind.DATA, f"{part.shown} {finding.reason}.", hint="Provide the table itself.")
    if scan.problems.found:
        return None
    return tuple(name.decode(scan.encoding.encoding.removesuffix("-sig"), "replace") for name in scan.header)


def _first_record(part: DataFile, delimiter: str) -> bytes:
    text = next(blocks(part, _FIRST_READ), b"")
    if len(text) == _FIRST_READ and _length(text, delimiter) == len(text):
        text = next(blocks(part, BLOCK), b"")
    return text[: _length(text, delimiter)]


def _length(text: bytes, delimiter: str) -> int:
    """Return the number of bytes of the first record with its line end, and of a byte order mark before it."""
    mark = len(BOM) if text.startswith(BOM) else 0
    return mark + header_length(text[mark:], delimiter)
