"""What the first bytes of a file say it is; never its name."""

from typing import Literal

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
# Each in a sentence that begins with what the file is called; only those that are never read.
UNREAD_FORMS: dict[Form, str] = {
    "xls": "is a workbook or document of the old Office format; save it as .xlsx or CSV",
    "pdf": "is a PDF",
    "png": "is a PNG image",
    "jpeg": "is a JPEG image",
    "7z": "is a 7z archive",
    "bzip2": "is compressed with bzip2",
    "xz": "is compressed with xz",
    "parquet": "is a Parquet file",
    "pickle": "is a Python pickle, which is never loaded",
    "markup": "is XML or HTML: neither a zip archive, a JSON object nor a table of metrics",
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
