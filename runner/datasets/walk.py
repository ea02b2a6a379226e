"""Files that a pattern matches: `*` and `?` within a name, `**` for any folders below. What is looked at is bounded."""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from pathlib import Path

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
