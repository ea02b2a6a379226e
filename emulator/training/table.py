"""A CSV or TSV part as a table of text, read as a stream however large it is."""

import codecs
import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from msgspec import Struct

from emulator.training.refusal import RefusedTrainingError
from emulator.training.upload import Part

ENCODINGS = ("utf-8-sig", "cp932")
MAX_ROWS = 1_000_000
_COLUMNS = range(2, 1000)
_BLOCK = 1 << 20
_ZIP_TROUBLES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Table(Struct, frozen=True, kw_only=True):
    """A table whose header is read; `rows` reads the rest."""

    part: Part
    encoding: str
    delimiter: str
    header: tuple[str, ...]

    def rows(self) -> Iterator[list[str]]:
        """Give the rows below the header, each with as many fields as the header.

        Raises:
            RefusedTrainingError: a row is ragged, the quoting is broken, or there are too many rows.
        """
        width = len(self.header)
        with _reading(self.part) as raw, _text(raw, self.encoding) as text:
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            next(reader)
            for number, row in enumerate(reader, start=1):
                if len(row) != width:
                    raise RefusedTrainingError(
                        f"Row {number} of the {self.part.title} data has {len(row)} fields instead of {width}."
                    )
                if number > MAX_ROWS:
                    raise RefusedTrainingError(f"The {self.part.title} data has more than {MAX_ROWS} rows.")
                yield row


def open_table(part: Part) -> Table:
    """Return the part as a table.

    Raises:
        RefusedTrainingError: the bytes are not text, or the header has no, too many or repeated names.
    """
    encoding = _encoding(part)
    with _reading(part) as raw, _text(raw, encoding) as text:
        first = text.readline(_BLOCK)
        delimiter = "\t" if first.count("\t") > first.count(",") else ","
    with _reading(part) as raw, _text(raw, encoding) as text:
        header = tuple(next(csv.reader(text, delimiter=delimiter, strict=True), ()))
    _check_header(header, part.title)
    return Table(part=part, encoding=encoding, delimiter=delimiter, header=header)


def _check_header(header: tuple[str, ...], title: str) -> None:
    if len(header) not in _COLUMNS:
        raise RefusedTrainingError(f"The {title} data has {len(header)} columns; 2 to 999 are possible.")
    if len(set(header)) != len(header) or "" in header:
        raise RefusedTrainingError(f"The column names of the {title} data are not unique or one is empty.")


def _encoding(part: Part) -> str:
    for encoding in ENCODINGS:
        if _decodes(part, encoding):
            return encoding
    raise RefusedTrainingError(f"The {part.title} data is neither UTF-8 nor Shift_JIS text.")


def _decodes(part: Part, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _reading(part) as raw:
        try:
            while block := raw.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


@contextmanager
def _text(raw: IO[bytes], encoding: str) -> Iterator[io.TextIOWrapper]:
    with io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        yield text


@contextmanager
def _reading(part: Part) -> Iterator[IO[bytes]]:
    """Turn every trouble with the bytes into a refused training."""
    try:
        with part.open() as raw:
            yield raw
    except csv.Error as error:
        raise RefusedTrainingError(f"The {part.title} data is not valid CSV: {error}.") from error
    except _ZIP_TROUBLES as error:
        raise RefusedTrainingError(f"The {part.title} data cannot be read from the zip.") from error
