"""The identity of a dataset's content: cheap enough to be computed for every plan."""

from collections.abc import Callable

from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import DatasetDigest, FileMetadata
from runner.datasets.resolve import ResolvedDataset, ResolvedFile
from runner.errors import Kind, ModelError
from runner.lib import canonical_json as canonical

_SHOWN_DIGITS = 12


Look = Callable[[ResolvedFile], FileMetadata]


def digest(resolved: ResolvedDataset, look: Look | None = None) -> DatasetDigest:
    """Read the dataset's files once and compare them with the manifest's pins.

    Args:
        resolved: the files.
        look: how a file is read, where something is remembered of it or more is wanted than its digest.

    Raises:
        ModelError: of kind `data`: a file cannot be read, or is not the one that is pinned.
    """
    look = look or FileCache().facts
    train = _facts(resolved.train, look)
    evaluation = _facts(resolved.eval, look) if resolved.eval else None
    return DatasetDigest(train=train, eval=evaluation, sha256=dataset_sha256(train, evaluation))


def dataset_sha256(train: FileMetadata, evaluation: FileMetadata | None) -> str:
    """Return the digest over both contents; file names and places do not enter."""
    return canonical.digest({"train": train.sha256, "eval": evaluation.sha256 if evaluation else None})


def refuse_unpinned(file: ResolvedFile, sha256: str) -> None:
    """Raise ModelError of kind `data` when the manifest pins another content."""
    if file.pin is not None and file.pin != sha256:
        raise ModelError(
            Kind.DATA,
            f"{file.source} has the SHA-256 {sha256[:_SHOWN_DIGITS]}, "
            f"but the manifest pins {file.pin[:_SHOWN_DIGITS]}.",
            hint="Restore the pinned file, or change the pin after looking at the new data.",
        )


def changed(source: str) -> ModelError:
    """Return the error for data that is no longer what it was when the run looked first."""
    return ModelError(
        Kind.DATA,
        f"{source} changed while the run was at work.",
        hint="Nothing was uploaded; run again when the file is complete.",
    )


def _facts(file: ResolvedFile, look: Look) -> FileMetadata:
    found = look(file)
    refuse_unpinned(file, found.sha256)
    return FileMetadata(source=found.source, sha256=found.sha256, bytes=found.bytes)
