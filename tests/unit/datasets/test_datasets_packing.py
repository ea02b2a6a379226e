import hashlib
import os
import stat
import subprocess
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from runner.datasets import packing
from runner.datasets import packing as package
from runner.datasets.file_cache import FileCache, digest
from runner.datasets.joined_stream import BLOCK
from runner.datasets.prepare import release
from runner.datasets.resolve import resolve
from runner.errors import ModelError
from runner.lib.checksums import Checksum, comparison_with
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.local_files import path_of
from tests.unit.datasets.conftest import HEADER, Desk, rows

TRAIN = (HEADER + rows(200_000)).encode()  # several blocks
EVAL = (HEADER + rows(50, 900_000)).encode()


def two_files(desk: Desk) -> None:
    desk.write("train.csv", TRAIN)
    desk.write("eval.csv", EVAL)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture(params=["isal", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both compressors: the extra's, when it is installed, and the standard library's."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(packing, "_engine", lambda: zlib)
    return str(request.param)


@pytest.mark.usefixtures("engine")
def test_the_zip_holds_exactly_the_two_files_in_the_folders_the_service_wants(desk: Desk) -> None:
    two_files(desk)
    found = desk.prepare(desk.dataset(evaluation="eval.csv"))
    assert len(TRAIN) > 2 * BLOCK
    assert members(path_of(found.upload)) == {"train_src/train.csv": TRAIN, "eval_src/eval.csv": EVAL}
    content = path_of(found.upload).read_bytes()
    assert found.upload.filename == "churn.zip"
    assert found.upload.content == Checksum(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    with zipfile.ZipFile(path_of(found.upload)) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_DEFLATED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.usefixtures("engine")
def test_what_cannot_be_compressed_is_packed_all_the_same(desk: Desk) -> None:
    noise = hashlib.shake_128(b"noise").digest(3 * BLOCK)
    desk.write("train.csv", noise)
    desk.write("eval.csv", EVAL)
    resolved = resolve(desk.dataset(evaluation="eval.csv"))
    found = digest(resolved)
    upload = package.package(resolved, found.train, found.eval, desk.spool, FACTS.archive)
    assert members(path_of(upload))["train_src/train.csv"] == noise
    assert upload.content.bytes < len(noise) * 65 // 64


@pytest.mark.usefixtures("engine")
def test_the_same_content_gives_the_same_zip(desk: Desk) -> None:
    two_files(desk)
    one = desk.prepare(desk.dataset(evaluation="eval.csv"))
    for name in ("train.csv", "eval.csv"):
        os.utime(desk.folder / name, (1, 1))
    two = desk.prepare(desk.dataset(evaluation="eval.csv"))
    assert path_of(one.upload) != path_of(two.upload)
    assert one.upload.content.sha256 == two.upload.content.sha256


def test_the_stream_does_not_depend_on_the_number_of_threads(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    two_files(desk)
    sums = set()
    for count in (1, 3):
        monkeypatch.setattr(packing, "threads", lambda count=count: count)
        monkeypatch.setattr(packing, "threads", lambda count=count: count)
        sums.add(desk.prepare(desk.dataset(evaluation="eval.csv")).upload.content.sha256)
    assert len(sums) == 1


@pytest.mark.usefixtures("engine")
def test_compressed_pieces_are_handed_on_and_never_pile_up() -> None:
    with ThreadPoolExecutor(1) as pool:
        deflater = packing.Deflater(pool)
        ready = [piece for number in range(20) for piece in deflater.add(b"%d" % number * 999)]
        rest = list(deflater.finish())
    assert len(ready) == 20 - 2 * packing.threads()
    assert zlib.decompress(b"".join(ready + rest), -15) == b"".join(b"%d" % number * 999 for number in range(20))


def test_without_the_extra_the_standard_library_compresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", ModuleType("isal"))
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    assert packing._engine() is zlib


def test_another_program_unpacks_the_zip(desk: Desk) -> None:
    two_files(desk)
    found = desk.prepare(desk.dataset(evaluation="eval.csv"))
    done = subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", str(path_of(found.upload)), str(desk.folder / "out")],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0
    assert (desk.folder / "out" / "train_src" / "train.csv").read_bytes() == TRAIN


def test_files_beyond_the_old_zip_limit_get_the_large_headers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "ZIP64_LIMIT", len(TRAIN))
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", len(TRAIN) - 1)
    two_files(desk)
    found = desk.prepare(desk.dataset(evaluation="eval.csv"))
    assert members(path_of(found.upload))["train_src/train.csv"] == TRAIN


def test_japanese_file_names_survive_in_the_zip(desk: Desk) -> None:
    desk.write("学習.csv", TRAIN)
    desk.write("評価.csv", EVAL)
    found = desk.prepare(desk.dataset("学習.csv", "評価.csv"))
    assert list(members(path_of(found.upload))) == ["train_src/学習.csv", "eval_src/評価.csv"]


def test_joined_files_are_spooled_as_one_and_keep_their_ending(desk: Desk) -> None:
    desk.write("day1.tsv", b"h\ti\n1\t2")
    desk.write("day2.tsv", b"h\ti\n3\t4\n")
    found = desk.prepare(desk.joined("day*.tsv"))
    assert found.upload.filename == "churn.tsv"
    assert path_of(found.upload).read_bytes() == b"h\ti\n1\t2\n3\t4\n"
    assert found.upload.content.sha256 == found.train.sha256


def test_joined_files_go_joined_into_the_zip(desk: Desk) -> None:
    desk.write("day1.csv", HEADER + rows(2))
    desk.write("day2.csv", HEADER + rows(2, 2))
    desk.write("eval.csv", EVAL)
    found = desk.prepare(desk.joined(evaluation="eval.csv"))
    assert members(path_of(found.upload))["train_src/churn.csv"] == (HEADER + rows(4)).encode()


def test_only_the_owner_can_read_what_is_spooled(desk: Desk) -> None:
    two_files(desk)
    found = desk.prepare(desk.dataset(evaluation="eval.csv"))
    assert found.upload.spool is not None
    assert stat.S_IMODE(path_of(found.upload).stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (found.upload.spool, desk.spool)} == {0o700}


def test_release_removes_the_spool_and_never_the_users_file(desk: Desk) -> None:
    two_files(desk)
    packed = desk.prepare(desk.dataset(evaluation="eval.csv"))
    plain = desk.prepare(desk.dataset())
    for prepared in (packed, packed, plain):
        release(prepared)
    assert desk.spooled() == []
    assert (desk.folder / "train.csv").read_bytes() == TRAIN


@pytest.mark.parametrize("evaluation", ["eval.csv", None])
@pytest.mark.parametrize("fast", [True, False])
def test_a_file_that_changes_between_check_and_packing_is_not_packed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, evaluation: str | None, *, fast: bool
) -> None:
    monkeypatch.setattr("runner.lib.checksums._LARGE", 1 if fast else 1 << 40)
    desk.write("day1.csv", TRAIN)
    desk.write("day2.csv", EVAL)
    desk.write("eval.csv", EVAL + b"1,2,3\n")
    resolved = resolve(desk.joined(evaluation=evaluation))
    found = FileCache().metadata(resolved.train)
    beside = FileCache().metadata(resolved.eval) if resolved.eval else None
    assert (found.fast_checksum is not None) == fast
    desk.write("day2.csv", EVAL.replace(b"red", b"tan", 1))
    with pytest.raises(ModelError, match=r"day1\.csv \+ 1 more changed while the run was at work"):
        package.package(resolved, found, beside, desk.spool, FACTS.archive)
    assert desk.spooled() == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from runner.datasets.file_cache import digest
from runner.datasets.packing import package
from runner.datasets.resolve import resolve
from runner.errors import ModelError
from runner.manifest.model import Dataset, Place, Source
from runner.providers.prediction_one.facts import FACTS
folder, pick = Path(sys.argv[1]), sys.argv[2]
here = Place(file="m", line=1, column=1)
source = lambda pattern, pick=None: Source(pattern=pattern, folder=folder, pick=pick, place=here)
joined = pick == "all"
resolved = resolve(Dataset(
    name="churn", train=source("*ain.csv", "all") if joined else source("train.csv"),
    eval=None if joined else source("eval.csv"), train_sha256=None, eval_sha256=None,
    place=here))
found = digest(resolved)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    package(resolved, found.train, found.eval, folder / "state" / "spool", FACTS.archive)
except ModelError as error:
    print(error.kind, error.message, error.hint)
"""


@pytest.mark.parametrize("limit", [0, 10, 50_000, 200_000])
@pytest.mark.parametrize("pick", ["all", "one"])
def test_a_full_disk_is_told_with_a_hint_and_nothing_half_written_stays(desk: Desk, pick: str, limit: int) -> None:
    two_files(desk)
    desk.write("main.csv", TRAIN)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(desk.folder), pick, str(limit)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    spool = desk.folder / "state" / "spool"
    assert done.stdout.startswith(f"data The upload could not be written to the spool folder {spool}: File too large.")
    assert "Free space" in done.stdout
    assert desk.spooled() == []


def test_a_spool_that_cannot_be_made_is_told_too(desk: Desk) -> None:
    two_files(desk)
    desk.write("state", "a file where a folder should be")
    with pytest.raises(ModelError, match="could not be written to the spool folder"):
        desk.prepare(desk.dataset(evaluation="eval.csv"))


def test_an_interrupt_leaves_nothing_in_the_spool(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    two_files(desk)
    monkeypatch.setattr(package, "crc32", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        desk.prepare(desk.dataset(evaluation="eval.csv"))
    assert desk.spooled() == []


def test_what_is_large_gets_a_seal_over_the_bytes_that_are_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("a1.csv", TRAIN)
    desk.write("a2.csv", TRAIN)
    desk.write("eval.csv", EVAL)
    datasets = (desk.dataset("a1.csv"), desk.joined("a*.csv"), desk.dataset("a1.csv", "eval.csv"))
    for limit in (1, 1 << 40):
        monkeypatch.setattr("runner.lib.checksums._LARGE", limit)
        for dataset in datasets:
            upload = desk.prepare(dataset).upload
            assert (upload.content.fast_checksum is not None) == (limit == 1)
            with comparison_with(upload.content) as compared:
                compared.add(path_of(upload).read_bytes())
                assert compared.agrees()
