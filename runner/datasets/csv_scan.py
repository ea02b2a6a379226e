"""The structure of one CSV file, in one pass over its bytes and in bounded memory.

A comma, a tab, a quote or a line end is never part of another character in UTF-8 or cp932, so structure is read from
bytes. Lines without quotes are judged all at once by their marks (`marks.py`), and so is, where quotes pair simply,
what is outside of them (`quotes.py`). Only other quoted records and regions with trouble are walked.
"""

import csv
import io
import re
from collections.abc import Iterator
from functools import partial

from runner.datasets.columns import ColumnContents
from runner.datasets.csv_text import (
    CsvMarks,
    EncodingCheck,
    OutsideQuotes,
    end_of_quotes,
    end_of_records,
    foreign_content,
    open_quote,
)
from runner.datasets.empty_values import values_of_lines
from runner.datasets.findings import Findings
from runner.datasets.joined_stream import BOM, blocks, line_end
from runner.datasets.source import DataFile

LONGEST_RECORD = 4 << 20  # bytes; bounds the memory a broken file can take, and the time
_AT_ONCE = 64 << 10  # bytes; what is looked at several times, and what is made of it, stays in the processor's cache
_FIRST = 8 << 10  # bytes that tell what a file is
_NARROW = 100  # bytes of a row; the last field of longer ones is sooner cut off than looked for
_LONE_CR = "a carriage return is within the line; end lines with LF or CRLF"
_REPEATED = "repeats the header, as where two files were put together"
_as_text = partial(str, encoding="latin-1")  # a character is a byte: positions and values stay those of the file


