"""A file's parts as one stream: what is uploaded."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from itertools import product

from msgspec import Struct

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
    """Return the text's first line end, LF or CRLF; LF without a line end."""
    at = text.find(b"\n")
    return b"\r\n" if at > 0 and text[at - 1 : at] == b"\r" else b"\n"


def resaved(file: ResolvedFile, sha256: str, size: int, read: Reader = blocks) -> str | None:
    """Return what alone differs from the content with this digest and size: line ends, a byte order mark; else None.

    The file is read in each form of that size, so nothing need be known of that content but these two.

    Raises:
        ModelError: of kind `data`, when the system will not read the file.
    """
    shape = _shape(file, read)
    for form in _forms():
        if form != shape.form and shape.size_as(form) == size:
            digest = hashlib.sha256()
            for text in _written(file, form, read):
                digest.update(text)
            if digest.hexdigest() == sha256:
                return shape.form.difference(form)
    return None


class _Form(Struct, frozen=True, kw_only=True):
    """How a text is written: with a byte order mark or not, with these line ends, with one at its end or not."""

    mark: bool
    line_end: bytes  # empty where a text has both
    ended: bool

    def difference(self, other: "_Form") -> str:
        """Return in words what differs."""
        told = ["the line ends"] if self.line_end != other.line_end else []
        told += ["the byte order mark"] if self.mark != other.mark else []
        told += ["the line end of the last line"] if self.ended != other.ended else []
        return " and ".join(told)


class _Shape(Struct, frozen=True, kw_only=True):
    """A text's form, how many lines it has that end, and its bytes without mark and line ends."""

    form: _Form
    lines: int
    plain: int

    def size_as(self, form: _Form) -> int:
        """Return how many bytes it has in another form."""
        lines = self.lines + (form.ended - self.form.ended)
        return self.plain + lines * len(form.line_end) + form.mark * len(BOM)


def _forms() -> Iterator[_Form]:
    for line_end, mark, ended in product((b"\n", b"\r\n"), (False, True), (True, False)):
        yield _Form(mark=mark, line_end=line_end, ended=ended)


def _shape(file: ResolvedFile, read: Reader) -> _Shape:
    lines = windows = plain = 0
    begin, last = b"", b""
    for text in _pieces(file, read):
        begin, last = begin or text[: len(BOM)], text[-1:]
        lines += text.count(b"\n")
        windows += text.count(b"\r\n")
        plain += len(text)
    mark = begin == BOM
    end = {0: b"\n", lines: b"\r\n"}.get(windows, b"")
    form = _Form(mark=mark, line_end=end, ended=last == b"\n")
    return _Shape(form=form, lines=lines, plain=plain - lines - windows - mark * len(BOM))


def _pieces(file: ResolvedFile, read: Reader) -> Iterator[bytes]:
    """Yield the content in pieces; the first holds the whole byte order mark, and none ends within a CRLF."""
    rest, begun = b"", False
    for text in content(file, read):
        whole = rest + text
        begun = begun or len(whole) > len(BOM)
        rest = whole if not begun else b"\r" if whole.endswith(b"\r") else b""
        if len(whole) > len(rest):
            yield whole.removesuffix(rest)
    if rest:
        yield rest


def _written(file: ResolvedFile, form: _Form, read: Reader) -> Iterator[bytes]:
    """Yield the text in another form."""
    yield BOM if form.mark else b""
    held, begun = b"", False
    for text in _pieces(file, read):
        plain = text.replace(b"\r\n", b"\n")
        whole = held + (plain if begun else plain.removeprefix(BOM))
        begun = True
        held = b"\n" if whole.endswith(b"\n") else b""
        yield whole.removesuffix(held).replace(b"\n", form.line_end)
    yield form.line_end if form.ended else b""
