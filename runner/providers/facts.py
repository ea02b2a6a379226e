"""What a provider says of itself: addresses, status values, data limits. The manifest's defaults come from here."""

from datetime import timedelta

from msgspec import Struct


class Statuses(Struct, frozen=True, kw_only=True):
    """Status values of a job, lower case. `finished` match whole, the others as a part of the value.

    `waiting` are those of a job whose upload has not arrived.
    """

    finished: tuple[str, ...]
    failed: tuple[str, ...]
    waiting: tuple[str, ...]


class DataLimits(Struct, frozen=True, kw_only=True):
    """What the provider takes as training data: rows and columns, and how many classes of a text target."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    labels: int


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
