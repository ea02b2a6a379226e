"""What a member of a result is by its path and its bytes: its form, its text and rows, and why it may be refused."""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.results.column_roles import Role, mentions, role_of
from runner.results.number import listed, shown

_HINT = "Look at what the file holds (`retrain inspect --help`)."


def refusal(message: str, *, hint: str = _HINT) -> ModelError:
    """Return the error for a result file that cannot be read; `message` is one sentence."""
    return ModelError(Kind.RESULT, message, hint=hint)


LARGEST_MEMBER = 16 * 1024 * 1024
MOST_MEMBERS = 1000
HIGHEST_RATIO = 200
WORKBOOK_PART = "xl/workbook.xml"  # what makes a workbook of a zip archive
RATIO_FROM = 1024 * 1024  # a small file of equal rows compresses further than this without being an attack

_APART: tuple[Role, ...] = ("previous", "difference", "never")
_DIGITS = re.compile(r"\d+")
_JUNK_FOLDER, _JUNK_PREFIX = "__MACOSX", "._"  # what macOS puts beside the files of an archive

Rows = list[list[str]]


class Member(Struct, frozen=True, kw_only=True):
    """One file of a container, or one sheet of a workbook.

    `path` is its whole path within the result: a member of a container within another has both paths, joined by `/`.
    `size` is in bytes, as the container says; `head` gives the first bytes and `read` all of them. `rows` is what a
    sheet has instead. Each raises a `ModelError` of kind result for what is damaged, encrypted or too large.
    """

    path: str
    size: int
    head: Callable[[], bytes]
    read: Callable[[], bytes]
    rows: Callable[[], Rows] | None = None


def in_memory(path: str, content: bytes) -> Member:
    """Return the member of bytes that have been read."""
    return Member(path=path, size=len(content), head=lambda: content[:512], read=lambda: content)


def find_member(members: Sequence[Member], name: str) -> Member | None:
    """Return the one member of this whole path, or of this last path component; letter case does not matter.

    A name without a slash does not find what is in a folder of the model before, or of the training rows.

    Raises:
        ModelError: of kind result, for two such members.
    """
    if "/" in name:
        found = [member for member in members if _plain(member.path) == _plain(name)]
    else:
        found = [member for member in members if _last(member.path) == _plain(name) and not is_apart(member.path)]
    if len(found) > 1:
        if found[0].path == found[1].path:
            raise refusal(f"The result archive has the member '{shown(found[0].path)}' twice, with different content.")
        both = " and ".join(f"'{shown(member.path)}'" for member in found[:2])
        raise refusal(f"The result archive has more than one {shown(name)}: {both}.")
    return found[0] if found else None


def is_same_path(one: str, other: str) -> bool:
    """Return whether two paths are the same but for letter case and slashes."""
    return _plain(one) == _plain(other)


def is_within(path: str, folder: str) -> bool:
    """Return whether the path leads into the folder or container."""
    return _plain(path).startswith(f"{_plain(folder)}/")


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./")).casefold()


def _last(path: str) -> str:
    return _plain(path).rpartition("/")[2]


def is_apart(path: str) -> bool:
    """Return whether a folder of the path names another model than the candidate, or other rows than the evaluation's.

    Digits in a folder's name do not count.
    """
    folders = path.replace("\\", "/").split("/")[:-1]
    return any(role_of(_DIGITS.sub(" ", folder)) in _APART for folder in folders)


def is_left_out(path: str) -> bool:
    """Return whether a search passes the path by: any part of it names the model before or the training rows."""
    parts = path.replace("\\", "/").split("/")
    return is_apart(path) or any(mentions(_DIGITS.sub(" ", part), ("previous", "never")) for part in parts)


def is_junk(path: str) -> bool:
    """Return whether the path is a folder, or what macOS adds to each file."""
    parts = path.replace("\\", "/").split("/")
    return not parts[-1] or _JUNK_FOLDER in parts or parts[-1].startswith(_JUNK_PREFIX)


def named(members: Sequence[Member]) -> str:
    """Return the members' paths for a message."""
    return listed(member.path for member in members)


