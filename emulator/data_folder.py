"""The emulator's data folder: it may have come with a checkout or a copied state, so it is looked through first."""

import os
import stat
from pathlib import Path

from runner.errors import StateError
from runner.lib.atomic_files import make_folder


def make_data_folder(data: Path) -> Path:
    """Return the folder, made where it is missing; all below it are files and folders.

    Raises:
        StateError: it holds a link or another special file, by which the emulator would read or write elsewhere.
    """
    for folder, folders, files in os.walk(make_folder(data)):
        for name in (*folders, *files):
            entry = Path(folder, name)
            mode = entry.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise StateError(
                    f"{entry} in the emulator's data folder is neither a file nor a folder.",
                    hint="The emulator makes no links: remove the folder, or give another state folder.",
                )
    return data
