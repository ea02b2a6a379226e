"""The state in a folder: SQLite for the journal, a file lock for the lease, files for the files."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import BinaryIO

import msgspec
from msgspec import Struct

from runner.errors import StateError
from runner.journal.folder import FORMAT, StateFolder
from runner.journal.lock import FileLease, Held, current_holder, locked
from runner.journal.partitions import FOLDER, Format, lineage_of, part_name
from runner.journal.state_store import MOST_PENDING, EventLog, StoreCheck
from runner.journal.store import Store, open_for_reading, open_store
from runner.lib.atomic_files import (
    open_below,
    open_file,
    read_up_to,
    real_folder,
    remove_lasting,
    replacing,
    sync_folder,
    write_new,
)
from runner.lib.paths import numbered_user


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

    def put_all(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
        """Store several files one after another."""
        return {name: self.put(name, pieces) for name, pieces in files}

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

    def names(self, folder: str, after: str = "") -> Iterator[str]:
        """Yield the names of the files below a folder, without what a killed writer left: that is hidden."""
        found: list[str] = []
        for place, folders, files in os.walk(self.root / folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = Path(place).relative_to(self.root)
            found += (str(below / name) for name in files if not name.startswith("."))
        yield from (name for name in sorted(found) if name > f"{folder}/{after}")

    def remove(self, name: str) -> None:
        """Remove a file durably."""
        remove_lasting(self.root / name)

    def shown(self, name: str) -> str:
        """Return the file's path."""
        return str(self.root / name)


class FolderInbox(Struct, frozen=True):
    """Entries as files of the folder `inbox`, which is made with the first of them."""

    folder: StateFolder

    def post(self, name: str, content: bytes) -> None:
        """Make a file that is not there yet."""
        write_new(real_folder(self.folder.root, self.folder.inbox.name) / _part(name), content)

    def pending(self) -> tuple[str, ...]:
        """Return the names of all that is there but for hidden files, which are not whole yet."""
        try:
            with os.scandir(self.folder.inbox) as found:
                shown = (entry.name for entry in found if not entry.name.startswith("."))
                return tuple(sorted(islice(shown, MOST_PENDING)))
        except FileNotFoundError:
            return ()

    def read(self, name: str, limit: int) -> bytes:
        """Read a file that is not a link and belongs to the owner of the folder."""
        with open_below(self.folder.root, f"{self.folder.inbox.name}/{_part(name)}") as file:
            owner = os.fstat(file.fileno()).st_uid
            if owner != self.folder.inbox.stat().st_uid:
                raise PermissionError(errno.EPERM, f"it belongs to {numbered_user(owner)}", name)
            return read_up_to(file, limit)

    def remove(self, name: str) -> None:
        """Remove a file."""
        remove_lasting(self.folder.inbox / _part(name))

    def set_aside(self, name: str) -> str:
        """Move a file, a link or a folder into `lost/inbox`, under a name of its own."""
        aside = real_folder(self.folder.root, self.folder.lost.name, self.folder.inbox.name)
        target = aside / f"{token_hex(4)}-{_part(name)}"
        (self.folder.inbox / name).rename(target)
        for folder in (self.folder.inbox, aside):
            sync_folder(folder)
        return str(target)


def _part(name: str) -> str:
    """Return a name that is one part of a path; others are refused."""
    if PurePosixPath(name).name != name or name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "it is not a name of an entry", name)
    return name


