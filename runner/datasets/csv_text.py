"""The text of a CSV file in bulk: its encoding, its rows by their delimiters and line ends, its quoted records."""

import codecs
import re
from collections.abc import Callable, Iterable

from runner.datasets.joined_stream import BOM

# Python's cp932 lets five bytes through that no Shift_JIS text has: 80, A0, FD, FE and FF.
_NOT_SHIFT_JIS = "\x80\uf8f0\uf8f1\uf8f2\uf8f3"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


_ASCII_BYTES = bytes(range(128))


class EncodingCheck:
    """Watches the lines of one file go by.

    Afterwards `encoding` is Python's name, `problem` a line and a reason, and `ascii` says that nothing told UTF-8 and
    cp932 apart. `first_other` is where the first byte is that is not ASCII, a byte order mark aside. `earlier` reads
    again the first n bytes of the file: what seemed to be UTF-8 up to some byte has to be
    cp932 from its first byte on.
    """

    def __init__(self, earlier: Callable[[int], Iterable[bytes]]) -> None:
        self.encoding = "utf-8"
        self.ascii = True
        self.problem: tuple[int, str] | None = None
        self.first_other: int | None = None
        self._earlier = earlier
        self._bytes = 0

    def feed(self, text: bytes, line: int) -> None:
        """Check whole lines, the first of which has the number `line`; after the first problem nothing is looked at."""
        if self.problem is None:
            if self._bytes == 0 and text.startswith(BOM):
                self.encoding, self.ascii = "utf-8-sig", False
                text = text.removeprefix(BOM)
                self._bytes = len(BOM)
            at_and_reason = self._trouble(text, line)
            if at_and_reason is not None:
                at, reason = at_and_reason
                self.problem = (line + text.count(b"\n", 0, at), reason)
        self._bytes += len(text)

    def passed(self, size: int) -> None:
        """Take note of so many bytes that are known to be ASCII without NUL."""
        self._bytes += size

    def _trouble(self, text: bytes, line: int) -> tuple[int, str] | None:
        if b"\0" in text:
            guess = "; is it UTF-16?" if line == 1 and text.startswith(_UTF16) else ""
            return text.index(b"\0"), f"holds a NUL byte, so it is not text in UTF-8 or Shift_JIS{guess}"
        if text.isascii():
            return None
        if self.first_other is None:
            self.first_other = self._bytes + len(text) - len(text.lstrip(_ASCII_BYTES))
        at = self._undecodable(text)
        self.ascii = False
        if at is None:
            return None
        wanted = "UTF-8, as its byte order mark says" if self.encoding == "utf-8-sig" else "UTF-8 or Shift_JIS"
        return at, f"holds the byte 0x{text[at]:02X}, which does not fit {wanted}"

    def _undecodable(self, text: bytes) -> int | None:
        """Return where the text stops fitting the encoding; UTF-8 may turn into cp932 here."""
        if self.encoding == "cp932":
            return _bad_shift_jis(text)
        at = _bad_utf8(text)
        if at is None or self.encoding == "utf-8-sig":
            return at
        shift_jis = _bad_shift_jis(text)
        if shift_jis is not None:
            return max(at, shift_jis)
        if not self._was_shift_jis():
            return at
        self.encoding = "cp932"
        return None

    def _was_shift_jis(self) -> bool:
        if self.ascii:
            return True
        try:
            return not any(map(_not_shift_jis, codecs.iterdecode(self._earlier(self._bytes), "cp932")))
        except UnicodeDecodeError:
            return False


def _bad_utf8(text: bytes) -> int | None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def _bad_shift_jis(text: bytes) -> int | None:
    try:
        decoded = text.decode("cp932")
    except UnicodeDecodeError as error:
        return error.start
    places = _not_shift_jis(decoded)
    return len(decoded[: min(places)].encode("cp932")) if places else None


def _not_shift_jis(decoded: str) -> list[int]:
    """Return where each character first is that no Shift_JIS text has.

    Five plain searches: one regular expression for all takes 20 times as long.
    """
    return [place for sequence in _NOT_SHIFT_JIS if (place := decoded.find(sequence)) >= 0]


_ENDS = b"\n\r\0"  # the NUL byte ends no line, but nothing that is text has it
_ASCII = range(128)
_LONE_CR = re.compile(rb"\r[^\n]")  # takes half the time of counting CRLF


