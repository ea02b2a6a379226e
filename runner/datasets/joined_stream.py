"""A file's parts as one stream: what is uploaded."""

import csv
from collections.abc import Callable, Iterator

from runner.datasets.resolve import ResolvedFile
from runner.datasets.source import DataFile, unreadable
from runner.errors import Kind, ModelError

BLOCK = 1 << 20  # bytes read at once where a file is hashed or packed
SHARED_BLOCK = 512 << 10  # where two threads work on them: several are held at once, and each is handed over
BOM = b"\xef\xbb\xbf"

Reader = Callable[[DataFile], Iterator[bytes]]


def blocks(part: DataFile, size: int = BLOCK) -> Iterator[bytes]:
    """Yield the file's bytes, `size` at a time.

    Raises:
        ModelError: of kind `data`, when the system will not read the file.
    """
    try:
        with part.open() as file:
            while block := file.read(size):
                yield block
    except OSError as error:
        raise unreadable(part, error) from error


def content(file: ResolvedFile, read: Reader = blocks) -> Iterator[bytes]:
    """Yield the bytes to upload; `read` gives the raw bytes of one part and may look at them on the way.

    Of joined parts, all but the first lose their byte order mark and header, and every one ends in one line end.
    """
    if len(file.parts) == 1:
        yield from read(file.parts[0])
        return
    for index, part in enumerate(file.parts):
        raw = read(part)
        yield from _without_tail(part, raw if index == 0 else _without_header(raw, file.delimiter))


def _without_header(raw: Iterator[bytes], delimiter: str) -> Iterator[bytes]:
    """Drop the first record, looked for in the first MiB whatever the size of the blocks."""
    first = b""
    while len(first) < BLOCK and (block := next(raw, b"")):
        first += block
    first = first.removeprefix(BOM)
    yield first[header_length(first[:BLOCK], delimiter) :]
    yield from raw


def header_length(text: bytes, delimiter: str) -> int:
    """Return the number of bytes of the first record with its line end; a quoted name may span lines.

    A header that is not well quoted counts as one line.
    """
    lines = text.split(b"\n")
    reader = csv.reader((line.decode("latin-1") + "\n" for line in lines), delimiter=delimiter, strict=True)
    try:
        next(reader)
        spanned = reader.line_num
    except csv.Error:
        spanned = 1
    return min(len(text), sum(len(line) + 1 for line in lines[:spanned]))


def _without_tail(part: DataFile, raw: Iterator[bytes]) -> Iterator[bytes]:
    """End in one line end, whatever number of line ends the part has; a part without rows yields nothing."""
    held, ending = b"", b""
    for block in raw:
        whole = held + block
        kept = whole.rstrip(b"\r\n")
        held = whole[len(kept) :]
        if len(held) > BLOCK:
            raise ModelError(
                Kind.DATA, f"{part.shown} has more than 1 MiB of blank lines.", hint="Write the file again."
            )
        if kept:
            ending = ending or line_end(whole)
            yield kept
    yield ending


def line_end(text: bytes) -> bytes:
    """Return the text's first line end, LF or CRLF; LF when it has none."""
    at = text.find(b"\n")
    return b"\r\n" if at > 0 and text[at - 1 : at] == b"\r" else b"\n"
