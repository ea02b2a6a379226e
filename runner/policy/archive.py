"""A zip archive from outside: one member is read at a time, within limits; nothing is ever extracted."""

import io
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from runner.policy.heads import Role, role_of
from runner.policy.number import shown
from runner.policy.refusal import refusal

LARGEST_MEMBER = 16 * 1024 * 1024
_MOST_MEMBERS = 1000
_HIGHEST_RATIO = 200
_RATIO_FROM = 1024 * 1024  # a small file of equal rows compresses further than this without being an attack
_APART: tuple[Role, ...] = ("previous", "difference", "never")
_DIGITS = re.compile(r"\d+")
_BLOCK = 64 * 1024
_LARGEST_READ = 1024 * 1024
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
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
    """The members of a zip archive, found by the last component of their path whatever the folder."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the archive's directory.

        Raises:
            ModelError: of kind result, for a damaged archive or one of more than 1000 members.
        """
        with _translated_errors():
            self._archive = _zip_file(stream)
        self._members = self._archive.infolist()
        if len(self._members) > _MOST_MEMBERS:
            raise refusal(f"The result archive has {len(self._members)} members, more than {_MOST_MEMBERS}.")

    def names(self) -> tuple[str, ...]:
        """Return the members' paths as they stand in the archive."""
        return tuple(member.filename for member in self._members)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of the one member with this last path component in any letter case; None without one.

        A member in a folder that says it is of the model before, or of the training rows, is not the candidate's.

        Raises:
            ModelError: of kind result, for two such members, encryption, an unknown compression or damage, and when
                the member is larger than 16 MiB or was compressed more than 200 times.
        """
        wanted = _last_component(name)
        found = [one for one in self._members if _last_component(one.filename) == wanted and not _apart(one.filename)]
        if len(found) > 1:
            both = " and ".join(f"'{shown(member.filename)}'" for member in found[:2])
            raise refusal(f"The result archive has more than one {shown(name)}: {both}.")
        return self._content(found[0]) if found else None

    def _content(self, member: zipfile.ZipInfo) -> bytes:
        name = shown(member.filename)
        if member.flag_bits & _ENCRYPTED:
            raise refusal(f"The member '{name}' of the result archive is encrypted.")
        if member.compress_type not in _METHODS:
            raise refusal(f"The member '{name}' of the result archive is compressed in an unknown way.")
        with _translated_errors():
            content = self._read_within_limit(member)
        if len(content) > _RATIO_FROM and len(content) > _HIGHEST_RATIO * member.compress_size:
            raise refusal(f"The member '{name}' of the result archive is compressed more than {_HIGHEST_RATIO} times.")
        return content

    def _read_within_limit(self, member: zipfile.ZipInfo) -> bytes:
        """Count the bytes as they come; the size that an archive states may be a lie."""
        content = bytearray()
        with self._archive.open(member) as file:
            while block := file.read(_BLOCK):
                content += block
                if len(content) > LARGEST_MEMBER:
                    raise refusal(f"The member '{shown(member.filename)}' of the result archive is larger than 16 MiB.")
        return bytes(content)


def _last_component(path: str) -> str:
    last = path.replace("\\", "/").rpartition("/")[2]
    return unicodedata.normalize("NFC", last).casefold()


def _apart(path: str) -> bool:
    """Tell whether a folder of the path names another model than the candidate, or other rows than the evaluation's."""
    folders = path.replace("\\", "/").split("/")[:-1]
    return any(role_of(_DIGITS.sub(" ", folder)) in _APART for folder in folders)


def is_archive(stream: BinaryIO) -> bool:
    """Tell by the first bytes whether the stream is a zip archive."""
    stream.seek(0)
    return stream.read(4) in _MAGIC


def _zip_file(stream: BinaryIO) -> zipfile.ZipFile:
    """Open with Japanese names, as the product's own computers write them; if they are not, with any bytes."""
    try:
        return zipfile.ZipFile(_BoundedReader(stream), metadata_encoding="cp932")
    except UnicodeDecodeError:
        return zipfile.ZipFile(_BoundedReader(stream), metadata_encoding="cp437")
