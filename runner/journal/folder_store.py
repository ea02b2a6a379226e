"""The state in a folder: SQLite for the journal, a file lock for the lease, files for the files."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from msgspec import Struct

from runner.journal.folder import StateFolder
from runner.journal.lock import Hold, locked
from runner.journal.store import Store, open_for_reading, open_store
from runner.lib.atomic_files import open_below, open_file, real_folder, replacing


class FolderBlobs(Struct, frozen=True):
    """Files below the state folder, reached without following a link."""

    root: Path

    def put(self, name: str, pieces: Iterable[bytes]) -> str:
        """Store a file whole or not at all; its folders are made, and none of them is a link."""
        *above, last = PurePosixPath(name).parts
        sha256 = hashlib.sha256()
        with replacing(real_folder(self.root, *above) / last) as target:
            for piece in pieces:
                target.write(piece)
                sha256.update(piece)
        return sha256.hexdigest()

    def keep(self, name: str, file: Path) -> None:
        """Store a file of the work folder; where that is the state's own, it is there already."""
        if self.root / name != file:
            with open_file(file) as stream:
                self.put(name, stream)

    def open(self, name: str) -> BinaryIO:
        """Open a file below the folder."""
        return open_below(self.root, name)

    def holds(self, name: str) -> bool:
        """Return whether there is anything at that path, a link that leads nowhere included."""
        return os.path.lexists(self.root / name)

    def shown(self, name: str) -> str:
        """Return the file's path."""
        return str(self.root / name)


class FolderStore(Struct, frozen=True):
    """A state folder as a store."""

    folder: StateFolder

    @property
    def address(self) -> str:
        """Return the folder's path."""
        return str(self.folder.root)

    @property
    def work(self) -> StateFolder:
        """Return the folder itself."""
        return self.folder

    @property
    def blobs(self) -> FolderBlobs:
        """Return the files below it."""
        return FolderBlobs(self.folder.root)

    def require_journal(self) -> None:
        """Raise a StateError where the journal is gone but its runs are not, or the folder is not one."""
        self.folder.require_journal()

    def open_log(self) -> Store:
        """Open the journal for writing; begin one where the folder is fresh."""
        return open_store(self.folder)

    def read_log(self) -> Store | None:
        """Open the journal for reading; None where no run has been yet."""
        return open_for_reading(self.folder)

    def held(self, run_id: str, *, timeout: float) -> AbstractContextManager[Hold]:
        """Hold the folder's lock."""
        return locked(self.folder, run_id, timeout=timeout)
