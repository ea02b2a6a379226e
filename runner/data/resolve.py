"""From what the manifest says to files that exist. Nothing is read here yet."""

import os
import re
import stat
from pathlib import Path

from msgspec import Struct

from runner.data.walk import TooMuchError, matching
from runner.errors import Kind, ModelError
from runner.manifest.confined import leads_out
from runner.manifest.model import Dataset, Source

DELIMITERS = {".csv": ",", ".tsv": "\t"}
_MAGIC = frozenset("*?[")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Part(Struct, frozen=True, kw_only=True):
    """One file on disk; `shown` is its path as people know it."""

    path: Path
    shown: str


class ResolvedFile(Struct, frozen=True, kw_only=True):
    """One data file, made of one part or of several that are joined.

    `name` is the file name it is uploaded under; `pin` the SHA-256 the manifest asks for.
    """

    parts: tuple[Part, ...]
    name: str
    delimiter: str
    pin: str | None

    @property
    def source(self) -> str:
        """The first part's path, with the number of the others."""
        more = len(self.parts) - 1
        return f"{self.parts[0].shown} + {more} more" if more else self.parts[0].shown


class ResolvedDataset(Struct, frozen=True, kw_only=True):
    """A dataset whose files were found."""

    name: str
    train: ResolvedFile
    eval: ResolvedFile | None


def resolve(dataset: Dataset) -> ResolvedDataset:
    """Find the dataset's files.

    Raises:
        ModelError: of kind `data`: no match, not a readable file, not .csv or .tsv, or one file in both places.
    """
    train = resolve_file(dataset.train, dataset.train_sha256, dataset.name)
    if dataset.eval is None:
        return ResolvedDataset(name=dataset.name, train=train, eval=None)
    evaluation = resolve_file(dataset.eval, dataset.eval_sha256, dataset.name)
    _refuse_same_file(train, evaluation)
    return ResolvedDataset(name=dataset.name, train=train, eval=evaluation)


def resolve_file(source: Source, pin: str | None, dataset: str) -> ResolvedFile:
    """Find the parts of one file; `pin` is the SHA-256 that the manifest asks for, `dataset` its dataset's name.

    Raises:
        ModelError: of kind `data`: no match, not a readable file, or not .csv or .tsv.
    """
    paths = _matches(source)
    parts = tuple(Part(path=path, shown=_shown(path, source.folder)) for path in paths)
    for part in parts:
        _require_readable(part)
    delimiter = _delimiter(parts)
    name = parts[0].path.name if len(parts) == 1 else safe_name(dataset) + parts[0].path.suffix.lower()
    return ResolvedFile(parts=parts, name=name, delimiter=delimiter, pin=pin)


def safe_name(dataset: str) -> str:
    """Return the dataset's name with all that could leave its folder replaced by `_`."""
    return re.sub(r"[^\w.-]", "_", dataset)


def _matches(source: Source) -> list[Path]:
    if _URL.match(source.pattern):
        raise ModelError(
            Kind.DATA,
            f"{source.pattern.split('?')[0]} is a URL, and only local files can be read.",
            hint="Fetch the file in a step before this one and name its local path.",
        )
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


def _require_readable(part: Part) -> None:
    try:
        part.shown.encode()
        found = part.path.stat()
    except OSError as error:
        raise unreadable(part, error) from error
    except ValueError as error:
        raise ModelError(
            Kind.DATA,
            f"{part.shown!r} cannot be the name of a data file.",
            hint="Use a name without NUL that is valid UTF-8.",
        ) from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise ModelError(Kind.DATA, f"{part.shown} is {what}.", hint="Name a .csv or .tsv file.")
    if not os.access(part.path, os.R_OK):
        raise unreadable(part, PermissionError(0, "Permission denied"))
    _require_data(part)


def _require_data(part: Part) -> None:
    """Refuse a link out of a checkout to a file that is no data: what is wrong with data is shown, and data is sent."""
    if Path(os.path.realpath(part.path)).suffix.lower() not in DELIMITERS and leads_out(part.path):
        raise ModelError(
            Kind.DATA,
            f"{part.shown} leads out of its checkout, to a file that does not end in .csv or .tsv.",
            hint="Copy the data to this place, or name its own file in the manifest.",
        )


def unreadable(part: Part, error: OSError) -> ModelError:
    """Return the error for a part that the system would not let us read."""
    if isinstance(error, FileNotFoundError):
        what = "is a link to a file that does not exist" if part.path.is_symlink() else "does not exist"
        return ModelError(Kind.DATA, f"{part.shown} {what}.", hint="Provide the file or correct its path.")
    return ModelError(
        Kind.DATA,
        f"{part.shown} cannot be read: {error.strerror}.",
        hint="Make it a regular file this user may read.",
    )


def _delimiter(parts: tuple[Part, ...]) -> str:
    suffixes = {part.path.suffix.lower(): part for part in parts}
    for suffix, part in suffixes.items():
        if suffix not in DELIMITERS:
            raise ModelError(
                Kind.DATA,
                f"{part.shown} does not end in .csv or .tsv.",
                hint="The service takes comma separated .csv and tab separated .tsv; rename or convert the file.",
            )
    if len(suffixes) > 1:
        raise ModelError(
            Kind.DATA,
            f"{parts[0].shown} and the files joined with it mix .csv and .tsv.",
            hint="Let the pattern match one of the two.",
        )
    return DELIMITERS[next(iter(suffixes))]


def _refuse_same_file(train: ResolvedFile, evaluation: ResolvedFile) -> None:
    trained = {(s.st_dev, s.st_ino): part for part in train.parts for s in [part.path.stat()]}
    for part in evaluation.parts:
        found = part.path.stat()
        if (found.st_dev, found.st_ino) in trained:
            raise ModelError(
                Kind.DATA,
                f"{part.shown} is both training and evaluation data.",
                hint="Evaluate on rows the model was not trained with; name another file.",
            )
