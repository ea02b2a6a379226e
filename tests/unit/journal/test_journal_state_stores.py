"""What every store of the state promises; a new one is added to `STORES` here and passes as it is."""

import atexit
import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest

from runner.app.migrate import pull
from runner.app.state.manage import init_state
from runner.app.state.open_state import open_state
from runner.app.state.partitions import refuse_part
from runner.errors import LockedError, StateError, UsageError
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderStore
from runner.journal.state_store import EventLog, GuardTakenError, HeadMovedError, StateStore
from tests.fakes.memory_state import MemoryState
from tests.fakes.object_stores import begun, fresh_address, fresh_on_moto, set_credentials
from tests.fakes.postgres_server import fresh_on_postgres, fresh_schema, set_password
from tests.fakes.postgres_server import one_server as postgres_server
from tests.fakes.run_ids import run_id
from tests.fakes.unreliable_s3 import S3Server
from tests.unit.journal.journal_facts import draft, status

_NUMBERS, _SERVERS = itertools.count(), ExitStack()
atexit.register(_SERVERS.close)  # while its threads are still there


@cache
def one_server() -> S3Server:
    """Return a server that lives as long as this process."""
    return _SERVERS.enter_context(S3Server().serving())


STORES: dict[str, Callable[[Path], StateStore]] = {
    "folder": lambda path: FolderStore(StateFolder(path / "state")),
    "memory": lambda path: MemoryState(path / "work"),
    "postgres": lambda _: fresh_on_postgres(),
    "postgres with files in s3": lambda _: fresh_on_postgres(f"&blobs={quote(fresh_address())}"),
    "s3 by moto": lambda _: fresh_on_moto(),
    "s3 by the test server": lambda _: begun(one_server().address(f"state-{next(_NUMBERS)}")),
}