def refuse_many(count: int) -> None:
    """Refuse a container of more than 1000 members."""
    if count > MOST_MEMBERS:
        raise refusal(f"The result archive has {count} members, more than {MOST_MEMBERS}.")


def refuse_dense(path: str, size: int, packed: int) -> None:
    """Refuse what was compressed more than 200 times."""
    if size > RATIO_FROM and size > HIGHEST_RATIO * packed:
        where = f"member '{shown(path)}' of the result archive" if path else "result"
        raise refusal(f"The {where} is compressed more than {HIGHEST_RATIO} times.")


def refuse_large(path: str) -> None:
    """Refuse a member of more than 16 MiB."""
    where = f"member '{shown(path)}' of the result archive" if path else "result"
    raise refusal(f"The {where} is larger than 16 MiB.")


Form = Literal[
    "zip", "gzip", "tar", "xls", "pdf", "png", "jpeg", "7z", "bzip2", "xz", "parquet", "pickle", "markup", "text"
]

HEAD = 512  # bytes that are enough for every form
_TAR_AT, _TAR = 257, b"ustar"
_MAGIC: tuple[tuple[bytes, Form], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PAR1", "parquet"),
    (b"\x80\x04\x95", "pickle"),
    (b"\x80\x05\x95", "pickle"),
)
# What is never read, in a sentence that begins with what the file is called.
UNREAD_FORMS: dict[Form, str] = {
    "xls": "is a workbook or document of the old Office format (.xls)",
    "pdf": "is a PDF",
    "png": "is a PNG image",
    "jpeg": "is a JPEG image",
    "7z": "is a 7z archive",
    "bzip2": "is compressed with bzip2",
    "xz": "is compressed with xz",
    "parquet": "is a Parquet file",
    "pickle": "is a Python pickle, which is never loaded",
    "markup": "is XML or HTML",
}
_BOM = b"\xef\xbb\xbf"


def form_of(head: bytes) -> Form:
    """Return the form of a file by its first 512 bytes; `text` is all that has no mark of its own."""
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "tar"
    return "markup" if head.removeprefix(_BOM).lstrip().startswith(b"<") else "text"


# Of UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    *((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SAMPLED_BYTES = 1024  # bytes, in which UTF-16 without a mark shows itself by its zeros


def decode(content: bytes) -> str:
    """Return the text of UTF-8, UTF-16, UTF-32 with its mark, Shift_JIS, EUC-JP, ISO-2022-JP or Windows-1252.

    Raises:
        ModelError: of kind result, when the bytes are none of them or hold a NUL.
    """
    for encoding in (_marked(content) or _unmarked_utf16(content) or _escaped(content), "utf-8"):
        text = _decoded(content, encoding)
        if text is not None:
            return text
    text = _japanese(content) or _western(content)
    if text is None:
        raise refusal(
            "The result is neither text (UTF-8, UTF-16, Shift_JIS, EUC-JP, ISO-2022-JP, Windows-1252) nor any"
            " other known format."
        )
    return text


