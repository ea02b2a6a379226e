"""Local files as a source of data: paths, patterns, and a bounded walk over folders."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from fnmatch import translate
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from runner.datasets.source import DELIMITERS, Fingerprint, unreadable
from runner.errors import Kind, ModelError
from runner.lib.checkout_boundary import leads_out, lies_outside
from runner.manifest.model import Source

MOST_ENTRIES = 200_000
_MOST_LEVELS = 100
_MAGIC = frozenset("*?[")


class TooMuchError(Exception):
    """More entries, or folders within folders, than a pattern may look at; the message says how many."""


def matching(pattern: str, folder: Path) -> list[Path]:
    """Return what matches, by path; a relative pattern starts at the folder. What cannot be listed holds nothing.

    As in a shell, names that begin with a dot are only matched by a pattern that does, and `**` goes through no link.

    Raises:
        TooMuchError: it would look at more than 200,000 files and folders, or more than 100 levels down.
    """
    parts = [part for part, before in _pairs(Path(pattern).parts) if not part == before == "**"]
    return sorted(set(_Walk().through(folder, parts, 0)))


def _pairs(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(parts, ["", *parts], strict=False)


class _Walk:
    """Counts what it looks at."""

    def __init__(self) -> None:
        self._seen = 0

    def through(self, base: Path, parts: Sequence[str], level: int) -> Iterator[Path]:
        """Yield what matches below a folder."""
        if level > _MOST_LEVELS:
            raise TooMuchError(f"{_MOST_LEVELS} folders within each other")
        if not parts:
            yield base
        elif parts[0] == "**":
            yield from self.through(base, parts[1:] or ["*"], level)
            for entry in self._list(base):
                if not entry.name.startswith(".") and _is_folder(entry, through_links=False):
                    yield from self.through(base / entry.name, parts, level + 1)
        elif _MAGIC.isdisjoint(parts[0]):
            if os.path.lexists(base / parts[0]):
                yield from self.through(base / parts[0], parts[1:], level + 1)
        else:
            yield from self._named(base, parts, level)

    def _named(self, base: Path, parts: Sequence[str], level: int) -> Iterator[Path]:
        fits, hidden = re.compile(translate(parts[0])).match, parts[0].startswith(".")
        for entry in self._list(base):
            shown = hidden or not entry.name.startswith(".")
            if shown and fits(entry.name) and (not parts[1:] or _is_folder(entry, through_links=True)):
                yield from self.through(base / entry.name, parts[1:], level + 1)

    def _list(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._seen += 1
                    if self._seen > MOST_ENTRIES:
                        raise TooMuchError(f"{MOST_ENTRIES:,} files and folders")
                    yield entry
        except (OSError, ValueError):
            return


def _is_folder(entry: os.DirEntry[str], *, through_links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=through_links)
    except OSError:
        return False


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

    def open(self) -> BinaryIO:
        """Open it."""
        return self.path.open("rb", buffering=0)

    def size(self) -> int:
        """Return its size in bytes."""
        return self.path.stat().st_size

    def fingerprint(self) -> Fingerprint:
        """Return what the system says of it: device, inode, size, and when content and inode changed."""
        found = self.path.stat()
        times = found.st_mtime_ns, found.st_ctime_ns
        return Fingerprint((found.st_dev, found.st_ino, found.st_size, *times), times)


class LocalSource:
    """Files by their paths; a relative one starts at the folder of the manifest's file."""

    def find(self, source: Source) -> tuple[LocalFile, ...]:
        """Return the files that match and can be read."""
        files = tuple(_file(path, source.folder) for path in _matches(source))
        for file in files:
            _require_readable(file)
        return files


def _file(path: Path, folder: Path) -> LocalFile:
    return LocalFile(path=path, shown=_shown(path, folder), outside=lies_outside(path, folder))


def _matches(source: Source) -> list[Path]:
    literal = source.folder / source.pattern
    if source.pick is None and (os.path.lexists(literal) or _MAGIC.isdisjoint(source.pattern)):
        return [literal]
    try:
        found = matching(source.pattern, source.folder)
    except TooMuchError as much:
        raise ModelError(
            Kind.DATA,
            f"{source.pattern} was looked for among {much}, and there are more.",
            hint="Begin the pattern with the folder that holds the data, and leave `**` out where it is not needed.",
        ) from None
    return _picked(source, [path for path in found if not path.is_dir()])


def _picked(source: Source, files: list[Path]) -> list[Path]:
    if not files:
        raise ModelError(
            Kind.DATA,
            f"No file matches {source.pattern}.",
            hint="Patterns start at the folder of the manifest file; correct the pattern or provide the file.",
        )
    if source.pick is None and len(files) > 1:
        raise ModelError(
            Kind.DATA,
            f"{source.pattern} matches {len(files)} files, and only one is wanted.",
            hint="Write {glob: ..., pick: latest} to take the last by name, or pick: all to join them.",
        )
    return files if source.pick == "all" else files[-1:]


def _shown(path: Path, folder: Path) -> str:
    plain = Path(os.path.normpath(path))
    for base in (Path.cwd(), folder):
        if plain.is_relative_to(os.path.normpath(base)):
            return str(plain.relative_to(os.path.normpath(base)))
    return str(path)


def _require_readable(file: LocalFile) -> None:
    try:
        file.shown.encode()
        found = file.path.stat()
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
        raise ModelError(Kind.DATA, f"{file.shown} is {what}.", hint="Name a .csv or .tsv file.")
    if not os.access(file.path, os.R_OK):
        raise unreadable(file, PermissionError(0, "Permission denied"))
    _require_data(file)


def _require_data(file: LocalFile) -> None:
    """Refuse a link out of a checkout to a file that is no data: what is wrong with data is shown, and data is sent."""
    if Path(os.path.realpath(file.path)).suffix.lower() not in DELIMITERS and leads_out(file.path):
        raise ModelError(
            Kind.DATA,
            f"{file.shown} leads out of its checkout, to a file that does not end in .csv or .tsv.",
            hint="Copy the data to this place, or name its own file in the manifest.",
        )
