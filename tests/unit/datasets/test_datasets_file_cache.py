"""A file is read once as long as it certainly did not change; what is known of it is never that of another content."""

import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runner.datasets import check as check_module
from runner.datasets import file_cache as module
from runner.datasets.file_cache import FileCache, digest
from runner.datasets.local_source import LocalFile
from runner.datasets.resolve import ResolvedFile, resolve
from runner.datasets.source import Fingerprint
from runner.errors import ModelError
from runner.lib.checksums import Checksum
from runner.manifest.model import Bounds
from tests.fakes.prediction_one import CHECKS
from tests.unit.datasets.conftest import HEADER, SMALL, Desk, rows

TICK_S = module._FINE / 1e9
TARGET = replace(SMALL, target="target")
Opened = list[str]


def path_of(file: ResolvedFile) -> Path:
    [part] = file.parts
    assert isinstance(part, LocalFile)
    return part.path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Return the names of the files that were opened to be read, in order."""
    names: Opened = []
    real: Callable[..., Any] = Path.open

    def counted(path: Path, *args: Any, **kwargs: Any) -> Any:
        if args == ("rb",):
            names.append(path.name)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", counted)
    return names


def settled(desk: Desk, text: str | bytes = HEADER + rows(4), name: str = "train.csv") -> ResolvedFile:
    """Write a file and wait until the clock that stamps files has moved on."""
    desk.write(name, text)
    time.sleep(2 * TICK_S)
    return resolve(desk.dataset(name)).train


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_digest_a_check_and_a_check_by_another_model_read_the_file_once_each_kind(desk: Desk, opened: Opened) -> None:
    file, readings = settled(desk), FileCache()
    found = readings.metadata(file)
    assert readings.metadata(file) == found
    assert opened == ["train.csv"]
    assert readings.checked(file, "target", 200).file.sha256 == found.sha256
    assert readings.checked(file, "target", 200) is readings.checked(file, "target", 200)
    assert opened == ["train.csv"] * 2


def test_a_check_brings_the_digest_so_that_a_plan_and_its_run_read_the_file_once(desk: Desk, opened: Opened) -> None:
    settled(desk)
    readings = FileCache()
    planned = digest(resolve(desk.dataset()), lambda file: readings.checked(file, "target", 200).file)
    prepared = [
        desk.prepare(desk.dataset(), TARGET, expected=planned.sha256, readings=readings) for _model in ("one", "two")
    ]
    assert opened == ["train.csv"]
    assert {one.sha256 for one in prepared} == {planned.sha256} == {digest(resolve(desk.dataset())).sha256}


def test_a_file_that_changed_since_is_read_again_though_its_length_and_its_time_stayed(desk: Desk) -> None:
    file, readings = settled(desk), FileCache()
    before = path_of(file).stat()
    readings.checked(file, "target", 200)
    other = (HEADER + rows(4)).replace("yes", "may")
    path_of(file).write_text(other)
    os.utime(path_of(file), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path_of(file).stat().st_size == before.st_size
    assert readings.metadata(file).sha256 == sha(other)
    assert readings.checked(file, "target", 200).shape.labels == ("may", "no")


def test_a_file_in_the_place_of_another_is_read_again(desk: Desk) -> None:
    file, readings = settled(desk), FileCache()
    readings.metadata(file)
    settled(desk, HEADER + rows(5), "new.csv")
    (desk.folder / "new.csv").replace(path_of(file))
    assert readings.metadata(file).sha256 == sha(HEADER + rows(5))


def test_a_file_younger_than_the_tick_of_the_clock_is_not_remembered(
    desk: Desk, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second write within the tick would leave the file with the same length and the same times."""
    desk.write("train.csv", HEADER + rows(4))
    file, readings = resolve(desk.dataset()).train, FileCache()
    stamp = path_of(file).stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: stamp + module._FINE - 1)
    readings.metadata(file)
    readings.checked(file, None, 200)
    readings.checked(file, None, 200)
    assert opened == ["train.csv"] * 3
    monkeypatch.setattr(time, "time_ns", lambda: stamp + module._FINE)
    readings.checked(file, None, 200)
    readings.checked(file, None, 200)
    assert opened == ["train.csv"] * 4


def test_where_files_keep_whole_seconds_two_of_them_must_have_passed() -> None:
    assert not module._settled((Fingerprint((1, 2, 3), (7 * 10**9, 8 * 10**9)),), 10**10 - 1)
    assert module._settled((Fingerprint((1, 2, 3), (7 * 10**9, 8 * 10**9)),), 10**10)


