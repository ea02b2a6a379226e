"""A zip archive from outside: one member is read at a time, within limits; nothing is ever extracted."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from runner.policy.entries import LARGEST_ENTRY, Entry, is_junk, refuse_dense, refuse_large, refuse_many
from runner.policy.forms import HEAD
from runner.policy.number import shown
from runner.policy.refusal import refusal

_BLOCK = 64 * 1024
_LARGEST_READ = 1024 * 1024
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile lets through from damaged bytes; RuntimeError includes NotImplementedError.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


class _UnreadableStreamError(Exception):
    """The stream itself cannot be read, whatever the archive: not an `OSError`, which zipfile takes for damage."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _BoundedReader(io.RawIOBase):
    """Refuses to read much at once: zipfile reads a whole central directory in one call, however long it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if size > _LARGEST_READ:
            raise zipfile.BadZipFile
        try:
            return self._stream.read(size if size >= 0 else _LARGEST_READ)
        except OSError as error:
            raise _UnreadableStreamError(error) from error

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except _UnreadableStreamError as unreadable:
        raise unreadable.error from None
    except _ZIP_ERRORS as error:
        raise refusal("The result is a zip archive that is damaged or too long to read.") from error


class Archive:
    """The members of a zip archive; a sheet-bearing workbook is one too."""

    def __init__(self, stream: BinaryIO, *, within: str = "") -> None:
        """Read the archive's directory; `within` is the path of the archive in a result, with a slash at its end.

        Raises:
            ModelError: of kind result, for a damaged archive or one of more than 1000 members.
        """
        with _translated_errors():
            self._archive = _zip_file(stream)
        self._members = self._archive.infolist()
        self._within = within
        refuse_many(len(self._members))

    def names(self) -> tuple[str, ...]:
        """Return the members' paths as they stand in the archive."""
        return tuple(member.filename for member in self._members)

    def entries(self) -> list[Entry]:
        """Return the members that are files, in the archive's order."""
        return [self._entry(member) for member in self._members if not is_junk(member.filename)]

    def _entry(self, member: zipfile.ZipInfo) -> Entry:
        return Entry(
            path=f"{self._within}{member.filename}",
            size=member.file_size,
            head=lambda: self._content(member, most=HEAD),
            read=lambda: self._content(member),
        )

    def _content(self, member: zipfile.ZipInfo, *, most: int | None = None) -> bytes:
        """Return the bytes of a member, or the first `most`.

        Raises:
            ModelError: of kind result, for encryption, an unknown compression or damage, and when the member is larger
                than 16 MiB or was compressed more than 200 times.
        """
        path = f"{self._within}{member.filename}"
        if member.flag_bits & _ENCRYPTED:
            raise refusal(f"The member '{shown(path)}' of the result archive is encrypted.")
        if member.compress_type not in _METHODS:
            raise refusal(f"The member '{shown(path)}' of the result archive is compressed in an unknown way.")
        with _translated_errors():
            if most is not None:
                with self._archive.open(member) as file:
                    return file.read(most)
            content = self._read_within_limit(member, path)
        refuse_dense(path, len(content), member.compress_size)
        return content

    def _read_within_limit(self, member: zipfile.ZipInfo, path: str) -> bytes:
        """Count the bytes as they come; the size that an archive states may be a lie."""
        content = bytearray()
        with self._archive.open(member) as file:
            while block := file.read(_BLOCK):
                content += block
                if len(content) > LARGEST_ENTRY:
                    refuse_large(path)
        return bytes(content)


def _zip_file(stream: BinaryIO) -> zipfile.ZipFile:
    """Open with Japanese names, as the product's own computers write them; if they are not, with any bytes."""
    try:
        return zipfile.ZipFile(_BoundedReader(stream), metadata_encoding="cp932")
    except UnicodeDecodeError:
        return zipfile.ZipFile(_BoundedReader(stream), metadata_encoding="cp437")
