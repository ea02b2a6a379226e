"""What is beside a SQLite database, looked at before SQLite acts on it.

A rollback journal may end with the name of a file that several databases shared. SQLite removes that file when it has
rolled back, wherever it is: so a state from elsewhere could remove any file of its reader. Our databases share none.
"""

import os
from pathlib import Path

from runner.errors import StateError
from runner.lib.atomic_files import open_file

_NAMES_A_FILE = bytes.fromhex("d9d505f920a163d7")  # the last eight bytes then; sqlite.org/fileformat.html, 3.0


def check_rollback_journal(database: Path) -> None:
    """Return when SQLite may open the database.

    Raises:
        StateError: the journal beside it names another file, or is itself a link or a special file.
        OSError: it cannot be read.
    """
    beside = database.with_name(f"{database.name}-journal")
    if not os.path.lexists(beside):
        return
    if beside.is_symlink() or not beside.is_file() or _end(beside) == _NAMES_A_FILE:
        raise StateError(
            f"{beside} was not left by retrain: it would make SQLite remove a file elsewhere.",
            hint="Find out who can write to this folder, and restore it from a copy.",
        )


def _end(beside: Path) -> bytes:
    with open_file(beside) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - len(_NAMES_A_FILE), 0))
        return file.read()