class CsvMarks:
    """The marks of a row with so many columns (at least one), for one delimiter and line end."""

    def __init__(self, delimiter: bytes, columns: int, line_end: bytes) -> None:
        self._unit = delimiter * (columns - 1) + line_end
        self._one_column = columns == 1  # then a blank line has the marks of a row
        self._crlf = line_end == b"\r\n"
        self._no_mark = _all_but(range(256), _ENDS + delimiter)
        self._plain = _all_but(_ASCII, _ENDS + delimiter + b'"')

    def rows(self, lines: bytes) -> int:
        """Return how many rows the lines are, each with its line end, or 0 when they are not all as they should be."""
        if self._one_column or not lines.endswith(b"\n"):
            return 0
        if self._crlf and _LONE_CR.search(lines):
            return 0
        return self._repeated(lines.translate(None, self._no_mark))

    def plain_rows(self, rest: bytes, block: bytes, end: int) -> int:
        """Return how many rows the rest and the block up to `end`, where a line ends, are together.

        It is 0 when a line is not as it should be, and when there is a quote or a byte that is not ASCII: all is told
        by one look, and the block need not be copied.
        """
        if self._one_column or (self._crlf and _has_lone_cr(rest, block)):
            return 0
        marks = block.translate(None, self._plain)
        behind = block[end:].translate(None, self._plain)
        return self._repeated(rest.translate(None, self._plain) + marks[: len(marks) - len(behind)])

    def _repeated(self, marks: bytes) -> int:
        count, odd = divmod(len(marks), len(self._unit))
        return 0 if odd or marks != self._unit * count else count


def _has_lone_cr(rest: bytes, block: bytes) -> bool:
    """Return whether a carriage return is within a line; the block's last byte may be one."""
    return b"\r" in rest[:-1] or bool(_LONE_CR.match(rest[-1:] + block[:1]) or _LONE_CR.search(block))


def _all_but(these: range, those: bytes) -> bytes:
    return bytes(sorted(set(these) - set(those)))


_QUOTES_APART = 4096  # bytes; records with quotes nearer to each other than this stay with the csv module
_CLOSED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')  # possessive: linear in time and memory


class OutsideQuotes:
    """Takes quoted pieces out of records, for one delimiter."""

    def __init__(self, delimiter: bytes) -> None:
        borders = delimiter + b'\r\n"'
        self._seen = bytes(byte if byte in borders else ord("x") for byte in range(256))

    def of(self, records: bytes) -> bytes | None:
        """Return the records with one `"` for each quoted piece, or None when the quotes do not pair simply.

        Args:
            records: whole records, so that the number of quotes is even.
        """
        outside = b'"'.join(records.split(b'"')[::2])
        seen = outside.translate(self._seen)
        return None if b'x"' in seen or b'"x' in seen else outside


def end_of_records(text: bytes) -> int:
    """Return the place after the last line end that is not within quotes, or 0; the text begins with a record."""
    end = text.rfind(b"\n") + 1
    within = text.count(b'"', 0, end) % 2
    while within:
        before = text.rfind(b"\n", 0, text.rfind(b'"', 0, end)) + 1
        within = (within + text.count(b'"', before, end)) % 2
        end = before
    return end


def end_of_quotes(text: bytes, begin: int) -> int:
    """Return the place after the last quote before a stretch without any."""
    while (quote := text.rfind(b'"', begin, begin + _QUOTES_APART)) >= 0:
        begin = quote + 1
    return begin


def open_quote(record: bytes, delimiter: bytes) -> int:
    """Return where the field begins whose quote is not closed, or 0."""
    at = 0
    while 0 <= at < len(record):
        if record[at : at + 1] == b'"':
            closed = _CLOSED.match(record, at)
            if closed is None:
                return at
            at = closed.end()
        at = record.find(delimiter, at) + 1 or -1
    return 0


