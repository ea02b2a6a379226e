"""Quoted CSV records in bulk: what stands outside of quotes, where they pair in the one simple way.

Cut at its quotes, a text is by turns outside and inside of them. A field that is quoted is so from its first byte to
its last; so where one `"` is left for each quoted piece, that `"` must have a delimiter, a line end or another `"` (a
quote written twice) on both sides. Anything else, such as a quote within an unquoted field, is left to the csv module.
"""

import re

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
