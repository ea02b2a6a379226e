"""Result files in the state folder, reached without following a link: only files that a run stored are removed."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Literal

from runner.journal.events import PrunedFile
from runner.journal.folder import StateFolder

Found = Literal["same", "other", "none"]
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_LINK = errno.ELOOP  # what O_NOFOLLOW makes of a link
_FOLDERS = 2  # above a result: its model's folder, and `results`


@contextmanager
def _opened(folder: StateFolder, parts: tuple[str, ...]) -> Iterator[int]:
    """Give a handle of a folder below the state's, each step of it a real folder."""
    handle = os.open(folder.root, os.O_RDONLY | os.O_DIRECTORY)  # that one may be a link: the operator named it
    try:
        for name in parts:
            inner = os.open(name, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def look_at(folder: StateFolder, file: PrunedFile) -> Found:
    """Tell whether the recorded file lies there, something else does, or nothing.

    Raises:
        OSError: it cannot be read.
    """
    *above, name = PurePosixPath(file.path).parts
    try:
        with _opened(folder, tuple(above)) as handle, open(os.open(name, _FILE, dir_fd=handle), "rb") as stream:  # noqa: PTH123 -- a handle, no path
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return "other"
            return "same" if hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256 else "other"
    except (FileNotFoundError, NotADirectoryError):
        return "none" if not os.path.lexists(folder.root / file.path) else "other"
    except OSError as error:
        if error.errno == _LINK:
            return "other"
        raise


def remove(folder: StateFolder, file: PrunedFile) -> None:
    """Remove a file, and the folders of results that it leaves empty.

    Raises:
        OSError: it cannot be removed.
    """
    *above, name = PurePosixPath(file.path).parts
    with _opened(folder, tuple(above)) as handle:
        os.unlink(name, dir_fd=handle)
    for _ in range(_FOLDERS):
        inner = above.pop()
        with suppress(OSError), _opened(folder, tuple(above)) as handle:  # it holds other files
            os.rmdir(inner, dir_fd=handle)
