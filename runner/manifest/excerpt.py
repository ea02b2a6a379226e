"""The line of a manifest that a problem is about, for people. What may be a secret is not in it.

Text that was refused cannot be trusted to be what its place says: a key may stand where a name was expected. So values
under the keys that hold secrets are left out whatever they are, and so are the parts of an address that may sign it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from runner.durable import open_file
from runner.manifest.problems import Problem
from runner.manifest.text import MAX_BYTES

MASK = "***"
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # those of YAML 1.1
_SECRET = re.compile(
    r"""["']?\b(?:to|ping|literal|value|plain|[\w-]*(?:key|token|secret|passw|credential)[\w-]*)["']?\s*:(?=\s|$)\s*""",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?<=://)[^\s/@]*@|(?<=\?)[^\s\"'},]+")  # who signs in, and the query
_BLOCK = re.compile(r"\s*(?:-\s+)*")  # all that stands before a key that is not within braces
_VALUES = {
    "{": re.compile(r"\{[^}]*\}?"),
    '"': re.compile(r'"[^"]*"?'),
    "'": re.compile(r"'[^']*'?"),
}
_TO_COMMA = re.compile(r"[^,}]*")


class Excerpt(Struct, frozen=True, kw_only=True):
    """A line of a file and the place in it, counted in characters from 0."""

    text: str
    place: int


class _Source(Struct, frozen=True, kw_only=True):
    """A file's lines, and for each the last line above it that is indented less, None where there is none."""

    lines: Sequence[str]
    above: Sequence[int | None]


def excerpts(problems: Sequence[Problem]) -> Iterator[Excerpt | None]:
    """Yield the line of each problem, None where there is none to show. Each file is read once."""
    files: dict[str, _Source] = {}
    for problem in problems:
        if problem.file not in files:
            lines = _lines(Path(problem.file))
            files[problem.file] = _Source(lines=lines, above=_lines_above(lines))
        yield _excerpt(files[problem.file], problem)


def _lines(path: Path) -> list[str]:
    try:
        with open_file(path) as file:
            return _BREAKS.split(file.read(MAX_BYTES).decode("utf-8-sig", errors="replace"))
    except (OSError, ValueError):  # gone, or no possible path
        return []


def _lines_above(lines: Sequence[str]) -> list[int | None]:
    """Return for each line the number of the line it is within; blank lines are within none."""
    above: list[int | None] = []
    open_lines: list[tuple[int, int]] = []  # indent and number, each indented more than the one before
    for number, line in enumerate(lines):
        blank, indent = not line.strip(), _indent(line)
        while open_lines and not blank and open_lines[-1][0] >= indent:
            open_lines.pop()
        above.append(open_lines[-1][1] if open_lines and not blank else None)
        if not blank:
            open_lines.append((indent, number))
    return above


def _excerpt(source: _Source, problem: Problem) -> Excerpt | None:
    lines = source.lines
    if problem.line > len(lines) or not lines[problem.line - 1].strip():
        return None
    line, place = lines[problem.line - 1], min(problem.column - 1, len(lines[problem.line - 1]))
    if _is_inside_secret(source, problem.line - 1):
        return None
    masked = _masked(line, place)
    if problem.code == "literal-key":
        return Excerpt(text=f"{masked.text[: masked.place]}{MASK}", place=masked.place)
    return masked


def _is_inside_secret(source: _Source, number: int) -> bool:
    """Tell whether the line belongs to a value that began on a line above under a key that holds a secret."""
    above = source.above[number]
    while above is not None:
        line = source.lines[above]
        found = list(_SECRET.finditer(line))
        if found and (found[-1].end() == len(line.rstrip()) or not _is_whole(line[found[-1].end() :])):
            return True
        above = source.above[above]
    return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_whole(value: str) -> bool:
    """Tell whether a value surely ends on its line."""
    text = value.rstrip()
    return text.startswith("{") and "}" in text


def _masked(line: str, place: int) -> Excerpt:
    """Return the line without what may be secret, and the place moved along."""
    parts, done, moved = [], 0, place
    for start, end in sorted(_spans(line)):
        if start < done or start == end:
            continue
        parts += [line[done:start], MASK]
        done = end
        if place >= end:
            moved += len(MASK) - (end - start)
        elif place > start:
            moved -= place - start
    return Excerpt(text="".join([*parts, line[done:]]), place=moved)


def _spans(line: str) -> Iterator[tuple[int, int]]:
    """Yield where values stand that are not to be shown."""
    for found in _SECRET.finditer(line):
        rest = line[found.end() :]
        if not rest:
            continue
        in_block = _BLOCK.fullmatch(line[: found.start()]) is not None
        form = _VALUES.get(rest[0], None if in_block else _TO_COMMA)
        value = form.match(rest) if form else None
        yield found.end(), found.end() + (value.end() if value else len(rest.rstrip()))
    for found in _ADDRESS.finditer(line):
        yield found.span()
