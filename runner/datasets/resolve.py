"""From a dataset of the manifest to its files, by the source that its address names."""

import re
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.local_source import LocalSource
from runner.datasets.source import DataFile, DataSource, Fingerprint, TableAsText, unreadable
from runner.errors import Kind, ModelError
from runner.manifest.model import Dataset, Source
from runner.providers.facts import DataFormats, TableFormat

SOURCES: dict[str, DataSource] = {"": LocalSource()}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def source_of(pattern: str) -> DataSource:
    """Return the source that finds what a manifest names.

    Raises:
        ModelError: of kind `data`: no source knows the scheme.
    """
    scheme = _SCHEME.match(pattern)
    found = SOURCES.get(scheme[1].lower() if scheme else "")
    if found is None:
        raise ModelError(
            Kind.DATA,
            f"{pattern.split('?', maxsplit=1)[0]} is a URL, and only local files can be read.",
            hint="Fetch the file in a step before this one and name its local path.",
        )
    return found


class ResolvedFile(Struct, frozen=True, kw_only=True):
    """One data file, made of one part or of several that are joined.

    `name` is the file name it is uploaded under; `pin` the SHA-256 the manifest asks for; `remarks` say why it may be
    another file than is meant.
    """

    parts: tuple[DataFile, ...]
    name: str
    format: TableFormat
    pin: str | None
    remarks: tuple[str, ...] = ()

    @property
    def delimiter(self) -> str:
        """What separates the columns of its table."""
        return self.format.delimiter

    @property
    def table(self) -> "ResolvedFile":
        """The same file as text, to be looked at; it is itself where it is text."""
        as_text = self.format.as_text
        parts = tuple(TableAsText(file=part, as_text=as_text) for part in self.parts) if as_text else self.parts
        return replace(self, parts=parts)

    @property
    def outside(self) -> bool:
        """Whether a part is outside of the checkout, or folder, of the manifest that names it."""
        return any(part.outside for part in self.parts)

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
        ModelError: of kind `data`: no match, not a readable file, not in a format that the provider takes, or one file
            in both places.
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
        ModelError: of kind `data`: no match, not a readable file, or not in a format that the provider takes.
    """
    found = source_of(source.pattern).find(source)
    parts = tuple(found.files)
    form = _format(parts, source.formats)
    name = parts[0].name if len(parts) == 1 else safe_name(dataset) + _suffix(parts[0])
    return ResolvedFile(parts=parts, name=name, format=form, pin=pin, remarks=found.remarks)


def safe_name(dataset: str) -> str:
    """Return the dataset's name with all that could leave its folder replaced by `_`."""
    return re.sub(r"[^\w.-]", "_", dataset)


def _format(parts: tuple[DataFile, ...], formats: DataFormats) -> TableFormat:
    suffixes = {_suffix(part): part for part in parts}
    for suffix, part in suffixes.items():
        if suffix not in formats.tables:
            raise ModelError(Kind.DATA, f"{part.shown} does not end in {formats.suffixes}.", hint=formats.advice)
    if len(suffixes) > 1:
        raise ModelError(
            Kind.DATA,
            f"{parts[0].shown} and the files joined with it mix {' and '.join(sorted(suffixes))}.",
            hint="Let the pattern match one of the two.",
        )
    found = formats.tables[next(iter(suffixes))]
    if found.as_text and len(parts) > 1:
        raise ModelError(
            Kind.DATA,
            f"{parts[0].shown} is not text, and cannot be joined with other files.",
            hint="Let the pattern match one file, or write `pick: latest`.",
        )
    return found


def _suffix(file: DataFile) -> str:
    return PurePosixPath(file.name).suffix.lower()


def _refuse_same_file(train: ResolvedFile, evaluation: ResolvedFile) -> None:
    trained = {_fingerprint(part) for part in train.parts}
    for part in evaluation.parts:
        if _fingerprint(part) in trained:
            raise ModelError(
                Kind.DATA,
                f"{part.shown} is both training and evaluation data.",
                hint="Evaluate on rows the model was not trained with; name another file.",
            )


def _fingerprint(part: DataFile) -> Fingerprint:
    try:
        return part.fingerprint()
    except OSError as error:
        raise unreadable(part, error) from error
