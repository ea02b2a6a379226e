"""Local files as a source of data, by paths and patterns."""

import os
import platform
import stat
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from runner.datasets.access import DataAccess
from runner.datasets.file_search import MAGIC, TooMuchError, matching, meant, natural_order, other_choice
from runner.datasets.source import PARQUET, Fingerprint, FoundFiles, unreadable
from runner.errors import Kind, ModelError
from runner.lib.paths import leads_out, lies_outside
from runner.manifest.model import Source
from runner.providers.facts import DataFormats

_WORTH_A_RECORD = 2**20  # bytes; less is read faster than its record


class LocalFile(Struct, frozen=True, kw_only=True):
    """One file on disk; `shown` is its path as people know it.

    `outside` says that it is not in the checkout, or folder, of the manifest that names it.
    """

    path: Path
    shown: str
    outside: bool = False

    @property
    def name(self) -> str:
        """Return its file name."""
        return self.path.name

    @property
    def local(self) -> Path:
        """Return its path."""
        return self.path

    @property
    def version(self) -> None:
        """Return that nothing names its content but the content itself."""
        return

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return what the system says of a file that takes long to read, for this machine alone."""
        try:
            found = self.path.stat()
        except OSError:
            return None  # told by who reads it
        if found.st_size < _WORTH_A_RECORD:
            return None
        return ("file", platform.node(), *map(str, _fingerprint(found).values))  # ns have more digits than JSON

    def open(self) -> BinaryIO:
        """Open it."""
        return self.path.open("rb", buffering=0)

    def size(self) -> int:
        """Return its size in bytes."""
        return self.path.stat().st_size

    def fingerprint(self) -> Fingerprint:
        """Return what the system says of it: device, inode, size, and when content and inode changed."""
        return _fingerprint(self.path.stat())


def _fingerprint(found: os.stat_result) -> Fingerprint:
    times = found.st_mtime_ns, found.st_ctime_ns
    return Fingerprint((found.st_dev, found.st_ino, found.st_size, *times), times)


class LocalSource:
    """Files by their paths; a relative one starts at the folder of the manifest's file."""

    def find(self, source: Source, access: DataAccess) -> FoundFiles:  # noqa: ARG002 -- other sources need it
        """Return the files that match and can be read."""
        literal = source.folder / source.pattern
        remarks: tuple[str, ...] = ()
        if source.pick is None and (os.path.lexists(literal) or MAGIC.isdisjoint(source.pattern)):
            paths = [literal]
        else:
            paths, remarks = _picked(source)
        files = tuple(_file(path, source.folder) for path in paths)
        for file in files:
            _require_readable(file, source)
        return FoundFiles(files=files, remarks=remarks)


def _file(path: Path, folder: Path) -> LocalFile:
    return LocalFile(path=path, shown=_shown(path, folder), outside=lies_outside(path, folder))


def _picked(source: Source) -> tuple[list[Path], tuple[str, ...]]:
    """Return the files that are taken of those that match, and why others may be meant."""
    files = _matching(source)
    others = [path for path in _matching(source, any_case=True) if path not in files]
    if not files:
        raise ModelError(
            Kind.DATA,
            f"No file matches {source.pattern}.",
            hint=f"Patterns keep letter case, and {others[0].name} has another; correct the pattern or rename the file."
            if others and not lies_outside(others[0], source.folder)
            else "Patterns start at the folder of the manifest file; correct the pattern or provide the file.",
        )
    if source.pick is None and len(files) > 1:
        raise ModelError(
            Kind.DATA,
            f"{source.pattern} matches {len(files)} files, and only one is wanted.",
            hint="Write {glob: ..., pick: latest} to take the last by name, or pick: all to join them.",
        )
    if source.pick == "all":
        left_out = f"{len(others)} more match but for their letter case, such as {others[0].name}" if others else None
        return files, (left_out,) if left_out else ()
    chosen = max(files, key=natural_order)
    doubt = other_choice(chosen, files, others)
    return [chosen], (doubt,) if doubt else ()


def _matching(source: Source, *, any_case: bool = False) -> list[Path]:
    try:
        found = matching(source.pattern, source.folder, any_case=any_case)
    except TooMuchError as much:
        raise ModelError(
            Kind.DATA,
            f"{source.pattern} was looked for among {much}, and there are more.",
            hint="Begin the pattern with the folder that holds the data, and leave `**` out where it is not needed.",
        ) from None
    return [path for path in found if not path.is_dir()]


def _shown(path: Path, folder: Path) -> str:
    plain = Path(os.path.normpath(path))
    for base in (Path.cwd(), folder):
        if plain.is_relative_to(os.path.normpath(base)):
            return str(plain.relative_to(os.path.normpath(base)))
    return str(path)


def _require_readable(file: LocalFile, source: Source) -> None:
    try:
        file.shown.encode()
        found = file.path.stat()
    except FileNotFoundError as error:
        guess = None if file.outside or file.path.is_symlink() else meant(source.pattern, source.folder)
        raise unreadable(file, error, guess) from error
    except OSError as error:
        raise unreadable(file, error) from error
    except ValueError as error:
        raise ModelError(
            Kind.DATA,
            f"{file.shown!r} cannot be the name of a data file.",
            hint="Use a name without NUL that is valid UTF-8.",
        ) from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise ModelError(Kind.DATA, f"{file.shown} is {what}.", hint=f"Name a {source.formats.suffixes} file.")
    if not os.access(file.path, os.R_OK):
        raise unreadable(file, PermissionError(0, "Permission denied"))
    _require_data(file, source.formats)


def _require_data(file: LocalFile, formats: DataFormats) -> None:
    """Refuse a link out of a checkout to a file that is not data: flaws of data are shown, and data is sent."""
    if Path(os.path.realpath(file.path)).suffix.lower() not in (*formats.tables, PARQUET) and leads_out(file.path):
        raise ModelError(
            Kind.DATA,
            f"{file.shown} leads out of its checkout, to a file that does not end in {formats.suffixes}.",
            hint="Copy the data to this place, or name its own file in the manifest.",
        )
