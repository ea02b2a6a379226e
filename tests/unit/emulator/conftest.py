from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from tests.unit.emulator.emulator_harness import Emulator, started, to_csv, write_manifest  # after the line above


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One server for all tests that leave it as it was, apart from more jobs."""
    folder = tmp_path_factory.mktemp("shared")
    write_manifest(folder)
    with started(folder, "--own-keys") as emulator:
        yield emulator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_manifest(tmp_path)
    return tmp_path


def _rows(bunch: Any, labels: Mapping[int, str] | None, *, target: str) -> tuple[list[str], list[list[object]]]:
    header = [*(str(name) for name in bunch.feature_names), target]
    targets = [value if labels is None else labels[int(value)] for value in bunch.target.tolist()]
    return header, [[*features, target] for features, target in zip(bunch.data.tolist(), targets, strict=True)]


@pytest.fixture(scope="session")
def tumours() -> tuple[list[str], list[list[object]]]:
    return _rows(load_breast_cancer(), {0: "malignant", 1: "benign"}, target="diagnosis")


@pytest.fixture(scope="session")
def wines() -> tuple[list[str], list[list[object]]]:
    return _rows(load_wine(), {0: "A", 1: "B", 2: "C"}, target="cultivar")


@pytest.fixture(scope="session")
def sugars() -> tuple[list[str], list[list[object]]]:
    return _rows(load_diabetes(), None, target="progression")


@pytest.fixture(scope="session")
def small() -> bytes:
    """120 rows a binary model learns in no time; `plan` decides, so predictions can be known."""
    rows = [[n % 7, "gold" if n % 2 else "iron", "yes" if n % 2 else "no"] for n in range(120)]
    return to_csv(["visits", "plan", "diagnosis"], rows)
