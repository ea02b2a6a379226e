"""The values of a manifest with their places, and the problems that are found there, all of them at once.

The values are dicts and lists, so that a JSON schema can be checked against them, and never leave this package.
"""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import ExitCode, RetrainError
from runner.manifest.model import Place

Path = tuple[str | int, ...]  # keys and positions from the root to a value

# The file, line and column of a key, line and column of its value; all count from 1. A bare tuple, since a class for it
# takes as long to make as all the rest of a key, and a large file has hundreds of thousands.
Mark = tuple[str, int, int, int, int]


class YamlMap(dict[str, Any]):
    """A mapping with the mark of each key. After a merge, keys can come from several files."""

    __slots__ = ("marks",)

    def __init__(self) -> None:  # always empty, so dict has nothing to do
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: object, mark: Mark) -> None:
        """Set a key with its mark."""
        self[key] = value
        self.marks[key] = mark

    def key_place(self, key: str) -> Place:
        """Return where the key stands."""
        file, line, column, _, _ = self.marks[key]
        return Place(file=file, line=line, column=column)

    def value_place(self, key: str) -> Place:
        """Return where the key's value stands."""
        file, _, _, line, column = self.marks[key]
        return Place(file=file, line=line, column=column)

    def file_of(self, key: str) -> str:
        """Return the file in which the key stands."""
        return self.marks[key][0]


class YamlList(list[Any]):
    """A list with the place of each item."""

    __slots__ = ("file", "marks")

    def __init__(self, file: str) -> None:  # as above
        self.file = file
        self.marks: list[tuple[int, int]] = []

    def put(self, value: object, line: int, column: int) -> None:
        """Append an item with its position."""
        self.append(value)
        self.marks.append((line, column))

    def item_place(self, index: int) -> Place:
        """Return where an item stands."""
        line, column = self.marks[index]
        return Place(file=self.file, line=line, column=column)


Severity = Literal["error", "warning"]
MOST_ERRORS = 1_000
MOST_WARNINGS = 1_000


class Problem(Struct, frozen=True, kw_only=True):
    """One problem at one place; line and column count from 1, `related` are other places it is about."""

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str
    severity: Severity = "error"
    related: tuple[Place, ...] = ()

    def line_text(self) -> str:
        """Return the problem as one line: `file:line:column: code: message (hint)`; a warning says so at its end.

        A line that begins with `::` is a command to the runner of a pipeline. So a file of such a name gets a `./`.
        """
        mark = "" if self.severity == "error" else " [warning]"
        plain = "./" if self.file.lstrip().startswith(":") else ""
        return f"{plain}{self.file}:{self.line}:{self.column}: {self.code}: {self.message} ({self.hint}){mark}"

    @property
    def place(self) -> Place:
        """Where the problem is."""
        return Place(file=self.file, line=self.line, column=self.column)


class ManifestError(RetrainError):
    """The manifest is invalid (exit 3); `problems` holds all errors and warnings in the order of their places."""

    exit_code = ExitCode.MANIFEST

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        errors = [problem for problem in problems if problem.severity == "error"]
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__(f"The manifest has {count}.", hint="Correct it; `retrain validate` shows it again.")
        self.problems = problems


class EnoughError(Exception):
    """So many problems were found that looking for more helps nobody."""


class Findings:
    """Collects problems. The same one found twice, such as in defaults used by many models, is kept once.

    Beyond `MOST_ERRORS` it raises `EnoughError`, so that a file of nonsense costs no minutes; beyond `MOST_WARNINGS`
    warnings are left out.
    """

    def __init__(self, found: Iterable[Problem] = ()) -> None:
        self._found: dict[Problem, None] = dict.fromkeys(found)
        self._places: set[Place] = {problem.place for problem in self._found}
        self._errors = sum(problem.severity == "error" for problem in self._found)
        self._warnings = len(self._found) - self._errors

    def add(self, problem: Problem) -> None:
        """Keep the problem, or raise `EnoughError`."""
        if problem in self._found:
            return
        if problem.severity == "warning":
            self._warnings += 1
            if self._warnings > MOST_WARNINGS:
                self._leave_out(problem)
                return
        self._found[problem] = None
        self._places.add(problem.place)
        self._errors += problem.severity == "error"
        if self._errors >= MOST_ERRORS:
            message = f"More than {MOST_ERRORS} errors; the rest is not shown."
            self._found[replace(problem, code="too-many-errors", message=message, hint="Correct these first.")] = None
            raise EnoughError

    def add_all(self, problems: Iterable[Problem]) -> None:
        """Keep the problems, or raise `EnoughError`."""
        for problem in problems:
            self.add(problem)

    def _leave_out(self, warning: Problem) -> None:
        if self._warnings == MOST_WARNINGS + 1:
            message = f"More than {MOST_WARNINGS} warnings; the rest is not shown."
            self._found[replace(warning, code="too-many-warnings", message=message, hint="Correct these first.")] = None

    def error(self, place: Place, code: str, message: str, *, hint: str, related: tuple[Place, ...] = ()) -> None:
        """Keep an error."""
        self.add(_problem(place, code, message, hint=hint, severity="error", related=related))

    def warning(self, place: Place, code: str, message: str, *, hint: str, related: tuple[Place, ...] = ()) -> None:
        """Keep a warning."""
        self.add(_problem(place, code, message, hint=hint, severity="warning", related=related))

    def places(self) -> frozenset[Place]:
        """Return the places of all problems so far."""
        return frozenset(self._places)

    def ordered(self) -> tuple[Problem, ...]:
        """Return all problems by file, line and column; on a line an odd character is first, as the others follow."""
        return tuple(sorted(self._found, key=_order))

    def has_error(self) -> bool:
        """Whether there is more than warnings."""
        return self._errors > 0


def _order(problem: Problem) -> tuple[str, int, bool, int, str, str]:
    follows = problem.code != "odd-character"
    return problem.file, problem.line, follows, problem.column, problem.code, problem.message


def _problem(  # noqa: PLR0913 - the parts of a problem
    place: Place, code: str, message: str, *, hint: str, severity: Severity, related: tuple[Place, ...]
) -> Problem:
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        code=code,
        message=message,
        hint=hint,
        severity=severity,
        related=related,
    )
