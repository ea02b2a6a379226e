"""Data at `memory://` addresses: the second source, whose files are on no disk."""

import io
from fnmatch import fnmatch
from typing import BinaryIO

from msgspec import Struct

from runner.datasets.source import DataAccess, Fingerprint, FoundFiles
from runner.errors import Kind, ModelError
from runner.manifest.model import Source


class MemorySource:
    """Files by their addresses; `versions` grow with each write, and `reads` counts how often a file was opened."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.reads: dict[str, int] = {}

    def write(self, address: str, content: bytes) -> None:
        self.files[address] = content
        self.versions[address] = self.versions.get(address, 0) + 1

    def find(self, source: Source, access: DataAccess) -> FoundFiles:  # noqa: ARG002 -- nothing is refused here
        found = sorted(address for address in self.files if fnmatch(address, source.pattern))
        if not found:
            raise ModelError(Kind.DATA, f"There is nothing at {source.pattern}.", hint="Write it.")
        chosen = found if source.pick == "all" else found[-1:]
        return FoundFiles(files=[MemoryFile(source=self, shown=address) for address in chosen])


class MemoryFile(Struct, frozen=True, kw_only=True):
    """One file at an address."""

    source: MemorySource
    shown: str

    @property
    def name(self) -> str:
        return self.shown.rpartition("/")[2]

    @property
    def local(self) -> None:
        return None

    @property
    def outside(self) -> bool:
        return False

    @property
    def version(self) -> str:
        return f"version {self.source.versions[self.shown]}"

    @property
    def content_id(self) -> tuple[int | str, ...]:
        return (self.shown, self.source.versions[self.shown])

    def open(self) -> BinaryIO:
        self.source.reads[self.shown] = self.source.reads.get(self.shown, 0) + 1
        return io.BytesIO(self._now())

    def size(self) -> int:
        return len(self._now())

    def fingerprint(self) -> Fingerprint:
        return Fingerprint((self.shown, self.source.versions[self.shown]))

    def _now(self) -> bytes:
        if self.shown not in self.source.files:
            raise FileNotFoundError(self.shown)
        return self.source.files[self.shown]
