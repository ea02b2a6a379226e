"""What is known of a dataset: digests, rows, columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from msgspec import Struct

from runner.datasets.source import DataFile
from runner.lib.checksums import Checksum, FastChecksum


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMetadata:
    """One data file as it would be uploaded.

    `source` is what the manifest named, resolved, for people ("a.csv", joined files "a.csv + 2 more"). `sha256` is
    lower-case hex over the content, joined when there are several files; `bytes` is its length. A large file has a fast
    checksum too, for whoever reads it again in this process. `version` is what its place calls this content of it, and
    `content_id` the SHA-256 of what names it on every machine, where something does.
    """

    source: str
    sha256: str
    bytes: int
    fast_checksum: FastChecksum | None = field(default=None, compare=False, repr=False)
    version: str | None = None
    content_id: str | None = None


class DatasetDigest(Struct, frozen=True, kw_only=True):
    """The identity of a dataset: `sha256` depends on the content of both files and on nothing else.

    `remarks` say why other files may be meant.
    """

    train: FileMetadata
    eval: FileMetadata | None
    sha256: str
    remarks: tuple[str, ...] = ()


class UnreadDataset(Struct, frozen=True, kw_only=True):
    """A dataset of one file that is certainly new: it is read when it is sent. `bytes` is its size."""

    source: str
    bytes: int


class Shape(Struct, frozen=True, kw_only=True):
    """What must stay the same from job to job.

    `labels` are the sorted distinct values of the target in the training file; None when no target is known, when it
    is numeric and when it has more than 200 values. `numbers` are those of a numeric target, as they are written, when
    it has at most 20: they may be classes. `target_kind` says what the target's values are, None when not known.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...] | None
    numbers: tuple[str, ...] | None = None
    target_kind: Literal["number", "text"] | None = None


class ReferenceFile(Struct, frozen=True, kw_only=True):
    """What is known of a file that new data is compared with; `rows` is None when they were not counted.

    `scales` are the usual sizes of numbers by column, `label_shares` of 1 by label, as far as they were recorded.
    """

    rows: int | None
    empty_columns: tuple[str, ...]
    sha256: str = ""
    bytes: int = 0
    scales: Mapping[str, float] = {}
    label_shares: Mapping[str, float] = {}


class Reference(Struct, frozen=True, kw_only=True):
    """The data that new data is compared with; `name` says whose it is, as `job 5b21, the last one switched to`."""

    name: str
    shape: Shape
    train: ReferenceFile
    eval: ReferenceFile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile(FileMetadata):
    """A file whose rows were read.

    `rows` counts without the header; `encoding` is Python's name (`utf-8`, `utf-8-sig`, `cp932`). Where the check
    found trouble and was told to continue, both are the best that could be learnt. `empty_columns` are the names of the
    columns that no row has a value in; none are known where there is no row, or where the rest could not be read.
    `scales` are the usual sizes of numbers by column, `label_shares` the shares of the target's labels.
    """

    rows: int
    encoding: str
    delimiter: str
    empty_columns: tuple[str, ...] = ()
    scales: Mapping[str, float] = field(default_factory=dict)
    label_shares: Mapping[str, float] = field(default_factory=dict)


class UploadFile(Struct, frozen=True, kw_only=True):
    """The bytes to send, and the name the service is told.

    `spool` is the private folder to remove after use, or None when `file` is the user's own.
    """

    file: DataFile
    filename: str
    content: Checksum
    spool: Path | None = None


class Prepared(Struct, frozen=True, kw_only=True):
    """A dataset that passed its check and is ready to send.

    `check_s` and `package_s` are seconds; those of the check are the same for each model that shares it, whichever part
    of the run did it.
    """

    train: CheckedFile
    eval: CheckedFile | None
    sha256: str
    shape: Shape
    upload: UploadFile
    warnings: tuple[str, ...]
    check_s: float
    package_s: float
