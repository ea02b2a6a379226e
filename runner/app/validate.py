"""`retrain validate`: every problem of the manifests, and of the data files they name."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.check import read_header
from runner.datasets.resolve import resolve_file
from runner.errors import ModelError
from runner.lib.text import did_you_mean, shown
from runner.manifest.document import EnoughError, Findings, Problem
from runner.manifest.load import read
from runner.manifest.model import Dataset, Manifest, Model, Place, Source

_MOST_FILES = 20  # warned of one by one; a checkout without any data would bury everything else
_MAGIC = frozenset("*?[")


class _Header(Struct, frozen=True, kw_only=True):
    """A file's column names."""

    shown: str
    columns: tuple[str, ...]


def check_named_data(manifest: Manifest, findings: Findings) -> None:
    """Report data files that cannot be used, as warnings, and targets that their headers do not have.

    Of each file no more than the header is read, and nothing of one outside of the manifest's checkout: messages name
    columns. A pattern for folders is not looked for, as it may walk a whole disk; nor is another machine asked.
    """
    unusable: list[tuple[Place, ModelError]] = []
    headers = {name: list(_headers(dataset, unusable)) for name, dataset in manifest.datasets.items()}
    _report_files(unusable, findings)
    try:
        for model in manifest.models.values():
            _check_targets(model, headers[model.dataset], findings)
    except EnoughError:
        return


def _headers(dataset: Dataset, unusable: list[tuple[Place, ModelError]]) -> Iterator[_Header]:
    """Yield the headers that can be read; files that cannot be used are collected."""
    for source in filter(None, (dataset.train, dataset.eval)):
        try:
            header = None if source.scheme or _walks(source) else _header(source, dataset.name)
        except ModelError as error:
            unusable.append((source.place, error))
        else:
            if header is not None:
                yield header


def _walks(source: Source) -> bool:
    """Return whether more than one folder would be looked into."""
    folders = Path(source.pattern).parent
    return source.pick is not None and ("**" in source.pattern or not _MAGIC.isdisjoint(str(folders)))


def _header(source: Source, dataset: str) -> _Header | None:
    file = resolve_file(source, None, dataset)
    if file.outside or file.parts[0].local is None:
        return None
    columns = read_header(file)
    return _Header(shown=file.parts[0].shown, columns=columns) if columns else None


def _report_files(unusable: list[tuple[Place, ModelError]], findings: Findings) -> None:
    for place, error in unusable[:_MOST_FILES]:
        findings.warning(place, "data-file", error.message, hint=error.hint)
    more = len(unusable) - _MOST_FILES
    if more > 0:
        findings.warning(
            unusable[_MOST_FILES][0],
            "data-file",
            f"This data file and {more - 1} more cannot be used either.",
            hint="Provide the files; a plan says for each model what is wrong with its data.",
        )


def _check_targets(model: Model, headers: Iterable[_Header], findings: Findings) -> None:
    report = findings.error if model.checks.on_fail == "stop" else findings.warning
    for header in headers:
        for place, target in _targets(model):
            if target not in header.columns:
                report(
                    place,
                    "unknown-column",
                    f"{header.shown} has no column {shown(target)}.",
                    hint=did_you_mean(target, header.columns, otherwise="Name a column of its header."),
                )


def _targets(model: Model) -> Iterator[tuple[Place, str]]:
    """Yield where a target is named, and how; the one of `checks` is that of `emulator` unless it has its own."""
    checks, emulator = model.checks, model.emulator
    if checks.target is not None and checks.target_place is not None:
        yield checks.target_place, checks.target
    if emulator is not None and emulator.target_place is not None and emulator.target_place != checks.target_place:
        yield emulator.target_place, emulator.target


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
        problems=tuple(_seen_from(here, problem) for problem in found.ordered()),
    )


def _seen_from(here: Path, problem: Problem) -> Problem:
    related = tuple(
        Place(file=_relative(here, place.file), line=place.line, column=place.column) for place in problem.related
    )
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
