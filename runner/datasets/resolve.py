"""From a dataset of the manifest to its files, by the source that its address names."""

import re
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.command_source import CommandSource
from runner.datasets.local_source import LocalSource
from runner.datasets.object_source import ObjectSource
from runner.datasets.parquet import ParquetFile
from runner.datasets.source import (
    PARQUET,
    DataAccess,
    DataFile,
    DataSource,
    Fingerprint,
    TableAsText,
    refused,
    unreadable,
)
from runner.datasets.web_source import VariableSource, WebSource
from runner.errors import Kind, ModelError
from runner.http.objects.address import SCHEMES as OBJECTS
from runner.lib.canonical_json import digest
from runner.manifest.model import Dataset, Source
from runner.providers.facts import DataFormats, TableFormat

_OBJECTS, _WEB = ObjectSource(), WebSource()
SOURCES: dict[str, DataSource] = {
    "": LocalSource(),
    **dict.fromkeys(OBJECTS, _OBJECTS),
    **dict.fromkeys(("https", "http"), _WEB),
    "env": VariableSource(),
    "command": CommandSource(),
}


def source_of(source: Source) -> DataSource:
    """Return the source that finds what a manifest names.

    Raises:
        ModelError: of kind `data`: no source knows the scheme.
    """
    found = SOURCES.get(source.scheme)
    if found is None:
        raise refused(
            source.shown, "cannot be read: no data is known by such an address", "Name a path or an https address."
        )
    return found


class ResolvedFile(Struct, frozen=True, kw_only=True):
    """One data file, made of one part or of several that are joined.

    `name` is the file name it is uploaded under; `pin` the SHA-256 the manifest asks for; `remarks` say why it may be
    another file than is meant. `texts` are the parts as text, where they are not text themselves.
    """

    parts: tuple[DataFile, ...]
    name: str
    format: TableFormat
    pin: str | None
    remarks: tuple[str, ...] = ()
    texts: tuple[DataFile, ...] = ()

    @property
    def delimiter(self) -> str:
        """What separates the columns of its table."""
        return self.format.delimiter

    @property
    def table(self) -> "ResolvedFile":
        """The same file as text, to be looked at; it is itself where it is text."""
        return replace(self, parts=self.texts) if self.texts else self

    @property
    def outside(self) -> bool:
        """Whether a part is outside of the checkout, or folder, of the manifest that names it."""
        return any(part.outside for part in self.parts)

    @property
    def content_id(self) -> str | None:
        """The SHA-256 of what names the content on every machine; None where it has to be read to be known."""
        known = [part.content_id for part in self.parts]
        return None if None in known else digest([self.delimiter, *known])

    @property
    def version(self) -> str | None:
        """What the place of a single part calls this content of it."""
        return self.parts[0].version if len(self.parts) == 1 else None

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


def resolve(dataset: Dataset, access: DataAccess | None = None) -> ResolvedDataset:
    """Find the dataset's files; without `access` nobody is trusted and no command is started.

    Raises:
        ModelError: of kind `data`: no match, not a readable file, not in a format that the provider takes, or one file
            in both places.
    """
    access = access or DataAccess()
    train = resolve_file(dataset.train, dataset.train_sha256, dataset.name, access)
    if dataset.eval is None:
        return ResolvedDataset(name=dataset.name, train=train, eval=None)
    evaluation = resolve_file(dataset.eval, dataset.eval_sha256, dataset.name, access)
    _refuse_same_file(train, evaluation)
    return ResolvedDataset(name=dataset.name, train=train, eval=evaluation)


def resolve_file(source: Source, pin: str | None, dataset: str, access: DataAccess | None = None) -> ResolvedFile:
    """Find the parts of one file; `pin` is the SHA-256 that the manifest asks for, `dataset` its dataset's name.

    Raises:
        ModelError: of kind `data`: no match, not a readable file, or not in a format that the provider takes.
    """
    access = access or DataAccess()
    found = source_of(source).find(source, access)
    parts = tuple(_taken(file, source.formats, access) for file in found.files)
    form = _format(parts, source.formats)
    own = len(parts) == 1 and source.command is None
    name = parts[0].name if own else safe_name(dataset) + _suffix(parts[0])
    return ResolvedFile(
        parts=parts, name=name, format=form, pin=pin, remarks=found.remarks, texts=_texts(parts, form, access)
    )


def _taken(file: DataFile, formats: DataFormats, access: DataAccess) -> DataFile:
    """Return the file as the provider takes it: one that takes no Parquet gets CSV."""
    converts = _suffix(file) == PARQUET and PARQUET not in formats.tables
    return ParquetFile(inner=file, access=access) if converts else file


def _texts(parts: tuple[DataFile, ...], form: TableFormat, access: DataAccess) -> tuple[DataFile, ...]:
    """Return the parts of a format that is not text as the text that is checked; none where they are text."""
    as_text = form.as_text
    if as_text is None:
        return ()
    if as_text == "parquet":
        return tuple(ParquetFile(inner=part, access=access) for part in parts)
    return tuple(TableAsText(file=part, as_text=as_text) for part in parts)


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
