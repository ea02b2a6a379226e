from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import Prepared, Reference
from runner.datasets.prepare import check_data, pack
from runner.manifest.model import Bounds, Checks, Dataset, Pick, Place, Source
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.prediction_one import CHECKS

HEADER = "id,colour,target\n"


def rows(count: int, first: int = 0) -> str:
    """Return `count` well-formed rows for HEADER, numbered from `first`."""
    return "".join(f"{first + n},red,{'yes' if n % 2 else 'no'}\n" for n in range(count))


def source(folder: Path, pattern: str, pick: Pick | None = None) -> Source:
    return Source(pattern=pattern, folder=folder, pick=pick, place=Place(file="retrain.yaml", line=2, column=3))


def dataset(
    train: Source, evaluation: Source | None = None, *, pin: str | None = None, eval_pin: str | None = None
) -> Dataset:
    return Dataset(
        name="churn",
        train=train,
        eval=evaluation,
        train_sha256=pin,
        eval_sha256=eval_pin,
        place=Place(file="retrain.yaml", line=1, column=1),
    )


SMALL = replace(CHECKS, rows=Bounds(min=1, max=1_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A folder with data files and a spool beside it."""

    folder: Path

    @property
    def spool(self) -> Path:
        return self.folder / "state" / "spool"

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def dataset(self, train: str = "train.csv", evaluation: str | None = None) -> Dataset:
        return dataset(source(self.folder, train), source(self.folder, evaluation) if evaluation else None)

    def joined(self, pattern: str = "day*.csv", evaluation: str | None = None) -> Dataset:
        return dataset(source(self.folder, pattern, "all"), source(self.folder, evaluation) if evaluation else None)

    def prepare(
        self,
        dataset: Dataset,
        checks: Checks = SMALL,
        *,
        reference: Reference | None = None,
        expected: str | None = None,
        readings: FileCache | None = None,
    ) -> Prepared:
        found = check_data(
            dataset, checks, reference=reference, expected_sha256=expected, readings=readings or FileCache()
        )
        return pack(found, self.spool, FACTS.archive)

    def spooled(self) -> list[Path]:
        return sorted(self.spool.rglob("*")) if self.spool.exists() else []


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(folder=tmp_path)
