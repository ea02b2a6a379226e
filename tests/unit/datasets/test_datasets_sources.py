"""Data that is on no disk goes the same way: from the manifest over digest and check to the upload."""

import zipfile
from pathlib import Path

import pytest

from runner.datasets.file_cache import FileCache, digest
from runner.datasets.packing import package
from runner.datasets.resolve import SOURCES, resolve
from runner.errors import ModelError
from runner.http.upload_body import BodyStoppedError, UploadBody
from runner.manifest import sources
from runner.manifest.document import ManifestError
from runner.manifest.load import load
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.local_files import path_of
from tests.fakes.memory_source import MemorySource
from tests.fakes.world import ONE_MODEL, World
from tests.unit.datasets.conftest import dataset, source

ROWS = b"".join(b"%d,%d\n" % (number, number % 2) for number in range(120))
TRAIN = b"id,label\n" + ROWS


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemorySource:
    """Enter the source into the registry, and its scheme into the manifest's."""
    made = MemorySource()
    monkeypatch.setitem(SOURCES, "memory", made)
    monkeypatch.setattr(sources, "ADDRESSES", {"memory"})
    made.write("memory://d/train.csv", TRAIN)
    return made


def world_of(folder: Path, train: str) -> World:
    return World(folder, ONE_MODEL.replace("train: data.csv", f"train: {train}"))


def test_the_manifest_knows_the_schemes_of_the_registry() -> None:
    assert {*SOURCES} == {"", "env", "command", *sources.ADDRESSES}


def test_a_run_uploads_what_is_at_the_address_and_trains_once_for_one_content(
    memory: MemorySource, tmp_path: Path
) -> None:
    world = world_of(tmp_path, "memory://d/train.csv")
    assert world.run()["m"].outcome == "switched"
    assert world.service.jobs["job-1"].digest == digest(resolve(world.manifest.datasets["d"])).train.sha256
    assert world.run()["m"].outcome == "unchanged"
    memory.write("memory://d/train.csv", TRAIN + b"120,1\n")
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects["upload", "key-m"] == 2
    assert not list((tmp_path / "state" / "spool").rglob("*.csv"))


def test_an_unchanged_fingerprint_spares_a_second_reading(memory: MemorySource, tmp_path: Path) -> None:
    world, readings = world_of(tmp_path, "memory://d/train.csv"), FileCache()
    file = resolve(world.manifest.datasets["d"]).train
    first = readings.metadata(file)
    assert readings.metadata(file) == first
    assert memory.reads == {"memory://d/train.csv": 1}
    memory.write("memory://d/train.csv", TRAIN + b"120,1\n")
    assert readings.metadata(file).bytes == first.bytes + 6


@pytest.mark.usefixtures("memory")
def test_training_and_evaluation_data_of_two_sources_are_packed_together(tmp_path: Path) -> None:
    (tmp_path / "eval.csv").write_bytes(b"id,label\n7,0\n8,1\n")
    resolved = resolve(dataset(source(tmp_path, "memory://d/train.csv"), source(tmp_path, "eval.csv")))
    found = digest(resolved)
    upload = package(resolved, found.train, found.eval, tmp_path / "spool", FACTS.archive)
    with zipfile.ZipFile(path_of(upload)) as archive:
        assert archive.read("train_src/train.csv") == TRAIN
        assert archive.read("eval_src/eval.csv") == b"id,label\n7,0\n8,1\n"


def test_files_of_a_pattern_are_joined(memory: MemorySource, tmp_path: Path) -> None:
    memory.write("memory://d/2.csv", b"id,label\n1,0\n")
    memory.write("memory://d/1.csv", b"id,label\n0,1\n")
    joined = resolve(dataset(source(tmp_path, "memory://d/?.csv", "all")))
    found = digest(joined)
    upload = package(joined, found.train, None, tmp_path / "spool", FACTS.archive)
    assert path_of(upload).read_bytes() == b"id,label\n0,1\n1,0\n"


def test_what_is_replaced_between_two_readings_is_never_uploaded(memory: MemorySource, tmp_path: Path) -> None:
    resolved = resolve(dataset(source(tmp_path, "memory://d/train.csv")))
    found = digest(resolved)
    memory.write("memory://d/train.csv", TRAIN.replace(b"0,0", b"0,9", 1))
    upload = package(resolved, found.train, None, tmp_path / "spool", FACTS.archive)
    body = UploadBody(upload.file, content=upload.content, watch=None, read_ahead=False)
    sent: list[bytes] = []
    with pytest.raises(BodyStoppedError, match="changed while it was sent"):
        sent.extend(body)
    assert sum(map(len, sent)) < upload.content.bytes


def test_one_file_is_not_both_training_and_evaluation_data(memory: MemorySource, tmp_path: Path) -> None:
    same = source(tmp_path, "memory://d/train.csv")
    with pytest.raises(ModelError, match="both training and evaluation data"):
        resolve(dataset(same, same))
    assert memory.reads == {}


def test_a_scheme_that_no_source_knows_is_refused_in_the_manifest(memory: MemorySource, tmp_path: Path) -> None:
    world = world_of(tmp_path, "memory://d/train.csv")
    assert load([tmp_path / "models.yaml"]).datasets["d"].train.pattern in memory.files
    world.write_manifest(ONE_MODEL.replace("train: data.csv", "train: ftp://d/train.csv"))
    with pytest.raises(ManifestError):
        load([tmp_path / "models.yaml"])