def test_a_file_that_changes_while_its_rows_are_read_is_not_given_the_digest_of_its_past(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, readings, real = settled(desk), FileCache(), check_module.check_file
    readings.metadata(file)
    other = HEADER + rows(9)

    def changing(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("known"):
            desk.write("train.csv", other)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, "check_file", changing)
    found = readings.checked(file, None, 200)
    assert (found.file.rows, found.file.sha256) == (9, sha(other))


def test_data_that_changed_between_plan_and_check_is_refused_and_the_message_is_about_the_change(desk: Desk) -> None:
    settled(desk)
    readings = FileCache()
    planned = digest(resolve(desk.dataset()), lambda file: readings.checked(file, None, 200).file)
    desk.write("train.csv", HEADER + rows(5))
    with pytest.raises(ModelError, match="changed while the run was at work"):
        desk.prepare(desk.dataset(), expected=planned.sha256, readings=readings)


def test_models_with_other_targets_share_the_digest_and_get_their_own_labels(desk: Desk, opened: Opened) -> None:
    file, readings = settled(desk), FileCache()
    assert readings.checked(file, "target", 200).shape.labels == ("no", "yes")
    assert readings.checked(file, "colour", 200).shape.labels == ("red",)
    assert readings.checked(file, None, 200).shape.labels is None
    assert len({readings.checked(file, name, 200).file.sha256 for name in ("target", "colour", None)}) == 1
    assert len(opened) == 3


def test_what_one_models_limits_find_is_not_told_of_another_model(desk: Desk) -> None:
    settled(desk, HEADER + rows(4) + "5,red\n")
    readings, strict = FileCache(), replace(SMALL, rows=Bounds(min=100, max=None))
    told = []
    for checks in (strict, strict, SMALL):
        with pytest.raises(ModelError) as caught:
            desk.prepare(desk.dataset(), checks, readings=readings)
        told.append(caught.value.message)
    own = "train.csv:6: found 2 fields, expected 3"
    assert told == [f"{own}; train.csv: has 5 rows, fewer than the 100 it needs."] * 2 + [f"{own}."]


def test_many_threads_that_ask_at_once_wait_for_one_reading(desk: Desk, opened: Opened) -> None:
    file, readings = settled(desk, HEADER + rows(60_000)), FileCache()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: readings.checked(file, "target", 200), range(8)))
    assert opened == ["train.csv"]
    assert all(one is found[0] for one in found)


def test_joined_files_are_remembered_together_and_read_again_when_one_of_them_changes(
    desk: Desk, opened: Opened
) -> None:
    desk.write("day2.csv", HEADER + rows(2, first=9))
    settled(desk, HEADER + rows(3), "day1.csv")
    file, readings = resolve(desk.joined()).train, FileCache()
    first = readings.checked(file, "target", 200)
    assert (readings.checked(file, "target", 200), first.file.rows) == (first, 5)
    assert opened == ["day1.csv", "day2.csv"]
    desk.write("day2.csv", HEADER + rows(4, first=9))
    second = readings.checked(file, "target", 200)
    assert second.file.rows == 7
    assert second.file.sha256 == digest(resolve(desk.joined())).train.sha256 != first.file.sha256


def test_a_file_that_is_gone_is_told_though_it_was_read_before(desk: Desk) -> None:
    file, readings = settled(desk), FileCache()
    readings.checked(file, None, 200)
    path_of(file).unlink()
    for ask in (lambda: readings.metadata(file), lambda: readings.checked(file, None, 200)):
        with pytest.raises(ModelError, match=r"train\.csv does not exist"):
            ask()


def test_checks_of_a_pinned_content_compare_what_is_remembered(desk: Desk) -> None:
    settled(desk)
    readings = FileCache()
    pinned = replace(desk.dataset(), train_sha256="0" * 64)
    for _again in range(2):
        with pytest.raises(ModelError, match="pins 000000000000"):
            desk.prepare(pinned, CHECKS, readings=readings)


def test_a_check_that_was_done_for_the_plan_counts_with_its_own_time(desk: Desk) -> None:
    file, readings = settled(desk), FileCache()
    took = readings.checked(file, SMALL.target, 200).seconds
    assert took > 0
    again = desk.prepare(desk.dataset("train.csv"), readings=readings)
    assert again.check_s >= took
    assert readings.checked(file, SMALL.target, 200).seconds == took


LARGE = HEADER + rows(80_000)  # over a MiB


def known_of(readings: FileCache, file: ResolvedFile) -> FileCache:
    """Return a cache of a later run, which has only what the journal recorded."""
    found, later = readings.metadata(file), FileCache()
    assert found.content_id is not None
    later.know({found.content_id: Checksum(sha256=found.sha256, bytes=found.bytes)})
    return later


def test_a_later_run_does_not_read_a_large_file_that_did_not_change(desk: Desk, opened: Opened) -> None:
    file, readings = settled(desk, LARGE), FileCache()
    later = known_of(readings, file)
    opened.clear()
    assert later.metadata(file).sha256 == sha(LARGE)
    assert opened == []


@pytest.mark.parametrize("change", ["other bytes and the old time", "the same bytes", "another file in its place"])
def test_a_later_run_reads_a_large_file_that_was_touched_in_any_way(desk: Desk, opened: Opened, change: str) -> None:
    file, readings = settled(desk, LARGE), FileCache()
    later, path = known_of(readings, file), path_of(file)
    before, content = path.stat(), path.read_bytes()
    if change == "another file in its place":
        beside = path.with_name("beside.csv")
        beside.write_bytes(content.replace(b"1", b"2"))
        beside.replace(path)
    else:
        path.write_bytes(content if change == "the same bytes" else content.replace(b"1", b"2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    opened.clear()
    assert later.metadata(file).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened[0] == "train.csv"


def test_what_is_read_just_after_a_change_is_not_recorded_as_that_content(desk: Desk) -> None:
    """A second change in the same tick of the clock would not show."""
    desk.write("train.csv", LARGE)
    file = resolve(desk.dataset("train.csv")).train
    os.utime(path_of(file), ns=(time.time_ns() + 10**9,) * 2)  # as on a file system with a coarse clock
    assert FileCache().metadata(file).content_id is None
    assert FileCache().checked(file, None, 200).file.content_id is None


def test_a_small_file_is_read_and_not_recorded(desk: Desk) -> None:
    assert FileCache().metadata(settled(desk)).content_id is None
