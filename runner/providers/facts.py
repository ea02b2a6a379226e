"""What is documented of a provider: its hosts, status values, limits, and the formats of data that it takes."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import BinaryIO, Literal

from msgspec import Struct


class Statuses(Struct, frozen=True, kw_only=True):
    """Status values of a job, lower case. `finished` match whole, the others as a part of the value.

    `waiting` are those of a job whose upload has not arrived. `busy` are parts of what refuses a switch that may be
    made a little later. One of fewer than four letters matches a whole word of the value.
    """

    finished: tuple[str, ...]
    failed: tuple[str, ...]
    waiting: tuple[str, ...]
    busy: tuple[str, ...] = ()


class TableFormat(Struct, frozen=True, kw_only=True):
    """How a table is written; the file is sent as it is.

    `delimiter` separates the columns of the text. Where the file itself is not text, `as_text` makes such text of it
    for the checks, in UTF-8 with a header; it raises OSError where the file is not in this format. `parquet` is known.
    """

    delimiter: str
    as_text: Callable[[BinaryIO], BinaryIO] | Literal["parquet"] | None = None


class DataFormats(Struct, frozen=True, kw_only=True):
    """The formats of training data that a provider takes.

    `tables` are by the suffix of a file's name, lower case. `encodings` are Python's names of those it reads text in;
    `told_by` is how many bytes at the begin of a file tell it which one that is, None where it does not guess.
    `advice` tells a person how to make such a file. `most_bytes` is how large one file may be.
    """

    tables: Mapping[str, TableFormat]
    advice: str
    encodings: tuple[str, ...] = ("utf-8",)
    told_by: int | None = None
    most_bytes: int | None = None

    @property
    def suffixes(self) -> str:
        """Return the suffixes as a part of a sentence, `.csv or .tsv`."""
        return " or ".join(self.tables)


TEXT_TABLES = DataFormats(
    tables={".csv": TableFormat(delimiter=","), ".tsv": TableFormat(delimiter="\t")},
    advice="Export the table as CSV UTF-8 (.csv) or with tabs (.tsv); renaming a workbook is not enough.",
)


class DataLimits(Struct, frozen=True, kw_only=True):
    """What the provider takes as training data: rows, columns, classes of a text target, and the formats of files."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    labels: int
    formats: DataFormats = TEXT_TABLES


class ArchiveFolders(Struct, frozen=True, kw_only=True):
    """Folders of the zip in which training data is uploaded together with evaluation data."""

    train: str
    eval: str


class ProviderFacts(Struct, frozen=True, kw_only=True):
    """The documented facts of a provider.

    `hosts` are those that API keys may be sent to, the first one by default. `base_path` is the path before all calls,
    which users leave out of `service.url`. `emulated` says whether the emulator speaks like it. Without an `archive`
    one training file is uploaded as it is, and there is no evaluation file.
    """

    name: str
    hosts: tuple[str, ...]
    base_path: str
    statuses: Statuses
    limits: DataLimits
    archive: ArchiveFolders | None
    emulated: bool = False
    url_lifetime: timedelta = timedelta(hours=1)  # assumed for upload URLs that do not tell when they expire

    @property
    def default_url(self) -> str:
        """Return the service's address where the manifest names none."""
        return f"https://{self.hosts[0]}"