_EXPORT = "export the table as CSV UTF-8; renaming the file is not enough"
_UNPACK = "unpack it and name the file in it"
_CONVERT = "write the table as CSV in UTF-8"
# By the first bytes: what it is, and what to do. Texts are told apart below.
_MAGIC = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook (.xls) or a workbook with a password", _EXPORT),
    (b"%PDF-", "is a PDF", _CONVERT),
    (b"{\\rtf", "is a Word document (.rtf)", _CONVERT),
    (b"\x1f\x8b", "is compressed with gzip", _UNPACK),
    (b"BZh", "is compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "is compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "is a RAR archive", _UNPACK),
    (b"PK\x05\x06", "is an empty zip archive", _CONVERT),
    (b"PAR1", "is a Parquet file", _CONVERT),
    (b"ARROW1", "is an Arrow (Feather) file", _CONVERT),
    (b"Obj\x01", "is an Avro file", _CONVERT),
    (b"\x89HDF\r\n", "is an HDF5 file", _CONVERT),
    (b"\x93NUMPY", "is a NumPy file", _CONVERT),
    (b"SQLite format 3\x00", "is an SQLite database", _CONVERT),
    (b"\x89PNG\r\n", "is a picture (PNG)", "name the table instead"),
    (b"\xff\xd8\xff", "is a picture (JPEG)", "name the table instead"),
)
_ZIP = b"PK\x03\x04"
_ZIP_KINDS = (
    (re.compile(rb"\[Content_Types\]\.xml|\bxl/|_rels/"), "is an Excel workbook (.xlsx)", _EXPORT),
    (re.compile(rb"vnd\.oasis\.opendocument"), "is an OpenDocument file (.ods)", _EXPORT),
    (re.compile(rb""), "is a zip archive", _UNPACK),
)
_UTF16_MARKS = "is UTF-16 text (Excel's Unicode Text)", "save it as CSV UTF-8"
_TEXTS = (
    (
        re.compile(rb"version https://git-lfs\.github\.com/|version https://hawser\."),
        "is a Git LFS pointer, not the data",
        "fetch the data with `git lfs pull`; in a pipeline check out with LFS",
    ),
    (
        re.compile(rb"(\.\./)*(\.git)?/?annex/objects/|/annex/objects/"),
        "is a git-annex pointer, not the data",
        "fetch the data with `git annex get`",
    ),
    (
        re.compile(
            rb"<!doctype\s+html|<(?:html|head|body|script)\b",
            re.IGNORECASE,
        ),
        "is an HTML page, perhaps of a login, not the data",
        "fetch the file itself",
    ),
    (re.compile(rb"<\?xml|<Error>|<[A-Za-z][\w:-]*(?:\s[^<>,]*)?>\s*<"), "is XML, not a table", _CONVERT),
    (re.compile(rb"\{\s*\"|\{\s*\}|\[\s*[\[{]"), "is JSON, not a table", _CONVERT),
    (re.compile(rb"<{7}(?=\s)"), "begins with a merge conflict", "decide between its two sides"),
    (
        re.compile(rb"\"?sep=(?:[^\w\s]|\t|\\t)\"?\s*?(?:\r?\n|\Z)", re.IGNORECASE),
        "begins with Excel's line `sep=`, where the column names are expected",
        "remove that line",
    ),
)
_QUOTED = re.compile(rb'"[^"]*"')
_LINES = 20  # as many are compared
_SEPARATORS = {";": "a semicolon (`;`)", "\t": "a tab", ",": "a comma", "|": "a vertical bar (`|`)"}
_CSV, _TSV = ",", "\t"


def foreign_content(begin: bytes, delimiter: str) -> str | None:
    """Return what the file is and what to do about it, as the end of a sentence, or None if it seems to be a table.

    Args:
        begin: the first bytes of the file, some KiB.
        delimiter: what separates columns in a file of this name.
    """
    told = _by_magic(begin) or _by_text(begin)
    if told is not None:
        return f"{told[0]}; {told[1]}"
    return _by_separator(begin.removeprefix(b"\xef\xbb\xbf"), delimiter)


def _by_magic(begin: bytes) -> tuple[str, str] | None:
    if begin.startswith(_ZIP):
        return next((what, act) for pattern, what, act in _ZIP_KINDS if pattern.search(begin))
    for magic, what, act in _MAGIC:
        if begin.startswith(magic):
            return what, act
    if begin[257:262] == b"ustar":
        return "is a tar archive", _UNPACK
    if begin.startswith((b"\xff\xfe", b"\xfe\xff")) or _has_every_second_byte_zero(begin[:256]):
        return _UTF16_MARKS
    return None


def _has_every_second_byte_zero(begin: bytes) -> bool:
    """Return whether ASCII text in UTF-16 without a byte order mark begins so."""
    even, odd = begin[::2], begin[1::2]
    return len(odd) > 1 and ((not any(odd) and all(even[: len(odd)])) or (not any(even) and all(odd)))


def _by_text(begin: bytes) -> tuple[str, str] | None:
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next(((what, act) for pattern, what, act in _TEXTS if pattern.match(text)), None)


def _by_separator(text: bytes, delimiter: str) -> str | None:
    """Return that another separator than the expected one makes the columns."""
    lines = [line for line in _QUOTED.sub(b"", text).splitlines()[: _LINES + 1] if line.strip()]
    if not lines:
        return None
    if len(text) > sum(map(len, lines)) and len(lines) > _LINES:
        lines.pop()
    expected = _counts(lines, delimiter)
    for other, name in _SEPARATORS.items():
        found = _counts(lines, other)
        if other == delimiter or not found[0] or (expected[0] and not _is_clearer(found, expected)):
            continue
        suffix = "; name it .tsv, or write commas" if other == _TSV and delimiter == _CSV else ""
        wanted = ".csv file must have commas" if delimiter == _CSV else ".tsv file must have tabs"
        return f"separates its columns with {name}, and a {wanted}{suffix or '; write it so'}"
    return None


def _counts(lines: list[bytes], separator: str) -> list[int]:
    return [line.count(separator.encode()) for line in lines]


def _is_clearer(found: list[int], expected: list[int]) -> bool:
    """Return whether a separator is in each line as often, and the expected one is not."""
    return len(found) > 1 and len(set(found)) == 1 and len(set(expected)) > 1
