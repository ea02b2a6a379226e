"""Files looked for: a bounded walk over folders, the latest of several by name, and what a missing one may be."""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from itertools import islice
from pathlib import Path, PurePath

from runner.lib.text import likeness, nearest, spelling_difference

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
