"""A problem of a manifest as lines for people: what is wrong, the manifest's line, and a caret under the place."""

from collections.abc import Iterator, Sequence

from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.manifest.document import Problem
from runner.manifest.source_excerpt import SourceExcerpt, excerpts
from runner.reports.text import columns_of, inline

_COLUMNS = 100  # of a line where there is no terminal
_CUT = "..."
_FEWEST = 20


def problem_lines(problems: Sequence[Problem], terminal: TerminalCapabilities) -> Iterator[str]:
    """Yield the lines of all problems."""
    for problem, excerpt in zip(problems, excerpts(problems), strict=True):
        yield inline(problem.line_text())
        if excerpt is not None:
            yield from _pointed(problem, excerpt, terminal)


def _pointed(problem: Problem, excerpt: SourceExcerpt, terminal: TerminalCapabilities) -> Iterator[str]:
    gutter = f"{problem.line:>5} | "
    before, after = inline(excerpt.text[: excerpt.place]), inline(excerpt.text[excerpt.place :].rstrip())
    before, after = _around(before, after, max((terminal.columns or _COLUMNS) - len(gutter) - 1, _FEWEST))
    yield f"{gutter}{before}{after}"
    yield f"{' ' * 5} | {' ' * columns_of(before)}{_caret(problem, terminal)}"


def _caret(problem: Problem, terminal: TerminalCapabilities) -> str:
    if not terminal.colour:
        return "^"
    return f"\x1b[1;{31 if problem.severity == 'error' else 33}m^\x1b[0m"


def _around(before: str, after: str, room: int) -> tuple[str, str]:
    """Cut what is too long on both sides of the place; a third of the room is for what follows it.

    No more characters than columns are kept: there are some that take no column.
    """
    left = max(room - min(_extent(after, room), room // 3), room // 3)
    if _extent(before, left) > left:
        before = before[-left:]
        while columns_of(before) > left - len(_CUT):
            before = before[1:]
        before = f"{_CUT}{before}"
    right = room - columns_of(before)
    if _extent(after, right) > right:
        after = after[:right]
        while columns_of(after) > right - len(_CUT):
            after = after[:-1]
        after = f"{after}{_CUT}"
    return before, after


def _extent(text: str, enough: int) -> int:
    """Return the columns of a text, or the number of its characters where that is more than enough."""
    return len(text) if len(text) > enough else columns_of(text)
