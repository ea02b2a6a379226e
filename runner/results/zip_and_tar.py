"""Zip, tar and gzip from outside: one member is read at a time, within limits; nothing is ever extracted."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from typing import BinaryIO, cast

from runner.results.members import (
    HEAD,
    HIGHEST_RATIO,
    LARGEST_MEMBER,
    RATIO_FROM,
    Member,
    in_memory,
    is_junk,
    refusal,
    refuse_dense,
    refuse_large,
    refuse_many,
)
from runner.results.number import shown

_ZIP_BLOCK = 64 * 1024
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
def _translated_zip_errors() -> Iterator[None]:
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
        with _translated_zip_errors():
            self._archive = _zip_file(stream)
        self._infos = self._archive.infolist()
        self._within = within
        refuse_many(len(self._infos))

    def members(self) -> list[Member]:
        """Return the members that are files, in the archive's order."""
        found: dict[tuple[str, int, int], zipfile.ZipInfo] = {}
        for info in self._infos:
            if not is_junk(info.filename):
                found.setdefault((info.filename, info.file_size, info.CRC), info)  # a copy is no second file
        return list(map(self._member, found.values()))

    def _member(self, info: zipfile.ZipInfo) -> Member:
        return Member(
            path=f"{self._within}{info.filename}",
            size=info.file_size,
            head=lambda: self._content(info, most=HEAD),
            read=lambda: self._content(info),
        )

    def _content(self, info: zipfile.ZipInfo, *, most: int | None = None) -> bytes:
        """Return the bytes of a member, or the first `most`.

        Raises:
            ModelError: of kind result, for encryption, an unknown compression or damage, and when the member is larger
                than 16 MiB or was compressed more than 200 times.
        """
        path = f"{self._within}{info.filename}"
        if info.flag_bits & _ENCRYPTED:
            raise refusal(f"The member '{shown(path)}' of the result archive is encrypted.")
        if info.compress_type not in _METHODS:
            raise refusal(f"The member '{shown(path)}' of the result archive is compressed in an unknown way.")
        with _translated_zip_errors():
            if most is not None:
                with self._archive.open(info) as file:
                    return file.read(most)
            content = self._read_within_limit(info, path)
        refuse_dense(path, len(content), info.compress_size)
        return content

    def _read_within_limit(self, info: zipfile.ZipInfo, path: str) -> bytes:
        """Count the bytes as they come; the size that an archive states may be a lie."""
        content = bytearray()
        with self._archive.open(info) as file:
            while block := file.read(_ZIP_BLOCK):
                content += block
                if len(content) > LARGEST_MEMBER:
                    refuse_large(path)
        return bytes(content)


def _zip_file(stream: BinaryIO) -> zipfile.ZipFile:
    """Open with Japanese names, as the product's own computers write them; if they are not, with any bytes."""
    try:
        return zipfile.ZipFile(_BoundedReader(stream), metadata_encoding="cp932")
    except UnicodeDecodeError:
        return zipfile.ZipFile(_BoundedReader(stream), metadata_encoding="cp437")


_MOST_KEPT = 64 * 1024 * 1024  # bytes of members that are held in memory
_MOST_READ = 1 << 30
_TAR_BLOCK = tarfile.BLOCKSIZE
_LARGEST_HEADER = 1024 * 1024  # of a long name or of extended attributes, which tarfile reads at once
_EXTENSIONS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_TAR_ERRORS = (tarfile.TarError, zlib.error, EOFError, OverflowError, ValueError)


class _Info(tarfile.TarInfo):
    """A header whose extensions are of a size that is read without harm."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Info":
        """Return the header of a block of 512 bytes."""
        info = super().frombuf(buf, encoding, errors)
        if info.type in _EXTENSIONS and info.size > _LARGEST_HEADER:
            raise tarfile.HeaderError("too long")
        return info


class _Counted(io.RawIOBase):
    """Gives at most a gigabyte, and no more than 200 times what was read of the packed stream."""

    def __init__(self, stream: BinaryIO | GzipFile, packed: BinaryIO | None) -> None:
        self._stream, self._packed, self._given, self._last = stream, packed, 0, b""

    def read(self, size: int = -1, /) -> bytes:
        block = self._stream.read(size)
        self._given += len(block)
        self._last = (self._last + block[-_TAR_BLOCK:])[-_TAR_BLOCK:]
        if self._given > _MOST_READ:
            raise refusal("The result archive holds more than 1 GiB.")
        if self._packed is not None and self._given > RATIO_FROM and self._given > HIGHEST_RATIO * self._packed.tell():
            raise refusal(f"The result is compressed more than {HIGHEST_RATIO} times.")
        return block

    def readable(self) -> bool:
        return True

    def read_to_end(self) -> None:
        """Read what comes after the last file: only there gzip has its checksum, and a whole archive zeros."""
        while self.read(RATIO_FROM):
            pass
        if self._last.strip(b"\0"):
            raise tarfile.ReadError("cut")


@contextmanager
def _translated_tar_errors(form: str) -> Iterator[None]:
    try:
        yield
    except _TAR_ERRORS as error:
        raise refusal(f"The result is a {form} that is damaged.") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the stream itself cannot be read
        raise refusal(f"The result is a {form} that is damaged.") from error  # gzip's own error for damage


def unpacked(stream: BinaryIO) -> "_Counted":
    """Return what a gzip stream holds, as a stream that is read once from the front."""
    stream.seek(0)
    return _Counted(GzipFile(fileobj=stream, mode="rb"), stream)


def read_unpacked(stream: BinaryIO, most: int) -> bytes:
    """Return at most the first `most` bytes of what a gzip stream holds.

    Raises:
        ModelError: of kind result, for damage or a stream that was compressed more than 200 times.
    """
    source, content = unpacked(stream), bytearray()
    with _translated_tar_errors("gzip file"):
        while len(content) < most:
            block = source.read(min(most - len(content), RATIO_FROM))
            if not block:
                break
            content += block
    return bytes(content)


def tar_members(stream: BinaryIO, *, packed: bool, within: str = "") -> list[Member]:
    """Return the files of a tar archive; `packed` tells that it is within gzip, `within` its path with a slash.

    Raises:
        ModelError: of kind result, for damage, more than 1000 files or more than 1 GiB.
    """
    stream.seek(0)
    source = unpacked(stream) if packed else _Counted(stream, None)
    with (
        _translated_tar_errors("tar archive"),
        tarfile.open(fileobj=cast("BinaryIO", source), mode="r|", tarinfo=_Info, errors="replace") as archive,
    ):
        members = list(_files(archive, within))
        source.read_to_end()
    return members


def _files(archive: tarfile.TarFile, within: str) -> Iterator[Member]:
    kept = 0
    for count, info in enumerate(archive, start=1):
        refuse_many(count)
        if not info.isreg() or is_junk(info.name):
            continue
        path = f"{within}{info.name.removeprefix('./')}"
        file = archive.extractfile(info) if info.size <= LARGEST_MEMBER and kept + info.size <= _MOST_KEPT else None
        if file is None:
            yield _too_large(path, info.size)
            continue
        content = file.read()
        kept += len(content)
        yield in_memory(path, content)


def _too_large(path: str, size: int) -> Member:
    def refuse() -> bytes:
        if size > LARGEST_MEMBER:
            refuse_large(path)
        raise refusal(f"The member '{shown(path)}' comes after 64 MiB of other members of the result archive.")

    return Member(path=path, size=size, head=refuse, read=refuse)
