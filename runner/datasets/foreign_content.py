"""What a data file is instead of the table that its name promises, told by its first bytes."""

import re

_EXPORT = "export the table as CSV UTF-8; renaming the file is not enough"
_UNPACK = "unpack it and name the file in it"
_CONVERT = "write the table as CSV in UTF-8"
# By the first bytes: what it is, and what to do. Texts are told apart below.
_MAGIC = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook (.xls) or one with a password", _EXPORT),
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
_UTF16 = "is UTF-16 text (Excel's Unicode Text)", "save it as CSV UTF-8"
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
    """Return what the file is and what to do about it, as the end of a sentence; None where it seems to be a table.

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
        return _UTF16
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
