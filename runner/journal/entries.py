"""What a state folder has in it by our own hand, and what is refused: links, special files, a database of others.

A link in place of a file or folder of ours would let whoever can put it there choose what is written, removed or read.
"""

import re
import stat
from collections.abc import Collection
from pathlib import Path

from runner.errors import StateError

RUN_FILES = ("report.json", "report.md", "report.html", "journal.jsonl", "attestation.dsse.json")
BESIDE_JOURNAL = ("-journal", "-wal", "-shm")  # what SQLite puts beside a database
_DOWNLOAD = "result.download"
_UPLOAD = re.compile(r"upload-[0-9a-z_]{8}")  # a folder below a run's part of the spool
_HALF = re.compile(r"\.(?P<name>.+)\.[0-9a-z_]{8}")  # what a killed writer leaves beside the file `name`


def require_real(folders: Collection[Path], files: Collection[Path]) -> None:
    """Refuse what is there under these names and is not a folder or a file of its own.

    Raises:
        StateError: it is a link, or something else; the message names it.
    """
    for path, fits in (*((one, stat.S_ISDIR) for one in folders), *((one, stat.S_ISREG) for one in files)):
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if not fits(mode):
            wanted = "folder" if fits is stat.S_ISDIR else "file"
            raise StateError(
                f"{path} is {_kind(mode)}, not a {wanted} of the state.",
                hint="Nothing was read or written there. Remove it if it is not yours, or give another --state.",
            )


def is_half(name: str, files: Collection[str]) -> bool:
    """Return whether a killed writer leaves a file of this name beside one of these files."""
    found = _HALF.fullmatch(name)
    return found is not None and found["name"] in files


def is_partial_download(name: str) -> bool:
    """Return whether a file of this name is a result that was not downloaded whole."""
    return name == _DOWNLOAD or is_half(name, (_DOWNLOAD,))


def is_upload_folder(name: str) -> bool:
    """Return whether what is packed for one upload is in a folder of this name."""
    return _UPLOAD.fullmatch(name) is not None


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "a special file"