class CsvScan:
    """Reads one part, block by block; when `finish` was called the other attributes tell what was found.

    `header` holds the column names as raw bytes. `wanted` are the byte forms of the target's name; what its values and
    those of the other columns tell goes into `collected`. Blocks may be of any size; `at_once` bytes of them are looked
    at together.
    """

    def __init__(
        self,
        part: DataFile,
        delimiter: str,
        wanted: frozenset[bytes],
        collected: ColumnContents,
        *,
        at_once: int = _AT_ONCE,
    ) -> None:
        self.header: tuple[bytes, ...] = ()
        self.rows = 0
        self.problems = Findings(part.shown)
        self.encoding = EncodingCheck(lambda size: _first_bytes(part, size))
        self._delimiter = delimiter.encode()
        self._wanted = wanted
        self._labels = collected.labels
        self._empty = collected.empty
        self._gaps = collected.gaps
        self._empty_rows = collected.empty_rows
        self._scales = collected.scales
        self._header_forms: list[bytes] = []  # the header as a row may repeat it, without a line end
        self._header_letter = b""  # the byte of its names that is rarest among the rows
        self._at_once = at_once
        self._target: int | None = None
        self._line = 0  # lines that are done
        self._rest = b""  # after the last line end
        self._unfinished = b""  # whole lines of a record whose quote is still open
        self._blank: int | None = None  # first of the blank lines just passed
        self.given_up = False
        self._line_end = b""
        self._marks: CsvMarks | None = None
        self._expects_plain = False  # the next block seems to be ASCII without quotes, and only its rows count
        self._outside = OutsideQuotes(self._delimiter)
        self._nothing = re.compile(rb'""(?<![^%b\n]"")(?![^%b\r\n])' % (self._delimiter, self._delimiter))
        self._blanks = re.compile(rb'(?<![^%b\n])"\s*+"(?![^%b\r\n])' % (self._delimiter, self._delimiter))

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        if self._expects_plain and self._take_plain(block):
            return
        self._take_any(block)
        # After a block that disappointed, the next one is not looked at twice either.
        self._expects_plain = not self._expects_plain and self._seems_plain(block)

    def _take_plain(self, block: bytes) -> bool:
        """Take a block of rows that need no second look, or say that it is not one."""
        if self._gaps.may_have(self._rest + block[:1]) or self._gaps.may_have(block):
            return False
        if self._empty_rows.may_have(block) or self._repeats_header(block):
            return False
        end = block.rfind(b"\n") + 1
        count = self._marks.plain_rows(self._rest, block, end) if end and self._marks else 0
        if count:
            self.encoding.passed(len(self._rest) + end)
            self._line += count
            self.rows += count
            self._rest = block[end:]
        return count > 0

    def _seems_plain(self, block: bytes) -> bool:
        busy = self.given_up or self._unfinished or self._blank or self.encoding.problem
        looked_at = self._column is not None or self._empty.watching or self._scales.watching
        return not busy and not looked_at and block.isascii() and b'"' not in block

    @property
    def _column(self) -> int | None:
        """The target's column, as long as its values are wanted."""
        return self._target if self._labels.collecting else None

    def _take_any(self, block: bytes) -> None:
        for begin in range(0, len(block), self._at_once):
            if self.given_up:
                self.rows += block.count(b"\n", begin)
                return
            self._feed(block, begin, begin + self._at_once)

    def _feed(self, block: bytes, begin: int, end: int) -> None:
        """Take a piece of the block: its whole lines are copied once, together with what the last piece left."""
        last = block.rfind(b"\n", begin, end) + 1
        if last:
            lines = b"".join((self._rest, memoryview(block)[begin:last]))
            self._rest = block[last:end]
            self._take(lines, final=False)
        else:
            self._rest += block[begin:end]
        if len(self._rest) + len(self._unfinished) > LONGEST_RECORD and not self._is_foreign(self._rest):
            self._give_up(self._line + 1, f"a row is longer than {LONGEST_RECORD >> 20} MiB")

    def finish(self) -> None:
        """Say that the file has ended."""
        if not self.given_up:
            self._take(self._rest, final=True)
        if not self.header and not self.given_up:
            self.problems.add("structure", 1, "is empty; column names are expected")

    def _take(self, lines: bytes, *, final: bool) -> None:
        """Read whole lines, after those of an unfinished record; the very last line may lack its end."""
        first, at_start = self._line, self._line == 0 and not self._unfinished
        if at_start and self._is_foreign(lines):
            return
        self._check_encoding(lines)
        text = self._unfinished + (lines.removeprefix(BOM) if at_start else lines)
        self._unfinished = b""
        begin = 0 if self.header else self._quoted(text, 0, final=final)
        if self.header and self._marks is None:
            self._line_end = line_end(text[-2:])  # of a row where there is one; the header's may be another
            self._marks = CsvMarks(self._delimiter, len(self.header), self._line_end)
            self._gaps.begin(self._target, len(self.header), self._line_end)
            self._empty_rows.begin(len(self.header), self._line_end)
            letters = {bytes([byte]) for byte in b"".join(self.header)} - {b'"'}
            self._header_letter = min(sorted(letters), key=text.count, default=b"")
        self._find_header(text, begin, first)
        while begin < len(text) and not self.given_up:
            begin = self._stretch(text, begin, final=final)

    def _is_foreign(self, begin: bytes) -> bool:
        """Return whether the file, by its first bytes, is not a table of this form, and note what it is."""
        told = foreign_content(begin[:_FIRST], self._delimiter.decode()) if self._line == 0 else None
        if told is not None:
            self._give_up(1, told, "not_a_table")
        return told is not None

    def _repeats_header(self, text: bytes) -> bool:
        """Return whether the header may be among rows; most texts lack one of its letters, which is faster to find."""
        return self._header_letter in text and any(form in text for form in self._header_forms)

    def _forms(self, header: bytes) -> list[bytes]:
        """Return the header as it is, without quotes, and with all its names in quotes."""
        quoted = [b'"%b"' % name.replace(b'"', b'""') for name in self.header]
        forms = (header, self._delimiter.join(self.header), self._delimiter.join(quoted))
        return [form for form in dict.fromkeys(forms) if form.strip(self._delimiter + b'"')]

    def _find_header(self, text: bytes, begin: int, line: int) -> None:
        """Note each row that is the header once more, as where files were put together; `line` lines are done."""
        if not self._repeats_header(text):
            return
        for form in self._header_forms:
            at = begin
            while (at := text.find(form, at)) >= 0:
                before, end = text[max(at - 4, 0) : at].removesuffix(BOM), at + len(form)
                if before[-1:] in (b"", b"\n") and (text.startswith((b"\n", b"\r\n"), end) or end == len(text)):
                    number = line + text.count(b"\n", 0, at) + 1
                    self.problems.add("repeated_header", number, _REPEATED)
                at = end

    def _check_encoding(self, lines: bytes) -> None:
        known = self.encoding.problem
        self.encoding.feed(lines, self._line + self._unfinished.count(b"\n") + 1)
        if self.encoding.problem and not known:
            self.problems.add("encoding", *self.encoding.problem)

    def _stretch(self, text: bytes, begin: int, *, final: bool) -> int:
        """Read up to the next line with a quote, or the records from such a line on; return where it stopped."""
        quote = text.find(b'"', begin)
        if quote < 0:
            self._plain(text[begin:])
            return len(text)
        line = text.rfind(b"\n", begin, quote) + 1 or begin
        if line > begin:
            self._plain(text[begin:line])
        return self._quoted(text, line, final=final)

    def _plain(self, region: bytes) -> None:
        """Read lines without any quote, all at once when they are as they should be.

        One column has no delimiter that could tell a blank line, and a last line without its end no mark at all.
        """
        count = self._alike(region)
        if not count:
            for line in region.removesuffix(b"\n").split(b"\n"):
                self._plain_line(line)
            return
        self._line += count
        self.rows += count
        self._empty.take_lines(region)
        self._empty_rows.take_lines(region)
        self._scales.take_lines(region)
        if (column := self._column) is None:
            self._gaps.take_lines(region)
        elif len(region) >= _NARROW * count or not self._ends_are_known(region, count):
            values = values_of_lines(region, column, len(self.header), self._delimiter)
            self._gaps.take_values(values)
            self._labels.add(values)

    def _alike(self, lines: bytes) -> int:
        """Return how many rows the lines are, each with its line end, or 0 when they are not all as they should be."""
        return 0 if self._blank or self._marks is None else self._marks.rows(lines)

    def _ends_are_known(self, lines: bytes, count: int) -> bool:
        """Return whether the target is the last column, and each of the lines ends in a label that is known or in none.

        Those without one are counted then.
        """
        if self._target != len(self.header) - 1:
            return False
        gaps = self._labels.gaps_at_ends(lines, self._delimiter, self._line_end, count)
        self._gaps.count += gaps or 0
        return gaps is not None

    def _plain_line(self, line: bytes) -> None:
        self._line += 1
        text = line.rstrip(b"\r")
        if b"\r" in text:
            self.problems.add(
                "structure", self._line, "a carriage return is within the line; end lines with LF or CRLF"
            )
        elif not text:
            self._blank = self._blank or self._line
        else:
            fields = text.split(self._delimiter)
            self._row(len(fields), self._line)
            if len(fields) == len(self.header):
                self._take_values(fields)

    def _take_values(self, fields: list[bytes]) -> None:
        """Take the values of a row of the right width."""
        self._empty.take_rows((fields,))
        self._empty_rows.take_rows((fields,))
        self._scales.take_rows((fields,))
        if self._target is not None:
            self._gaps.take_values((fields[self._target],))
        if (column := self._column) is not None:
            self._labels.add((fields[column],))

    def _row(self, fields: int, line: int) -> None:
        if self._blank is not None:
            self.problems.add("structure", self._blank, "is blank, and rows follow")
            self._blank = None
        self.rows += 1
        if fields != len(self.header):
            found = "1 field" if fields == 1 else f"{fields} fields"
            self.problems.add("structure", line, f"found {found}, expected {len(self.header)}")

    def _quoted(self, text: bytes, begin: int, *, final: bool) -> int:
        """Read records from a line with a quote on, until quotes get rare; return where it stopped.

        No region is longer than what the csv module allows a field, so that all ways refuse the same fields.
        """
        if not self.header:
            return self._walked(text, begin, final=final)
        end = text.find(b"\n", end_of_quotes(text, begin)) + 1 or len(text)
        region = text[begin : min(end, begin + csv.field_size_limit())]
        region = region[: end_of_records(region)]
        count = self._paired(region) or self._listed(region)
        if not count:
            return self._walked(text, begin, final=final)
        self._line += region.count(b"\n")
        self.rows += count
        return begin + len(region)

    def _paired(self, region: bytes) -> int:
        """Return how many rows the records are when their quotes pair simply and no label can be new, or 0."""
        if self._scales.watching:
            return 0
        outside = self._outside.of(region)
        count = self._alike(outside) if outside is not None else 0
        bare = self._outside_of_values(region, outside) if outside is not None and count else None
        if bare is None:
            return 0
        if self._column is not None and not (region.count(b"\n") == count and self._ends_are_known(region, count)):
            return 0
        if self._empty.watching:  # most columns show a value in the first rows
            self._empty.take_lines(self._outside.of(self._blanks.sub(b"", region)) or bare)
        if self._column is None:
            self._gaps.take_lines(bare)
        self._empty_rows.take_lines(bare)
        return count

    def _outside_of_values(self, region: bytes, outside: bytes) -> bytes | None:
        """Return what is outside of quotes with nothing for a field of two quotes, as far as anybody asks for gaps.

        None says that the quotes do not pair simply then.
        """
        looked_for = self._target is not None and self._column is None
        begins = (self._delimiter + b'""', b'\n""') if looked_for else (b'\n""' + self._delimiter + b'""',)
        if not (region.startswith(b'""') or any(begin in region for begin in begins)):
            return outside
        return self._outside.of(self._nothing.sub(b"", region))

    def _listed(self, region: bytes) -> int:
        """Return how many rows the csv module finds, all as they should be, and take their labels; else 0."""
        text = io.StringIO(_as_text(region), newline="\n")
        try:
            rows = list(csv.reader(text, delimiter=self._delimiter.decode(), strict=True))
        except csv.Error:
            return 0
        if self._blank or {*map(len, rows)} != {len(self.header)}:
            return 0
        self._empty.take_rows(rows)
        self._empty_rows.take_rows(rows)
        self._scales.take_rows(rows)
        if self._target is not None:
            self._gaps.take_values(row[self._target] for row in rows)
        if (column := self._column) is not None:
            self._labels.add([row[column].encode("latin-1") for row in rows])
        return len(rows)

    def _walked(self, text: bytes, begin: int, *, final: bool) -> int:
        """Let the csv module read the header, or records until quotes get rare; return where it stopped."""
        stream = io.BytesIO(text)
        done = stream.seek(begin)
        reader = csv.reader(map(_as_text, stream), delimiter=self._delimiter.decode(), strict=True)
        stop, before = end_of_quotes(text, begin) if self.header else begin, self._line
        try:
            for fields in reader:
                self._record(fields)
                if self._line == 0:
                    self._header_forms = self._forms(text[begin : stream.tell()].rstrip(b"\r\n"))
                self._line, done = before + reader.line_num, stream.tell()
                if done >= stop or self.given_up:
                    return done
        except csv.Error as error:
            if "unexpected end" in str(error) and not final:
                self._unfinished = text[done:]
            else:
                self._broken(text[done : stream.tell()], str(error))
        return len(text)

    def _record(self, fields: list[str]) -> None:
        """Take a record of the csv module, in which a character is a byte."""
        if not self.header:
            self._begin([field.encode("latin-1") for field in fields])
        elif fields:
            self._row(len(fields), self._line + 1)
            if len(fields) == len(self.header):
                self._take_values([field.encode("latin-1") for field in fields])
        else:
            self._blank = self._blank or self._line + 1

    def _begin(self, fields: list[bytes]) -> None:
        if not fields:
            self._give_up(1, "is blank; column names are expected")
            return
        self.header = tuple(fields)
        self._empty.begin(len(fields))
        self._target = next((index for index, name in enumerate(fields) if name in self._wanted), None)

    def _broken(self, record: bytes, message: str) -> None:
        """Tell in our words why the csv module refused a record."""
        line = self._line + 1
        if "unexpected end" in message or "field limit" in message:
            opening = record.count(b"\n", 0, open_quote(record, self._delimiter))
            within = f" within {csv.field_size_limit():,} characters" if "field limit" in message else ""
            self._give_up(line + opening, f"a quote opens here and is not closed{within}")
        elif "new-line" in message:
            self._give_up(line, _LONE_CR)
        else:
            self._give_up(line, "text follows the closing quote of a field; a quote within a field is written twice")

    def _give_up(self, line: int, reason: str, kind: str = "structure") -> None:
        """Note a problem after which the rest of the file has no certain structure."""
        self.problems.add(kind, line, reason)
        self.given_up = True
        self._rest = self._unfinished = b""


def _first_bytes(part: DataFile, size: int) -> Iterator[bytes]:
    for block in blocks(part):
        yield block[:size]
        size -= len(block)
        if size <= 0:
            return
