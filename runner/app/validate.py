"""`retrain validate`: every problem of the manifests, at places as a person in this folder writes them."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.named_data import check_named_data
from runner.manifest.load import read
from runner.manifest.model import Place
from runner.manifest.problems import Findings, Problem


class Validation(Struct, frozen=True, kw_only=True):
    """What checking came to. `files` and `models` count what was read; both are 0 when there is an error."""

    valid: bool
    files: int
    models: int
    problems: tuple[Problem, ...]


def validate(paths: Sequence[Path]) -> Validation:
    """Check the manifest that the files and folders form together, and that the data it names is there.

    Paths of problems below the working directory are relative to it, the others as they were given.

    Raises:
        UsageError: no path is given.
    """
    reading = read(paths)
    here = Path.cwd().resolve()
    found = Findings(reading.problems)
    if reading.manifest is not None:
        check_named_data(reading.manifest, found)
    manifest = None if found.has_error() else reading.manifest
    return Validation(
        valid=manifest is not None,
        files=len(manifest.files) if manifest else 0,
        models=len(manifest.models) if manifest else 0,
        problems=tuple(_seen_from(here, one) for one in found.ordered()),
    )


def _seen_from(here: Path, problem: Problem) -> Problem:
    related = tuple(Place(file=_relative(here, one.file), line=one.line, column=one.column) for one in problem.related)
    return replace(problem, file=_relative(here, problem.file), related=related)


def _relative(here: Path, file: str) -> str:
    """Return the file's path from here; the file itself is not followed, so a link keeps its name."""
    path = Path(file)
    if path.is_absolute() or ".." in path.parts:
        try:
            path = (path.parent.resolve() / path.name).relative_to(here)
        except (OSError, RuntimeError, ValueError):  # elsewhere, or no possible path
            path = Path(file)
    return path.as_posix().encode(errors="backslashreplace").decode()
