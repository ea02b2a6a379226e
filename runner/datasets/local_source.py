"""Local files as a source of data, by paths and patterns."""

import os
import platform
import re
import stat
from collections.abc import Iterator, Sequence
from fnmatch import translate
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO

from msgspec import Struct

from runner.datasets.source import PARQUET, DataAccess, Fingerprint, FoundFiles, unreadable
from runner.errors import Kind, ModelError
from runner.lib.paths import below, leads_out, lies_outside
from runner.lib.text import likeness, nearest, spelling_difference
from runner.manifest.model import Source
from runner.providers.facts import DataFormats

MOST_ENTRIES = 200_000
_MOST_LEVELS = 100
_MOST_NAMES = 10_000  # of a folder, to guess from
_LATER_S = 3600  # a checkout writes files within minutes
_DIGITS = re.compile(r"([0-9]+)")
MAGIC = frozenset("*?[")


class TooMuchError(Exception):
    """More entries, or folders within folders, than a pattern may look at; the message says how many."""


def matching(pattern: str, folder: Path, *, any_case: bool = False) -> list[Path]:
    """Return what matches, by path; a relative pattern starts at the folder. What cannot be listed holds nothing.

    As in a shell, names that begin with a dot are only matched by a pattern that does, and `**` goes through no link.
    With `any_case` names also match in another letter case.

    Raises:
        TooMuchError: it would look at more than 200,000 files and folders, or more than 100 levels down.
    """
    parts = [part for part, before in _pairs(Path(pattern).parts) if not part == before == "**"]
    return sorted(set(_Walk(re.IGNORECASE if any_case else re.NOFLAG).through(folder, parts, 0)))


def _pairs(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(parts, ["", *parts], strict=False)


class _Walk:
    """Counts what it looks at."""

    def __init__(self, case: re.RegexFlag) -> None:
        self._case = case
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
        elif MAGIC.isdisjoint(parts[0]):
            if os.path.lexists(base / parts[0]):
                yield from self.through(base / parts[0], parts[1:], level + 1)
        else:
            yield from self._named(base, parts, level)

    def _named(self, base: Path, parts: Sequence[str], level: int) -> Iterator[Path]:
        fits, hidden = re.compile(translate(parts[0]), self._case).match, parts[0].startswith(".")
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


def natural_order(path: PurePath) -> tuple[tuple[str | int, ...], ...]:
    """Return the key by which `sales_9.csv` comes before `sales_10.csv`: numbers count as numbers."""
    return tuple(_numbered(part) for part in path.parts)


def _numbered(name: str) -> tuple[str | int, ...]:
    """Return texts and numbers by turns, and the name itself for numbers that are written otherwise."""
    parts = _DIGITS.split(name)
    return (*(int(part) if index % 2 else part for index, part in enumerate(parts)), name)


def other_choice(chosen: Path, files: Sequence[Path], in_any_case: Sequence[Path]) -> str | None:
    """Return why another file may be meant than the last one by name, as a sentence without its end.

    Args:
        chosen: the last one.
        files: what matches the pattern.
        in_any_case: what would match it if letter case did not matter.
    """
    last = max(in_any_case, key=natural_order, default=chosen)
    if last != chosen and natural_order(last) > natural_order(chosen):
        return f"{last.name} is left out, as its letter case is not the pattern's, and would be the latest by name"
    newest = max(files, key=_changed_at)
    if _changed_at(newest) > _changed_at(chosen) + _LATER_S:
        return f"{chosen.name} is the latest by name, but {newest.name} was changed after it"
    return None


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def meant(pattern: str, folder: Path) -> str | None:
    """Return what a path that leads to no file may be meant for, as a sentence; it begins at the folder.

    Names are compared as people see them: letter case, Unicode forms, blanks and hidden characters aside.
    """
    if pattern.startswith("~"):
        return f"`~` is not read as your home folder here; write {Path(pattern).expanduser()}."
    slashed = pattern.replace("\\", "/")
    found, difference = _nearest_path(Path(slashed).parts, folder)
    if found is None:
        return None
    if slashed != pattern:
        return f"Write the path with slashes: {found}."
    told = f" Its name differs {difference}." if difference else ""
    return f"Did you mean {found}?{told} Correct the path, or provide the file."


def _nearest_path(parts: Sequence[str], folder: Path) -> tuple[str | None, str | None]:
    """Return a path of the folder that looks like the parts, and how its name differs where that cannot be seen."""
    names: list[str] = []
    difference = None
    for part in parts:
        if os.path.lexists(folder.joinpath(*names, part)):
            names.append(part)
            continue
        known = _names(folder.joinpath(*names))
        alike = next((name for name in known if likeness(name) == likeness(part)), None)
        found = alike or (nearest(part, known) if part == parts[-1] else None)
        if found is None:
            return None, None
        difference = spelling_difference(found, part) or difference
        names.append(found)
    return str(Path(*names)), difference


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _MOST_NAMES))
    except OSError:
        return []


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
            f"{source.pattern} matches {len(files)} files, but must match only one.",
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
    plain = os.path.normpath(path)
    for base in (Path.cwd(), folder):
        shown = below(plain, os.path.normpath(base)) if base.is_absolute() == path.is_absolute() else None
        if shown is not None:
            return shown
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
    if not _is_table(file.path, formats) and leads_out(file.path):
        raise ModelError(
            Kind.DATA,
            f"{file.shown} leads out of its checkout, to a file that does not end in {formats.suffixes}.",
            hint="Copy the data to this place, or name its own file in the manifest.",
        )


def _is_table(path: Path, formats: DataFormats) -> bool:
    """Return whether the file that a path leads to has a name of data; only the last part of it may lead to another."""
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    return place.suffix.lower() in (*formats.tables, PARQUET)
