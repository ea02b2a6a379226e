"""The line of a manifest that a problem is about, for people. What may be a secret is not in it.

Text that was refused cannot be trusted to be what its place says: a key may be where a name was expected. So values
under the keys that hold secrets are left out whatever they are, and so are the parts of an address that may sign it.

A file of nonsense has lines of megabytes, or megabytes of lines, and a thousand problems. So lines are clipped before
anything else looks at them, and every pattern here takes time in proportion to what it is given.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from msgspec import Struct, field

from runner.lib.atomic_files import open_file
from runner.lib.paths import leads_out
from runner.manifest.document import Problem
from runner.manifest.text import MAX_BYTES

MASK = "***"
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # those of YAML 1.1
_MOST_LINES = 500_000  # of a file; what is wrong below them is told without its line
_LONGEST = 2_000  # characters of a line that are looked at; nobody reads a longer one
_KEY = re.compile(r"""(?<![\w-])(?P<name>[\w-]++)["']?\s*+:(?=\s|$)\s*+""")
_SECRET_NAME = re.compile(
    r"(?:.*\b)?(?:to|ping|literal|value|plain)|.*(?:key|token|secret|passw|credential).*", re.IGNORECASE
)
_ADDRESS = re.compile(r"(?<=://)[^\s/@]*@|(?<=\?)[^\s\"'},]+")  # who signs in, and the query
_BLOCK = re.compile(r"\s*(?:-\s+)*")  # all that is before a key that is not within braces
_VALUES = {
    "{": re.compile(r"\{[^}]*\}?"),
    '"': re.compile(r'"[^"]*"?'),
    "'": re.compile(r"'[^']*'?"),
}
_TO_COMMA = re.compile(r"[^,}]*")


class SourceExcerpt(Struct, frozen=True, kw_only=True):
    """A line of a file and the place in it, counted in characters from 0."""

    text: str
    place: int


class _Source(Struct, frozen=True, kw_only=True):
    """A file's lines, and for each the last line above it that is indented less, None where there is none.

    `inside` has the lines that were asked for: whether each belongs to a value that may be a secret.
    """

    lines: Sequence[str]
    above: Sequence[int | None]
    inside: dict[int, bool] = field(default_factory=dict)


def excerpts(problems: Sequence[Problem]) -> Iterator[SourceExcerpt | None]:
    """Yield the line of each problem, None where there is none to show. Each file is read once."""
    last: dict[str, int] = {}
    for problem in problems:
        last[problem.file] = max(problem.line, last.get(problem.file, 0))
    files: dict[str, _Source] = {}
    for problem in problems:
        if problem.file not in files:
            lines = _lines(Path(problem.file), min(last[problem.file], _MOST_LINES))
            files[problem.file] = _Source(lines=lines, above=_lines_above(lines))
        yield _excerpt(files[problem.file], problem)


def _lines(path: Path, count: int) -> list[str]:
    """Return the first lines of a file; none of one that a link takes out of its checkout."""
    if leads_out(path):
        return []
    try:
        with open_file(path) as file:
            text = file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, ValueError):  # gone, or no possible path
        return []
    return _BREAKS.split(text, maxsplit=count)[:count]


def _lines_above(lines: Sequence[str]) -> list[int | None]:
    """Return for each line the number of the line it is within; blank lines are within none."""
    above: list[int | None] = []
    open_lines: list[tuple[int, int]] = []  # indent and number, each indented more than the one before
    for number, line in enumerate(lines):
        rest = line.lstrip()
        indent = len(line) - len(rest)
        while open_lines and rest and open_lines[-1][0] >= indent:
            open_lines.pop()
        above.append(open_lines[-1][1] if open_lines and rest else None)
        if rest:
            open_lines.append((indent, number))
    return above


def _excerpt(source: _Source, problem: Problem) -> SourceExcerpt | None:
    lines = source.lines
    if problem.line > len(lines) or not lines[problem.line - 1].strip():
        return None
    line = _clipped(lines[problem.line - 1], problem.column - 1)
    if line is None or _is_inside_secret(source, problem.line - 1):
        return None
    place = min(problem.column - 1, len(line))
    masked = _masked(line, place)
    if problem.code == "literal-key":
        return SourceExcerpt(text=f"{masked.text[: masked.place]}{MASK}", place=masked.place)
    return masked


def _clipped(line: str, place: int) -> str | None:
    """Return a long line's first characters up to a blank, so that no address is cut in two; None before the place."""
    if len(line) <= _LONGEST:
        return line
    end = line.rfind(" ", 0, _LONGEST) + 1
    return line[:end] if place < end else None


def _is_inside_secret(source: _Source, number: int) -> bool:
    """Return whether the line belongs to a value that began on a line above under a key that holds a secret."""
    chain: list[int] = []
    at: int | None = number
    while at is not None and at not in source.inside:
        chain.append(at)
        at = source.above[at]
    for place in reversed(chain):
        above = source.above[place]
        source.inside[place] = above is not None and (source.inside[above] or _opens_secret(source.lines[above]))
    return source.inside[number]


def _opens_secret(line: str) -> bool:
    """Return whether a line's last key may hold a secret that continues below it; of a very long line nobody knows."""
    if len(line) > _LONGEST:
        return True
    found = _secret_keys(line)
    return bool(found) and (found[-1].end() == len(line.rstrip()) or not _is_whole(line[found[-1].end() :]))


def _secret_keys(line: str) -> list[re.Match[str]]:
    return [found for found in _KEY.finditer(line) if _SECRET_NAME.fullmatch(found["name"])]


def _is_whole(value: str) -> bool:
    """Return whether a value certainly ends on its line."""
    text = value.rstrip()
    return text.startswith("{") and "}" in text


def _masked(line: str, place: int) -> SourceExcerpt:
    """Return the line without what may be secret, and the place moved along."""
    parts, done, moved = [], 0, place
    for start, end in _spans(line):
        if start < done or start == end:
            continue
        parts += [line[done:start], MASK]
        done = end
        if place >= end:
            moved += len(MASK) - (end - start)
        elif place > start:
            moved -= place - start
    return SourceExcerpt(text="".join([*parts, line[done:]]), place=moved)


@lru_cache(maxsize=1)
def _spans(line: str) -> Sequence[tuple[int, int]]:
    """Return where values stand that are not to be shown, in order; a line of many problems is looked at once."""
    return sorted([*_secret_values(line), *(found.span() for found in _ADDRESS.finditer(line))])


def _secret_values(line: str) -> Iterator[tuple[int, int]]:
    """Yield the values of keys that hold secrets; what is within another one is part of it."""
    done = 0
    for found in _secret_keys(line):
        begin = found.end()
        if begin < done or begin == len(line):
            continue
        in_block = _BLOCK.fullmatch(line, 0, found.start()) is not None
        form = _VALUES.get(line[begin], None if in_block else _TO_COMMA)
        value = form.match(line, begin) if form else None
        done = value.end() if value else len(line.rstrip())
        yield begin, done