def _make_format(folder: StateFolder, said: Format) -> None:
    try:
        write_new(folder.format, msgspec.json.encode(said) + b"\n")
    except OSError as error:
        raise StateError(
            f"{folder.format} cannot be made: {error.strerror}.",
            hint="Use the state that is there, or give another folder.",
        ) from error


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

    @property
    def inbox(self) -> FolderInbox:
        """Return the entries in its folder `inbox`."""
        return FolderInbox(self.folder)

    @property
    def partitions(self) -> int:
        """Return what `format.json` says."""
        return self.folder.partitions

    @property
    def lineage(self) -> str:
        """Return what `format.json` says, where a journal is beside it or below."""
        found = self.folder.read_format()
        return found.lineage if found and (found.partitions > 1 or self.folder.journal.exists()) else ""

    @property
    def number(self) -> int | None:
        """Return what `format.json` says."""
        found = self.folder.read_format()
        return None if found is None else found.number

    def part(self, number: int) -> str:
        """Return a folder below this one."""
        return str(self.folder.root / FOLDER / part_name(number))

    def divide(self, partitions: int) -> None:
        """Make `format.json`."""
        lineages = [FolderStore(StateFolder(Path(self.part(number)))).lineage for number in range(partitions)]
        _make_format(self.folder, Format(format=FORMAT, lineage=lineage_of(lineages), partitions=partitions))

    def begin(self, number: int | None = None) -> None:
        """Begin an empty journal; raises a StateError if there is one."""
        if self.is_begun():
            raise StateError(f"There is a state in {self.folder.root} already.", hint="Use it, or give another folder.")
        self._refuse_half_copied()
        self.folder.prepare()
        self._be(number)
        open_store(self.folder).close()

    def _be(self, number: int | None) -> None:
        """Say in `format.json` which partition this is; a state with one journal has no such file."""
        if number is not None and not self.folder.format.exists():
            _make_format(self.folder, Format(format=FORMAT, lineage=token_hex(16), partitions=1, number=number))

    def is_begun(self) -> bool:
        """Return whether there is a journal, or `format.json` that speaks of several."""
        return self.folder.journal.exists() or self.folder.partitions > 1

    def arriving(self) -> "FolderStore":
        """Return a folder beside this one."""
        return FolderStore(StateFolder(self.folder.root.with_name(f"{self.folder.root.name}.arriving")))

    def arrive(self, number: int | None = None) -> None:
        """Give the folder beside this one its name."""
        root = self.folder.root
        self.arriving()._be(number)  # noqa: SLF001 -- another object of this class
        try:
            self.arriving().folder.root.rename(root)
            sync_folder(root.parent)
        except OSError as error:
            raise StateError(
                f"{root} cannot be made: {error.strerror}.",
                hint="Name a folder that does not exist yet, or an empty folder.",
            ) from error

    def _refuse_half_copied(self) -> None:
        """Raise a StateError where a copy has not got the name of this folder yet: a state begun here trains anew."""
        if not self.is_begun() and self.arriving().folder.journal.exists():
            raise StateError(
                f"The copy of a state in {self.arriving().folder.root} is not {self.folder.root} yet, because "
                "the move or the copy was interrupted.",
                hint="Run the same command again; it continues.",
            )

    def require_journal(self) -> None:
        """Raise a StateError where the journal is gone but its runs are not, or the folder is not one or not yet."""
        self.folder.require_journal()
        self._refuse_half_copied()

    def open_log(self, *, afresh: bool = False) -> Store:  # noqa: ARG002 -- there is no copy
        """Open the journal for writing; begin one where the folder is fresh."""
        return open_store(self.folder)

    def read_log(self, *, afresh: bool = False) -> Store | None:  # noqa: ARG002 -- there is no copy
        """Open the journal for reading, or return None before the first run."""
        self._refuse_half_copied()
        return open_for_reading(self.folder)

    def lost_here(self, log: EventLog) -> None:
        """Return nothing: there is no copy."""

    def set_copy_aside(self) -> None:
        """Do nothing: there is no copy."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Do nothing: it costs little to look again."""
        return nullcontext()

    def lease(self, run_id: str, *, timeout: float) -> AbstractContextManager[FileLease]:
        """Hold the folder's lock."""
        return locked(self.folder, run_id, timeout=timeout)

    def checks(self) -> tuple[StoreCheck, ...]:
        """Return nothing: what is with a folder shows without opening the state."""
        return ()

    def holder(self) -> Held | None:
        """Return who holds the folder's lock."""
        return current_holder(self.folder)
