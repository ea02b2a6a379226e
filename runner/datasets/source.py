"""Where data files come from, and what is asked of one: it is found, looked at, and read from its begin to its end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import Struct

from runner.errors import Kind, ModelError
from runner.lib.file_owner import owner_of
from runner.manifest.model import Source


class Fingerprint(Struct, frozen=True):
    """What stays the same as long as a file's content does.

    `values` name the file and its version. `times` say when it was changed, in ns since the epoch, where the values are
    no finer than a clock; without times, every change gives other values.
    """

    values: tuple[int | str, ...]
    times: tuple[int, ...] = ()


class DataFile(Protocol):
    """One file; equal objects are one file. All but the properties raise OSError where the file cannot be read."""

    @property
    def name(self) -> str:
        """Return its file name, with the suffix that says its form."""

    @property
    def shown(self) -> str:
        """Return its address as people know it, without secrets."""

    @property
    def local(self) -> Path | None:
        """Return where it is on this machine; None where its bytes come from elsewhere."""

    @property
    def outside(self) -> bool:
        """Return whether it is outside of the manifest's checkout: then nothing that it holds is shown."""

    def open(self) -> BinaryIO:
        """Open it for reading, unbuffered."""

    def size(self) -> int:
        """Return its size in bytes."""

    def fingerprint(self) -> Fingerprint:
        """Return its fingerprint as it is now."""


class TableAsText(Struct, frozen=True, kw_only=True):
    """A file whose table is looked at as text; `as_text` makes that of its bytes."""

    file: DataFile
    as_text: Callable[[BinaryIO], BinaryIO]

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.file.name

    @property
    def shown(self) -> str:
        """Return the file's address."""
        return self.file.shown

    @property
    def local(self) -> Path | None:
        """Return None: the text is in no file."""
        return None

    @property
    def outside(self) -> bool:
        """Return whether the file is outside of the manifest's checkout."""
        return self.file.outside

    def open(self) -> BinaryIO:
        """Open the text for reading."""
        return self.as_text(self.file.open())

    def size(self) -> int:
        """Return the file's size in bytes."""
        return self.file.size()

    def fingerprint(self) -> Fingerprint:
        """Return the file's fingerprint."""
        return self.file.fingerprint()


class FoundFiles(Struct, frozen=True, kw_only=True):
    """The files that the manifest names, at least one; `remarks` say why others may be meant."""

    files: Sequence[DataFile]
    remarks: tuple[str, ...] = ()


class DataSource(Protocol):
    """A kind of place for data files."""

    def find(self, source: Source) -> FoundFiles:
        """Return the files that the manifest names, each one there and readable; by name.

        Raises:
            ModelError: of kind `data`: nothing matches, or a match cannot be read.
        """


def unreadable(file: DataFile, error: OSError, guess: str | None = None) -> ModelError:
    """Return the error for a file that cannot be read; the guess says which file may be meant."""
    if isinstance(error, FileNotFoundError):
        linked = file.local is not None and file.local.is_symlink()
        what = "is a link to a file that does not exist" if linked else "does not exist"
        return ModelError(Kind.DATA, f"{file.shown} {what}.", hint=guess or "Provide the file or correct its path.")
    owner = owner_of(file.local) if isinstance(error, PermissionError) and file.local is not None else None
    return ModelError(
        Kind.DATA,
        f"{file.shown} cannot be read: {error.strerror}{f'; {owner}' if owner else ''}.",
        hint="Make it a regular file this user may read.",
    )