@pytest.fixture(params=STORES)
def state(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateStore:
    set_credentials(monkeypatch)
    set_password(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return STORES[request.param](tmp_path)


def opened(state: StateStore) -> EventLog:
    log = state.open_log()
    for _ in log.read():
        pass
    return log


def seqs(state: StateStore) -> list[int]:
    log = state.read_log()
    if log is None:
        return []
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


def marked(state: StateStore) -> tuple[list[tuple[int, str]], EventLog]:
    """Return the number and digest of each of four events, and the log opened anew and not read yet."""
    log = opened(state)
    links = log.append([draft(status(name)) for name in "abcd"])
    log.close()
    return [(link.event.seq, link.sha256) for link in links], state.open_log()


@pytest.mark.parametrize("number", [0, 1, 3, 4])
def test_a_reading_after_a_mark_gives_the_later_events_and_can_be_continued(state: StateStore, number: int) -> None:
    marks, log = marked(state)
    read = list(log.read(marks[number - 1]) if number else log.read())
    assert [(link.event.seq, link.sha256) for link in read] == marks[number:]
    assert log.head == marks[-1]
    log.settle()
    (added,) = log.append([draft(status("e"))])
    assert (added.event.seq, added.event.prev) == (5, marks[-1][1])
    assert log.head == (5, added.sha256)
    log.close()
    assert seqs(state) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_reading_after_an_event_that_is_another_one_is_refused(state: StateStore, number: int) -> None:
    _, log = marked(state)
    with pytest.raises(StateError, match=f"changed or damaged at event {number}"):
        list(log.read((number, "1" * 64)))
    log.close()


def test_a_guard_from_before_the_mark_is_taken_too(state: StateStore) -> None:
    log = opened(state)
    links = log.append([draft(guard="upload:1"), draft()])
    log.close()
    later = state.open_log()
    assert list(later.read((2, links[-1].sha256))) == []
    with pytest.raises(GuardTakenError):
        later.append([draft(guard="upload:1")])
    later.close()


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
    with state.lease("20260301T040506Z-1a2b3c", timeout=0) as lease:
        assert lease.lasts()
        with pytest.raises(LockedError), state.lease("20260301T040507Z-1a2b3d", timeout=0):
            pass
        assert lease.lasts()
    with state.lease("20260301T040507Z-1a2b3d", timeout=0) as after:
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


def test_what_is_posted_waits_in_the_order_of_its_names_until_it_is_removed(state: StateStore) -> None:
    inbox = state.inbox
    assert inbox.pending() == ()
    inbox.post("b.json", b"second")
    inbox.post("a.json", b"first")
    assert inbox.pending() == ("a.json", "b.json")
    assert inbox.read("a.json", 100) == b"first"
    assert inbox.read("a.json", 3) == b"fir"
    inbox.remove("a.json")
    inbox.remove("a.json")
    assert inbox.pending() == ("b.json",)
    with pytest.raises(FileNotFoundError):
        inbox.read("a.json", 100)


def test_an_entry_is_posted_once_and_stays_as_it_is(state: StateStore) -> None:
    state.inbox.post("a.json", b"first")
    with pytest.raises(FileExistsError):
        state.inbox.post("a.json", b"second")
    assert state.inbox.read("a.json", 100) == b"first"
    state.inbox.remove("a.json")
    state.inbox.post("a.json", b"third")
    assert state.inbox.read("a.json", 100) == b"third"


def test_an_entry_can_be_posted_while_a_run_holds_the_state(state: StateStore) -> None:
    with state.lease("20260301T040506Z-1a2b3c", timeout=0):
        state.inbox.post("a.json", b"decided")
        assert state.inbox.pending() == ("a.json",)


def test_what_is_set_aside_is_no_longer_pending(state: StateStore) -> None:
    for _ in range(2):  # two of the same name, one after the other
        state.inbox.post("a.json", b"garbage")
        assert "a.json" in state.inbox.set_aside("a.json")
        assert state.inbox.pending() == ()


DIVIDED = [name for name in STORES if name != "memory"]


@pytest.fixture(params=DIVIDED)
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where a state with partitions can begin."""
    set_credentials(monkeypatch)
    set_password(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    number = next(_NUMBERS)
    places: dict[str, Callable[[], str]] = {
        "folder": lambda: str(tmp_path / "state"),
        "postgres": lambda: postgres_server().address(fresh_schema()),
        "postgres with files in s3": lambda: postgres_server().address(
            fresh_schema(), more=f"&blobs={quote(fresh_address())}"
        ),
        "s3 by moto": fresh_address,
        "s3 by the test server": lambda: one_server().address(f"divided-{number}"),
    }
    return places[request.param]()


def test_each_partition_is_a_state_of_its_own_and_the_whole_has_no_journal(address: str) -> None:
    init_state(address, 3)
    whole = open_state(address)
    parts = [open_state(whole.part(number)) for number in range(whole.partitions)]
    assert (len(parts), whole.is_begun(), [part.partitions for part in parts]) == (3, True, [1, 1, 1])
    with parts[0].lease(run_id(1), timeout=0) as one, parts[1].lease(run_id(2), timeout=0) as other:
        assert (one.lasts(), other.lasts()) == (True, True)
        with pytest.raises(LockedError), parts[1].lease(run_id(3), timeout=0):
            pass
        for part in parts[:2]:
            log = opened(part)
            log.append([draft(status("a"), guard="once")])
            log.close()
    assert [seqs(part) for part in parts] == [[1], [1], []]
    assert parts[0].blobs.put("runs/a", [b"x"])
    assert [part.blobs.holds("runs/a") for part in (*parts, whole)] == [True, False, False, False]
    parts[0].inbox.post("a", b"x")
    assert [part.inbox.pending() for part in parts] == [("a",), (), ()]
    for refused in (whole.require_journal, whole.open_log, whole.read_log):
        with pytest.raises(StateError, match="has 3 partitions"):
            refused()


def test_a_partition_is_known_as_one_at_whatever_address_and_after_it_was_copied(address: str, tmp_path: Path) -> None:
    place = open_state(address)
    init_state(address, 2)
    parts = [open_state(place.part(number)) for number in range(2)]
    assert [store.number for store in (place, *parts)] == [None, 0, 1]
    with pytest.raises(UsageError, match="is partition 0001 of a state"):
        refuse_part(parts[1].address)
    log = opened(parts[1])
    log.append([draft(status("a"))])
    log.close()
    pull(address, str(tmp_path / "copy"))
    (tmp_path / "elsewhere").symlink_to(tmp_path / "copy" / "partitions", target_is_directory=True)
    for spelled in ("copy/partitions/0000/../0001", "elsewhere/0001", "elsewhere/0000"):
        with pytest.raises(UsageError, match="is partition"):
            refuse_part(str(tmp_path / spelled))
    refuse_part(str(tmp_path / "copy"))
    refuse_part(address)


def test_the_number_of_partitions_never_changes(address: str) -> None:
    init_state(address, 3)
    for again in (1, 2, 3):
        with pytest.raises(StateError, match="a state"):
            init_state(address, again)
    assert open_state(address).partitions == 3


def test_a_state_whose_beginning_was_interrupted_is_none_until_it_is_begun_again(address: str) -> None:
    place = open_state(address)
    for number in range(2):
        open_state(place.part(number)).begin()
    assert not place.is_begun()
    with pytest.raises(StateError):
        open_state(address).open_log()
    init_state(address, 3)
    assert [open_state(place.part(number)).is_begun() for number in range(3)] == [True, True, True]


def test_a_state_that_lost_its_number_of_partitions_is_not_begun_anew_over_what_was_recorded(address: str) -> None:
    place = open_state(address)
    part = open_state(place.part(0))
    part.begin()
    log = opened(part)
    log.append([draft(status("a"))])
    log.close()
    with pytest.raises(StateError, match="has a journal of 1 events already"):
        init_state(address, 3)
