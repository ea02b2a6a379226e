"""The identity of a dataset's content: cheap enough to be computed for every plan."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from runner import canonical
from runner.data.content import content
from runner.data.facts import DatasetDigest, FileFacts
from runner.data.resolve import ResolvedDataset, ResolvedFile
from runner.errors import Kind, ModelError

_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Lower-case hex SHA-256 and length of some bytes."""

    sha256: str
    bytes: int


def digest(resolved: ResolvedDataset) -> DatasetDigest:
    """Read the dataset's files once and compare them with the manifest's pins.

    Raises:
        ModelError: of kind `data`: a file cannot be read, or is not the one that is pinned.
    """
    train = _facts(resolved.train)
    evaluation = _facts(resolved.eval) if resolved.eval else None
    return DatasetDigest(train=train, eval=evaluation, sha256=dataset_sha256(train, evaluation))


def dataset_sha256(train: FileFacts, evaluation: FileFacts | None) -> str:
    """Return the digest over both contents; file names and places do not enter."""
    return canonical.digest({"train": train.sha256, "eval": evaluation.sha256 if evaluation else None})


def sum_of(parts: Iterable[bytes]) -> Sum:
    """Digest bytes that arrive in blocks."""
    sha, size = hashlib.sha256(), 0
    for block in parts:
        sha.update(block)
        size += len(block)
    return Sum(sha256=sha.hexdigest(), bytes=size)


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


def _facts(file: ResolvedFile) -> FileFacts:
    total = sum_of(content(file))
    refuse_unpinned(file, total.sha256)
    return FileFacts(source=file.source, sha256=total.sha256, bytes=total.bytes)
