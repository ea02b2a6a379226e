"""Rows by their marks: what is left of lines when everything but delimiters and line ends is deleted.

Lines without quotes are rows of one width exactly when their marks are those of one row, again and again: one C call
and one comparison for any number of lines.
"""

import re

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
    """Tell whether a carriage return stands within a line; the block's last byte may be one."""
    return b"\r" in rest[:-1] or bool(_LONE_CR.match(rest[-1:] + block[:1]) or _LONE_CR.search(block))


def _all_but(these: range, those: bytes) -> bytes:
    return bytes(sorted(set(these) - set(those)))
