"""Tar archives and gzip streams from outside: read once from the front, within limits."""

import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from typing import BinaryIO, cast

from runner.policy.entries import (
    HIGHEST_RATIO,
    LARGEST_ENTRY,
    RATIO_FROM,
    Entry,
    in_memory,
    is_junk,
    refuse_large,
    refuse_many,
)
from runner.policy.number import shown
from runner.policy.refusal import refusal

_MOST_KEPT = 64 * 1024 * 1024  # bytes of members that are held in memory
_MOST_READ = 1 << 30
_BLOCK = tarfile.BLOCKSIZE
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
        self._last = (self._last + block[-_BLOCK:])[-_BLOCK:]
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
def _translated_errors(form: str) -> Iterator[None]:
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
    with _translated_errors("gzip file"):
        while len(content) < most:
            block = source.read(min(most - len(content), RATIO_FROM))
            if not block:
                break
            content += block
    return bytes(content)


def tar_entries(stream: BinaryIO, *, packed: bool, within: str = "") -> list[Entry]:
    """Return the files of a tar archive; `packed` tells that it is within gzip, `within` its path with a slash.

    Raises:
        ModelError: of kind result, for damage, more than 1000 files or more than 1 GiB.
    """
    stream.seek(0)
    source = unpacked(stream) if packed else _Counted(stream, None)
    with (
        _translated_errors("tar archive"),
        tarfile.open(fileobj=cast("BinaryIO", source), mode="r|", tarinfo=_Info, errors="replace") as archive,
    ):
        entries = list(_files(archive, within))
        source.read_to_end()
    return entries


def _files(archive: tarfile.TarFile, within: str) -> Iterator[Entry]:
    kept = 0
    for count, info in enumerate(archive, start=1):
        refuse_many(count)
        if not info.isreg() or is_junk(info.name):
            continue
        path = f"{within}{info.name.removeprefix('./')}"
        file = archive.extractfile(info) if info.size <= LARGEST_ENTRY and kept + info.size <= _MOST_KEPT else None
        if file is None:
            yield _too_large(path, info.size)
            continue
        content = file.read()
        kept += len(content)
        yield in_memory(path, content)


def _too_large(path: str, size: int) -> Entry:
    def refuse() -> bytes:
        if size > LARGEST_ENTRY:
            refuse_large(path)
        raise refusal(f"The member '{shown(path)}' comes after 64 MiB of other members of the result archive.")

    return Entry(path=path, size=size, head=refuse, read=refuse)
