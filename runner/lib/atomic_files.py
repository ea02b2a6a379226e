"""Files that exist whole or not at all, readable by their owner only.

The way is: write beside, fsync the file, rename over, fsync the folder; clean up whatever happens. No other module
opens a file under the state folder for writing.
"""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import BinaryIO

FOLDER_MODE = 0o700
_NEW = ".retrain-"  # in the names of new files that are not whole yet; no other program writes it
FILE_MODE = 0o600
_BLOCK = 1 << 20


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading, at once and only if it is one: whoever reads a pipe may wait forever.

    Raises:
        OSError: it cannot be opened, or it is a folder, a pipe, a socket or a device.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 -- Path.open takes no opener; the caller closes it
    except ValueError:  # a NUL in it
        raise OSError(errno.EINVAL, "its name cannot be a file's name", str(path)) from None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def open_new(path: Path) -> BinaryIO:
    """Open a file that is not there yet, for its owner only, to be written bit by bit.

    Raises:
        OSError: it is there already, or it cannot be made.
    """
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, FILE_MODE))


def open_below(root: Path, name: str) -> BufferedReader:
    """Open a file below a folder, if no part of the way to it is a link.

    Raises:
        OSError: as `open_file`, or a part is a link or leads out of the folder.
    """
    path = root
    for part in PurePosixPath(name).parts:
        path /= part
        if part in ("/", "..") or path.is_symlink():
            raise OSError(errno.ELOOP, "it is behind a link", str(path))
    return open_file(path)


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_up_to(stream: BinaryIO, size: int) -> bytes:
    """Return at most so many bytes of a stream; unlike its own `read`, this takes memory only for what is there."""
    content = bytearray()
    while len(content) < size and (block := stream.read(min(_BLOCK, size - len(content)))):
        content += block
    return bytes(content)


def make_folder(folder: Path) -> Path:
    """Create the folder and its parents with mode 0700; an existing folder is left as it is."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return folder


def real_folder(root: Path, *names: str) -> Path:
    """Return the folder below `root`, made with mode 0700 where it is missing; none on the way to it is a link.

    Raises:
        OSError: it cannot be made, or something else is in its place.
    """
    folder = make_folder(root)
    for name in names:
        folder = folder / name
        with suppress(FileExistsError):
            folder.mkdir(mode=FOLDER_MODE)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "it is a link or a file in the place of a folder", str(folder))
    return folder


def is_real_folder(path: Path) -> bool:
    """Return whether there is a folder at this path, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def real_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders in a folder that are not links; none where it is not a folder itself."""
    yield from (path for path, mode in _entries(folder) if stat.S_ISDIR(mode))


def real_files(folder: Path) -> Iterator[Path]:
    """Yield the regular files in a folder; none where it is not a folder itself."""
    yield from (path for path, mode in _entries(folder) if stat.S_ISREG(mode))


def remove_flat(folder: Path) -> None:
    """Remove a folder of ours with the files in it; what else is in it stays, and the folder with it."""
    for path in real_files(folder):
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _entries(folder: Path) -> list[tuple[Path, int]]:
    """Return the entries with their modes, nothing for a link."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return []
        with os.scandir(folder) as found:
            return sorted((folder / entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in found)
    except OSError:
        return []


def sync_folder(folder: Path) -> None:
    """Make renames within the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(target: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write to; on a clean exit it becomes `target`, durably if `lasting`, else nothing has changed."""
    make_folder(target.parent)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    if lasting:
        sync_folder(target.parent)


def write_whole(target: Path, content: bytes) -> None:
    """Write the bytes to `target` so that a reader sees the old file or the new one, never a part."""
    with replacing(target) as file:
        file.write(content)


def write_new(target: Path, content: bytes, *, mode: int = FILE_MODE) -> None:
    """Write the bytes to `target` durably, unless something is there already.

    Raises:
        FileExistsError: it is; nothing was changed.
    """
    make_folder(target.parent)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}{_NEW}", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)
    finally:
        Path(name).unlink()
    sync_folder(target.parent)


def remove_lasting(path: Path) -> None:
    """Remove a file so that no power cut brings it back; a missing one is accepted.

    Raises:
        OSError: it cannot be removed.
    """
    path.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        sync_folder(path.parent)


def remove_unfinished(target: Path) -> None:
    """Remove what `write_new` left beside the target when it was killed."""
    name = re.compile(rf"\.{re.escape(target.name)}{re.escape(_NEW)}[0-9a-z_]{{8}}")
    for path in real_files(target.parent):
        if name.fullmatch(path.name):
            path.unlink(missing_ok=True)


def publish(target: Path, content: bytes, *, lasting: bool = True, new_mode: int | None = None) -> None:
    """Write a file that a user named: whole, through links, as readable as the umask or the file before it says.

    `new_mode` takes the place of the umask for a file that was not there.

    A pipe or a device is written to as it is. The folder must exist. What is not `lasting` may be gone or cut after a
    power cut: waiting for the disk takes longer than making a page.
    """
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    place = Path(os.path.realpath(target))  # unlike Path.resolve it bears a circle of links
    fresh = user_file_mode() if new_mode is None else new_mode
    mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else fresh
    if not place.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place.parent))
    with replacing(place, lasting=lasting) as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)


def user_file_mode() -> int:
    """Return the mode of a new file of the user's own: what the umask leaves, which is only read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
