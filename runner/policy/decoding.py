"""Bytes -> text, in the encodings that spreadsheets and Japanese programs write."""

import codecs
import re

from runner.policy.refusal import refusal

# Of UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    *((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]")
_SAMPLE = 1024  # bytes, in which UTF-16 without a mark shows itself by its zeros


def decode(content: bytes) -> str:
    """Return the text of UTF-8, UTF-16, UTF-32 with its mark, Shift_JIS or EUC-JP.

    Raises:
        ModelError: of kind result, when the bytes are none of them or hold a NUL.
    """
    for encoding in (_marked(content) or _unmarked_utf16(content), "utf-8"):
        text = _decoded(content, encoding)
        if text is not None:
            return text
    text = _japanese(content)
    if text is None:
        raise refusal(
            "The result is neither text (UTF-8, UTF-16, Shift_JIS, EUC-JP) nor of any other form that is known."
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
    sample = content[:_SAMPLE]
    half = len(sample) // 2
    for encoding, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if half > 1 and high.count(0) * 2 > half and not low.count(0):
            return encoding
    return None


def _japanese(content: bytes) -> str | None:
    """Return the text of Shift_JIS; of EUC-JP, where Shift_JIS would make half-width kana of what is none there."""
    shift_jis, euc_jp = (_decoded(content, encoding) for encoding in ("cp932", "euc_jp"))
    if shift_jis is None or euc_jp is None or not _HALF_WIDTH_KANA.search(shift_jis):
        return euc_jp if shift_jis is None else shift_jis
    return shift_jis if _HALF_WIDTH_KANA.search(euc_jp) else euc_jp