def _decoded(content: bytes, encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _marked(content: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)


def _unmarked_utf16(content: bytes) -> str | None:
    """Return the byte order in which nearly every second byte is a zero, as in Latin letters and digits."""
    sample = content[:_SAMPLED_BYTES]
    half = len(sample) // 2
    for encoding, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if half > 1 and high.count(0) * 2 > half and not low.count(0):
            return encoding
    return None


def _escaped(content: bytes) -> str | None:
    """Return the encoding of Japanese mail, which changes between its sets of characters by escapes."""
    return "iso2022_jp" if b"\x1b$" in content else None


def _western(content: bytes) -> str | None:
    text = _decoded(content, "cp1252")
    return None if text is None or _CONTROL.search(text) else text


def _japanese(content: bytes) -> str | None:
    """Return the text of Shift_JIS; of EUC-JP, where Shift_JIS would make half-width kana of what is none there."""
    shift_jis, euc_jp = (_decoded(content, encoding) for encoding in ("cp932", "euc_jp"))
    if shift_jis is None or euc_jp is None or not _HALF_WIDTH_KANA.search(shift_jis):
        return euc_jp if shift_jis is None else shift_jis
    return shift_jis if _HALF_WIDTH_KANA.search(euc_jp) else euc_jp


Row = list[str]

_MOST_CELLS = 100_000
_MOST_COLUMNS = 1000
_SAMPLED_LINES = 20  # lines that tell the delimiter
_STATED = re.compile(r"\s*\"?sep=(?P<delimiter>[^\s\"])\"?[^\S\n]*(?:\r\n|\r|\n)")  # a first line that only Excel knows
_QUOTED = re.compile(r'"[^"]*"')
_TABULAR = "\t;|"  # taken where as many lines have them as have a comma: a comma is the rule
_PROSE = ":="  # taken where no line has a comma, but between digits
_BETWEEN_DIGITS = re.compile(r"(?<=\d),(?=\d)")
_GAP = re.compile(r"\s{2,}")
_FORMULA = re.compile(r'="(?P<text>[^"]*)"')  # a text as Excel writes it, so that it is not taken for a number
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_ODD = frozenset(f"={_INVISIBLE}")
_RULE = re.compile(r"[\s|:+-]+")  # between the head and the rows of a Markdown table


def rows_of(text: str) -> list[Row]:
    """Return the rows that are not empty, each cell without spaces around it.

    Raises:
        ModelError: of kind result, for broken quotes, more than 100,000 cells or 1,000 columns.
    """
    stated = _STATED.match(text)
    body = text[stated.end() :] if stated else text
    delimiter = stated["delimiter"] if stated else _delimiter(body)
    if delimiter is None:
        return _spaced(body)
    if delimiter == "|":
        body = _without_frame(body)
    if body.count(delimiter) + body.count("\n") + body.count("\r") > _MOST_CELLS:
        raise _too_large()
    try:
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
        rows = [[_unquoted(cell) for cell in row] for row in reader]
    except csv.Error as error:
        raise refusal("The result is a table with broken quotes or an overlong cell.") from error
    if any(len(row) > _MOST_COLUMNS for row in rows):
        raise refusal(f"The result is a table of more than {_MOST_COLUMNS:,} columns, too wide for a table of metrics.")
    if delimiter in _PROSE:
        rows = [_without_bullet(row) for row in rows if row]
    return [row for row in rows if any(row)]


def _unquoted(cell: str) -> str:
    text = cell.strip()
    if text[:1] not in _ODD and text[-1:] not in _ODD:
        return text
    text = text.strip(_INVISIBLE).strip()
    formula = _FORMULA.fullmatch(text)
    return formula["text"].strip() if formula else text


def _without_bullet(row: Row) -> Row:
    """Return a line such as `- auc: 0.91`; nothing behind its sign makes it a title."""
    return [cell for cell in (row[0].removeprefix("- ").strip(), *row[1:]) if cell]


def _delimiter(text: str) -> str | None:
    """Return what is between the cells; None where no line has anything."""
    lines = [line.strip(" ") for line in _QUOTED.sub("", text[: 1 << 16]).splitlines()[:_SAMPLED_LINES] if line.strip()]
    commas = sum("," in _BETWEEN_DIGITS.sub("", line) for line in lines)
    counts = {sign: sum(sign in line for line in lines) for sign in f"{_TABULAR},{_PROSE}"}
    tabular = max(_TABULAR, key=counts.__getitem__)
    if counts[tabular] and counts[tabular] >= commas:
        return tabular
    prose = max(_PROSE, key=counts.__getitem__)
    if counts[prose] and not commas:
        return prose
    return "," if counts[","] else None


def _spaced(text: str) -> list[Row]:
    """Return lines that have only wide gaps between their cells, where each has as many; else each as one cell."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_CELLS:
        raise _too_large()
    rows = [[_unquoted(cell) for cell in _GAP.split(line)] for line in lines]
    return rows if len({len(row) for row in rows}) == 1 else [[line] for line in lines]


def _too_large() -> ModelError:
    return refusal(f"The result is a table of more than {_MOST_CELLS:,} cells, too large for a table of metrics.")


def _without_frame(text: str) -> str:
    """Return the lines of a Markdown table without the bars at their ends and the rule below its head."""
    lines = (line.strip().removeprefix("|").removesuffix("|") for line in text.splitlines())
    return "\n".join(line for line in lines if not _RULE.fullmatch(line))
