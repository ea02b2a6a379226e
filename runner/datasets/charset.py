"""Which encoding a file has: a byte order mark decides, then strict UTF-8, then strict cp932 (Microsoft's Shift_JIS).

Text comes in whole lines. No line end can lie within a character of either encoding, so each piece stands alone.
"""

import codecs
from collections.abc import Callable, Iterable

from runner.datasets.joined_stream import BOM

# Python's cp932 lets five bytes through that no Shift_JIS text has: 80, A0, FD, FE and FF.
_NOT_SHIFT_JIS = "\x80\uf8f0\uf8f1\uf8f2\uf8f3"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class EncodingCheck:
    """Watches the lines of one file go by.

    Afterwards `encoding` is Python's name, `problem` a line and a reason, and `ascii` says that nothing told UTF-8 and
    cp932 apart. `earlier` reads again the first n bytes of the file: what seemed to be UTF-8 up to some byte has to be
    cp932 from its first byte on.
    """

    def __init__(self, earlier: Callable[[int], Iterable[bytes]]) -> None:
        self.encoding = "utf-8"
        self.ascii = True
        self.problem: tuple[int, str] | None = None
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
    """Return where each character first stands that no Shift_JIS text has.

    Five plain searches: one regular expression for all takes 20 times as long.
    """
    return [place for one in _NOT_SHIFT_JIS if (place := decoded.find(one)) >= 0]
