"""What every store of the state promises; a new one is added to `STORES` here and passes as it is."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.errors import LockedError
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderStore
from runner.journal.state_store import EventLog, GuardTakenError, HeadMovedError, StateStore
from tests.fakes.memory_state import MemoryState
from tests.unit.journal.journal_facts import draft, status

STORES: dict[str, Callable[[Path], StateStore]] = {
    "folder": lambda path: FolderStore(StateFolder(path / "state")),
    "memory": lambda path: MemoryState(path / "work"),
}


@pytest.fixture(params=STORES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return STORES[request.param](tmp_path)


def opened(state: StateStore) -> EventLog:
    log = state.open_log()
    for _ in log.read():
        pass
    return log


def seqs(state: StateStore) -> list[int]:
    log = state.read_log()
    assert log is not None
    try:
        return [one.event.seq for one in log.read()]
    finally:
        log.close()


def test_reading_a_fresh_place_begins_nothing(state: StateStore) -> None:
    state.require_journal()
    assert state.read_log() is None
    assert state.read_log() is None


def test_what_is_appended_is_read_back_with_the_same_head(state: StateStore) -> None:
    log = opened(state)
    assert log.head == (0, "0" * 64)
    first = log.append([draft(status("a")), draft(status("b"))])
    second = log.append([draft(status("c"))])
    assert log.head == (3, second[-1].sha256)
    log.close()
    again = opened(state)
    assert list(again.read()) == [*first, *second]
    assert again.head == (3, second[-1].sha256)
    assert again.extent() == (3, first[0].sha256)
    assert [again.digest(seq) for seq in (1, 3, 4)] == [first[0].sha256, second[0].sha256, None]
    again.close()


def test_an_append_is_refused_where_another_writer_moved_the_head(state: StateStore) -> None:
    first, second = opened(state), opened(state)
    first.append([draft()])
    with pytest.raises(HeadMovedError):
        second.append([draft(status("late"))])
    assert second.head[0] == 0
    assert seqs(state) == [1]
    for log in (first, second):
        log.close()


def test_a_guard_is_written_once_and_takes_its_transaction_with_it(state: StateStore) -> None:
    log = opened(state)
    log.append([draft(guard="upload:1")])
    with pytest.raises(GuardTakenError):
        log.append([draft(status("x")), draft(guard="upload:1")])
    assert seqs(state) == [1]
    log.append([draft(guard="upload:2")])
    assert seqs(state) == [1, 2]
    log.close()


def test_a_guard_twice_in_one_transaction_writes_nothing(state: StateStore) -> None:
    log = opened(state)
    with pytest.raises(GuardTakenError):
        log.append([draft(guard="g"), draft(guard="g")])
    assert seqs(state) == []
    log.close()


def test_a_guard_of_another_writer_is_taken_too(state: StateStore) -> None:
    first = opened(state)
    first.append([draft(guard="switch:1")])
    second = opened(state)
    with pytest.raises(GuardTakenError):
        second.append([draft(guard="switch:1")])
    for log in (first, second):
        log.close()


def test_one_run_holds_the_state_at_a_time(state: StateStore) -> None:
    with state.held("20260301T040506Z-1a2b3c", timeout=0) as lease:
        assert lease.lasts()
        with pytest.raises(LockedError), state.held("20260301T040507Z-1a2b3d", timeout=0):
            pass
        assert lease.lasts()
    with state.held("20260301T040507Z-1a2b3d", timeout=0) as after:
        assert after.lasts()


def test_a_file_is_stored_whole_under_its_name(state: StateStore) -> None:
    blobs, name = state.blobs, "runs/one/report.json"
    assert not blobs.holds(name)
    with pytest.raises(FileNotFoundError):
        blobs.open(name)
    assert blobs.put(name, [b"ab", b"c"]) == hashlib.sha256(b"abc").hexdigest()
    blobs.put(name, [b"later"])
    with blobs.open(name) as stream:
        assert stream.seek(0, 2) == 5
        stream.seek(0)
        assert stream.read() == b"later"
    assert blobs.holds(name)
    assert name in blobs.shown(name)


def test_what_fails_half_way_leaves_the_older_file(state: StateStore) -> None:
    def cut() -> Iterator[bytes]:
        yield b"half"
        raise OSError("no more")

    state.blobs.put("runs/one/report.md", [b"old"])
    with pytest.raises(OSError, match="no more"):
        state.blobs.put("runs/one/report.md", cut())
    with state.blobs.open("runs/one/report.md") as stream:
        assert stream.read() == b"old"


def test_a_file_of_the_work_folder_is_kept_under_its_name_there(state: StateStore) -> None:
    name = "runs/one/results/m/result.zip"
    file = state.work.make("runs", "one", "results", "m") / "result.zip"
    file.write_bytes(b"result")
    state.blobs.keep(name, file)
    with state.blobs.open(name) as stream:
        assert stream.read() == b"result"
