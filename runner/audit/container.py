"""The zip file of a bundle: members without compression, in order, with fixed times, so that the same members are the
same bytes on every machine. Reading never extracts, and what is not packed so shows.
"""

import hashlib
import io
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import BinaryIO, cast

from msgspec import Struct

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time the format knows
_UNIX = 3
_MODE = 0o600 << 16
_MOST_MEMBERS = 100_000
_IN_MEMORY = 1024 * 1024
_BLOCK = 1024 * 1024
# What zipfile lets through from damaged bytes; RuntimeError includes NotImplementedError.
_ZIP_ERRORS = (zipfile.BadZipFile, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


class DamagedError(OSError):
    """The file is not a bundle, or not as it was packed; the text says what is wrong."""


class Member(Struct, frozen=True, kw_only=True):
    """A file on its way into a bundle; `open` gives its bytes as a seekable stream."""

    name: str
    open: Callable[[], BinaryIO]


def sha256_of(stream: BinaryIO) -> str:
    """Return the lower-case hex SHA-256 of a stream, read in blocks."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def bytes_member(name: str, content: bytes) -> Member:
    """Return a member with this content."""
    return Member(name=name, open=lambda: io.BytesIO(content))


def pack(target: BinaryIO, members: Iterable[Member]) -> None:
    """Write the members to a seekable stream, one after the other."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            with member.open() as source:
                info = _info(member.name, size=source.seek(0, io.SEEK_END))
                source.seek(0)
                with archive.open(info, "w") as sink:
                    shutil.copyfileobj(source, sink, _BLOCK)


def _info(name: str, *, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr, info.file_size = _UNIX, _MODE, size
    return info


class Container:
    """A packed file, read member by member."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the directory.

        Raises:
            DamagedError: it is not a zip file, or has members that no bundle has.
        """
        self._stream = stream
        with _translated():
            self._archive = zipfile.ZipFile(stream)
            size = stream.seek(0, io.SEEK_END)
        members = self._archive.infolist()
        self._check(members, size)
        self._members = {member.filename: member for member in members}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the members' names in their order."""
        return tuple(self._members)

    def holds(self, name: str) -> bool:
        """Return whether there is such a member."""
        return name in self._members

    def open(self, name: str) -> BinaryIO:
        """Return a member as a seekable stream whose bytes are those of its checksum.

        Raises:
            FileNotFoundError: there is no such member.
            DamagedError: it cannot be read.
        """
        if name not in self._members:
            raise FileNotFoundError(2, "is not in the bundle")
        copy = cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 -- the caller closes it
        try:
            with _translated(), self._archive.open(self._members[name]) as source:
                shutil.copyfileobj(source, copy, _BLOCK)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy

    def is_as_packed(self) -> bool:
        """Return whether the file is, byte for byte, what `pack` makes of its members."""
        with TemporaryFile() as again:
            try:
                pack(again, [self._member(name) for name in self._members])
            except DamagedError:
                return False
            again.seek(0)
            self._stream.seek(0)
            return all(ours == theirs for ours, theirs in zip(_blocks(again), _blocks(self._stream), strict=True))

    def _member(self, name: str) -> Member:
        return Member(name=name, open=lambda: self.open(name))

    def _check(self, members: list[zipfile.ZipInfo], size: int) -> None:
        if len(members) > _MOST_MEMBERS:
            raise DamagedError(f"it has {len(members)} members, more than {_MOST_MEMBERS}")
        if len({member.filename for member in members}) != len(members):
            raise DamagedError("it holds two members of one name")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 0x1:
                raise DamagedError(f"its member {member.filename} is compressed or encrypted, as if packed again")
        if sum(member.file_size for member in members) > size:
            raise DamagedError("its members are larger than itself")


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream in blocks, then one empty block: streams of different lengths differ before they end."""
    while True:
        block = stream.read(_BLOCK)
        yield block
        if not block:
            return


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise DamagedError("it is not a zip file, or a damaged one") from error
