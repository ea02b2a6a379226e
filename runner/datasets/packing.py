"""Data files packed into a zip file for the upload, compressed on all cores."""

import importlib
import os
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO
from zipfile import ZIP64_LIMIT, ZIP_DEFLATED, ZipFile, ZipInfo

from runner.datasets.file_cache import changed
from runner.datasets.joined_stream import blocks, content
from runner.datasets.local_source import LocalFile
from runner.datasets.metadata import FileMetadata, UploadFile
from runner.datasets.resolve import ResolvedDataset, ResolvedFile, safe_name
from runner.errors import Kind, ModelError
from runner.lib.atomic_files import make_folder, remove_flat, replacing
from runner.lib.checksums import Checksum, comparison_with, is_large, sum_of
from runner.providers.facts import ArchiveFolders

_WINDOW = 32 << 10  # bytes a DEFLATE stream may refer back to
_LEVEL = 1
_RAW = -15  # neither a zlib header nor a checksum: a zip member has its own
_MEMORY = 8  # zlib's default


def _engine() -> ModuleType:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


def crc32(text: bytes, before: int) -> int:
    """Return the CRC-32 of the bytes after bytes whose CRC-32 is `before`; 0 at the start."""
    value: int = _engine().crc32(text, before)
    return value


def threads() -> int:
    """Return how many blocks are worth compressing at once."""
    return min(4, len(os.sched_getaffinity(0)))


class Deflater:
    """One raw DEFLATE stream; takes blocks and gives pieces, in order, at most two blocks a thread behind."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: deque[Future[bytes]] = deque()
        self._window = b""

    def add(self, block: bytes) -> Iterator[bytes]:
        """Compress another block and yield what has become ready."""
        self._waiting.append(self._pool.submit(_piece, block, self._window))
        self._window = block[-_WINDOW:]
        while len(self._waiting) > 2 * threads():
            yield self._waiting.popleft().result()

    def finish(self) -> Iterator[bytes]:
        """Yield the rest of the stream."""
        while self._waiting:
            yield self._waiting.popleft().result()
        yield zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW).flush()


def _piece(block: bytes, window: bytes) -> bytes:
    engine = _engine()
    stream = engine.compressobj(_LEVEL, engine.DEFLATED, _RAW, _MEMORY, engine.Z_DEFAULT_STRATEGY, window)
    piece: bytes = stream.compress(block) + stream.flush(engine.Z_SYNC_FLUSH)
    return piece


_OLDEST = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name
_FILE_MODE = 0o100644 << 16  # a regular file, for those who unpack it


def package(
    resolved: ResolvedDataset,
    train: FileMetadata,
    evaluation: FileMetadata | None,
    spool: Path,
    folders: ArchiveFolders | None,
) -> UploadFile:
    """Make the file to upload, with the content that the metadata is of.

    Evaluation data goes with it in the `folders` of a zip; the manifest refuses it where the provider takes none.

    Raises:
        ModelError: of kind `data`: the content has changed since, or the spool folder takes no more. Then nothing is
            left in it.
    """
    if resolved.eval is None and len(resolved.train.parts) == 1:
        return UploadFile(file=resolved.train.parts[0], filename=resolved.train.name, content=_sum(train))
    with _private_folder(spool) as folder:
        if resolved.eval is None or evaluation is None or folders is None:
            return _spooled(resolved.train, train, folder)
        members = [(folders.train, resolved.train, train), (folders.eval, resolved.eval, evaluation)]
        return _zipped(members, folder, f"{safe_name(resolved.name)}.zip")


def discard(upload: UploadFile) -> None:
    """Remove the upload when it is in the spool folder; the user's own file stays."""
    if upload.spool is not None:
        remove_flat(upload.spool)


@contextmanager
def _private_folder(spool: Path) -> Iterator[Path]:
    """Give a new folder that goes away again when anything fails."""
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="upload-", dir=make_folder(spool)))
        yield folder
    except BaseException as error:
        if folder is not None:
            remove_flat(folder)
        if isinstance(error, OSError):
            raise ModelError(
                Kind.DATA,
                f"The upload could not be written to the spool folder {spool}: {error.strerror}.",
                hint="Free space there, or keep the state on a larger disk, and run again.",
            ) from error
        raise


def _spooled(file: ResolvedFile, metadata: FileMetadata, folder: Path) -> UploadFile:
    path = folder / file.name
    with replacing(path) as out:
        for block in _unchanged(file, metadata):
            out.write(block)
    return UploadFile(
        file=LocalFile(path=path, shown=str(path)), filename=file.name, content=_sum(metadata), spool=folder
    )


def _zipped(members: list[tuple[str, ResolvedFile, FileMetadata]], folder: Path, name: str) -> UploadFile:
    path = folder / name
    with replacing(path) as out, ZipFile(out, "w") as archive, ThreadPoolExecutor(threads()) as pool:
        for place, file, metadata in members:
            info = ZipInfo(f"{place}/{file.name}", date_time=_OLDEST)
            _add(archive, out, info, metadata, _Member(_unchanged(file, metadata), out, Deflater(pool)))
    made = LocalFile(path=path, shown=str(path))
    packed = sum_of(blocks(made), fast=is_large(path.stat().st_size))
    return UploadFile(file=made, filename=name, content=packed, spool=folder)


def _unchanged(file: ResolvedFile, metadata: FileMetadata) -> Iterator[bytes]:
    """Yield the file's content, and raise at its end when it is not the one that the metadata is of."""
    with comparison_with(_sum(metadata)) as compared:
        for block in content(file):
            compared.add(block)
            yield block
        if not compared.agrees():
            raise changed(metadata.source)


def _sum(metadata: FileMetadata) -> Checksum:
    return Checksum(sha256=metadata.sha256, bytes=metadata.bytes, fast_checksum=metadata.fast_checksum)


class _Member:
    """Compresses one file into the zip, and learns the CRC-32 of what it read."""

    def __init__(self, text: Iterator[bytes], out: BinaryIO, deflater: Deflater) -> None:
        self.crc = 0
        self._text = text
        self._out = out
        self._deflater = deflater

    def write(self) -> None:
        """Write the compressed data."""
        for block in self._text:
            self.crc = crc32(block, self.crc)
            self._out.writelines(self._deflater.add(block))
        self._out.writelines(self._deflater.finish())


def _add(archive: ZipFile, out: BinaryIO, info: ZipInfo, metadata: FileMetadata, member: _Member) -> None:
    """Write header and data; the header again when sizes are known; and enter the member into the directory.

    The directory itself is written by ZipFile when it closes, from `filelist` and `start_dir`.
    """
    info.compress_type = ZIP_DEFLATED
    info.external_attr = _FILE_MODE
    info.header_offset, info.CRC = out.tell(), 0
    large = metadata.bytes > ZIP64_LIMIT - ZIP64_LIMIT // 64  # what cannot be compressed grows by less than a 64th
    out.write(info.FileHeader(zip64=large))
    begin = out.tell()
    member.write()
    archive.start_dir = out.tell()
    info.CRC, info.file_size, info.compress_size = member.crc, metadata.bytes, archive.start_dir - begin
    out.seek(info.header_offset)
    out.write(info.FileHeader(zip64=large))
    out.seek(archive.start_dir)
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
