"""The journal on disk: durable, exclusive, and never mistaken for another file."""

import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import ExitCode, StateError
from runner.journal.folder import StateFolder, state_folder
from runner.journal.state_store import GuardTakenError
from runner.journal.store import Store, open_for_reading, open_store
from tests.fakes.run_ids import run_id
from tests.unit.journal.journal_facts import draft, status

Opened = Callable[[], Store]

APPEND_FOR_EVER = """
import sys
from pathlib import Path
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from tests.unit.journal.journal_facts import draft, status

store = open_store(StateFolder(Path(sys.argv[1])))
list(store.read())
while True:
    links = store.append([draft(status("w" * 3000)) for _ in range(40)])
    print(links[-1].event.seq, flush=True)
"""

APPEND_UNTIL_FULL = """
import resource, signal, sys
from pathlib import Path
from runner.errors import StateError
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from tests.unit.journal.journal_facts import draft, status

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(StateFolder(Path(sys.argv[1])))
list(store.read())
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    while True:
        store.append([draft(status("w" * 9000))])
except StateError as error:
    print(store.head[0], int(error.exit_code), error.message)
"""


def seqs(folder: StateFolder) -> list[int]:
    """Return the numbers of all events, read by a fresh reader that checks the chain."""
    store = open_for_reading(folder)
    assert store is not None
    try:
        return [link.event.seq for link in store.read()]
    finally:
        store.close()


def spoil(folder: StateFolder, *statements: str) -> None:
    connection = sqlite3.connect(folder.journal)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_fresh_folder_begins_a_journal_that_only_its_owner_can_read(folder: StateFolder, opened: Opened) -> None:
    store = opened()
    assert store.head == (0, "0" * 64)
    store.append([draft()])
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    for file in folder.root.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_reading_creates_nothing(folder: StateFolder) -> None:
    assert open_for_reading(folder) is None
    assert not folder.root.exists()


def test_what_is_appended_is_read_back_by_the_next_process(folder: StateFolder, opened: Opened) -> None:
    first = opened().append([draft(status("a")), draft(status("b"))])
    opened().append([draft(status("c"))])
    store = open_for_reading(folder)
    assert store is not None
    links = list(store.read())
    assert links[:2] == first
    assert store.head == (3, links[-1].sha256)
    store.close()


@pytest.mark.parametrize("name", ["with space", "per%cent", "que?ry#hash", "日本", "a&b=c;d", "file:x"])
def test_a_folder_of_any_name_works(tmp_path: Path, name: str) -> None:
    folder = StateFolder(tmp_path / name)
    store = open_store(folder)
    store.append([draft()])
    store.close()
    assert seqs(folder) == [1]
    assert sorted(file.name for file in folder.root.iterdir()) == ["journal.head", "journal.sqlite3"]


def test_a_missing_journal_beside_the_files_of_runs_is_refused(folder: StateFolder) -> None:
    (folder.runs / "20260301T040506Z-1a2b3c").mkdir(parents=True)
    for opening in (open_store, open_for_reading):
        with pytest.raises(StateError, match="no journal"):
            opening(folder)
    assert not folder.journal.exists()


@pytest.mark.parametrize("content", [b"", b"hello, I am no database\n" * 99, b"SQLite format 3\x00" + b"\x07" * 4096])
def test_a_file_that_is_not_a_database_is_refused_and_kept(folder: StateFolder, content: bytes) -> None:
    folder.root.mkdir()
    folder.journal.write_bytes(content)
    for opening in (open_store, open_for_reading):
        with pytest.raises(StateError) as caught:
            opening(folder)
        assert caught.value.exit_code == ExitCode.STATE
        assert "damaged" in caught.value.message or not content
    assert folder.journal.read_bytes() == content


@pytest.mark.parametrize(
    "statement", ["PRAGMA application_id = 0", "PRAGMA application_id = 252006673", "PRAGMA user_version = 2"]
)
def test_another_programs_database_or_format_is_refused(folder: StateFolder, opened: Opened, statement: str) -> None:
    opened().append([draft()])
    spoil(folder, statement)
    for opening in (open_store, open_for_reading):
        with pytest.raises(StateError, match="not a journal that this version of retrain reads"):
            opening(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "UPDATE events SET body = NULL WHERE seq = 2",
        "UPDATE events SET body = 'text' WHERE seq = 2",
        "UPDATE events SET body = 7 WHERE seq = 2",
        "UPDATE events SET sha256 = x'ff' WHERE seq = 2",
        "UPDATE events SET sha256 = CAST(x'ff' AS TEXT) WHERE seq = 2",
        "UPDATE events SET guard = 'g' WHERE seq = 2",
        "UPDATE events SET seq = 9 WHERE seq = 3",
        "DELETE FROM events WHERE seq = 2",
    ],
)
def test_a_changed_table_is_a_state_error_not_a_traceback(folder: StateFolder, opened: Opened, statement: str) -> None:
    opened().append([draft(), draft(), draft()])
    spoil(folder, "PRAGMA ignore_check_constraints = 1", statement.replace("SET body = NULL", "SET body = zeroblob(0)"))
    with pytest.raises(StateError):
        seqs(folder)


def test_a_flipped_bit_anywhere_in_the_file_is_an_error_or_changes_no_event(
    folder: StateFolder, opened: Opened
) -> None:
    opened().append([draft(status(f"word {n}"), guard=f"g{n}") for n in range(30)])
    whole, sound = folder.journal.read_bytes(), seqs(folder)
    noticed = 0
    for position in range(0, len(whole), 37):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << (position % 8)
        folder.journal.write_bytes(flipped)
        try:
            assert seqs(folder) == sound, position
        except StateError:
            noticed += 1
    assert noticed > len(whole) // 37 // 3


def test_a_cut_file_is_a_state_error(folder: StateFolder, opened: Opened) -> None:
    opened().append([draft(status("w" * 900)) for _ in range(30)])
    whole = folder.journal.read_bytes()
    for length in range(4096, len(whole), 4096):
        folder.journal.write_bytes(whole[:length])
        with pytest.raises(StateError):
            seqs(folder)


def test_a_guard_exists_once_whoever_writes(folder: StateFolder, opened: Opened) -> None:
    first = opened()
    first.append([draft(guard="upload:emulator:churn:0:1")])
    second = opened()
    for store in (first, second):
        with pytest.raises(GuardTakenError, match="Another runner has already begun this step"):
            store.append([draft(status("x")), draft(guard="upload:emulator:churn:0:1")])
        assert store.head[0] == 1
    assert seqs(folder) == [1]
    first.append([draft(guard="upload:emulator:churn:0:2")])
    assert seqs(folder) == [1, 2]


def test_a_guard_holds_even_when_the_databases_index_of_guards_is_damaged(folder: StateFolder, opened: Opened) -> None:
    guard = "upload:emulator:churn:0:1"
    opened().append([draft(guard=guard)])
    whole, tried = folder.journal.read_bytes(), 0
    place = whole.find(guard.encode())
    while place >= 0:
        folder.journal.write_bytes(whole[:place] + b"U" + whole[place + 1 :])
        try:
            store = opened()
        except StateError:
            pass  # the event or its row was hit, and the chain shows it
        else:
            tried += 1
            with pytest.raises(GuardTakenError):
                store.append([draft(guard=guard)])
        place = whole.find(guard.encode(), place + 1)
    assert tried == 1


@pytest.mark.parametrize("text", [b"TABLE events", b"KEY (seq)"])
def test_a_schema_that_is_not_text_any_more_is_an_error_of_ours(
    folder: StateFolder, opened: Opened, text: bytes
) -> None:
    """SQLite then repeats the damaged bytes in a message of its own that Python cannot decode."""
    opened().append([draft()])
    whole = folder.journal.read_bytes()
    place = whole.find(text)
    assert place > 0
    for byte in range(place, place + 3):
        folder.journal.write_bytes(whole[:byte] + bytes([whole[byte] | 128]) + whole[byte + 1 :])
        with pytest.raises(StateError, match="or it is damaged: its schema is not text"):
            opened()


@pytest.mark.parametrize("between", [0, 250])
def test_one_guard_twice_in_one_append_writes_nothing(folder: StateFolder, opened: Opened, between: int) -> None:
    store = opened()
    with pytest.raises(GuardTakenError):
        store.append([draft(guard="g"), *[draft()] * between, draft(guard="g")])
    assert seqs(folder) == []
    assert len(store.append([draft()] * between)) == between
    assert len(seqs(folder)) == between


def test_a_store_whose_head_is_stale_refuses_to_append(folder: StateFolder, opened: Opened) -> None:
    stale, quick = opened(), opened()
    quick.append([draft()])
    with pytest.raises(StateError, match="Another runner has written"):
        stale.append([draft()])
    assert seqs(folder) == [1]


def test_reading_again_does_not_make_a_stale_store_fresh(opened: Opened) -> None:
    stale, quick = opened(), opened()
    quick.append([draft()])
    assert len(list(stale.read())) == 1
    with pytest.raises(StateError, match="Another runner has written"):
        stale.append([draft()])


def test_a_reader_that_stops_early_does_not_move_the_head(folder: StateFolder, opened: Opened) -> None:
    store = opened()
    store.append([draft(status(str(n))) for n in range(5)])
    assert next(iter(store.read())).event.seq == 1
    store.append([draft()])
    assert seqs(folder) == [1, 2, 3, 4, 5, 6]


def test_a_store_that_is_closed_ends_a_reading_that_stopped_half_way(opened: Opened) -> None:
    store = opened()
    store.append([draft(status(str(n))) for n in range(5)])
    reading = store.read()
    assert next(reading).event.seq == 1
    store.close()
    assert list(reading) == []


def test_a_reader_cannot_write(folder: StateFolder, opened: Opened) -> None:
    opened().append([draft()])
    reader = open_for_reading(folder)
    assert reader is not None
    list(reader.read())
    with pytest.raises(StateError, match="readonly"):
        reader.append([draft()])
    reader.close()


def test_commits_are_synchronous_and_use_the_rollback_journal(folder: StateFolder, opened: Opened) -> None:
    opened().append([draft()])
    spoil(folder, "PRAGMA journal_mode = WAL")  # another program may have changed it
    store = opened()
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (3,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_state_folder_that_cannot_be_made_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="cannot be created"):
        open_store(StateFolder(tmp_path / "file" / "state"))


def test_a_full_disk_is_a_state_error_and_keeps_what_was_written(folder: StateFolder) -> None:
    command = [sys.executable, "-c", APPEND_UNTIL_FULL, str(folder.root)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    head, code, message = answer.stdout.split(" ", 2)
    assert (int(code), "cannot be read or written" in message) == (ExitCode.STATE, True)
    assert int(head) > 3
    assert seqs(folder) == list(range(1, int(head) + 1))


@pytest.mark.parametrize("appends", [3, 7, 12])
def test_a_kill_in_the_middle_of_appends_leaves_a_valid_chain(folder: StateFolder, appends: int) -> None:
    command = [sys.executable, "-c", APPEND_FOR_EVER, str(folder.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(appends)][-1]
        process.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    found = seqs(folder)  # a reader alone, as `retrain status` is
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= told
    assert len(found) % 40 == 0


def test_a_half_written_transaction_is_rolled_back_by_a_reader(folder: StateFolder, opened: Opened) -> None:
    store = opened()
    store.append([draft(status("w" * 3000)) for _ in range(40)])
    store.close()
    writer = subprocess.run(
        [sys.executable, "-c", HALF_A_COMMIT, str(folder.journal)], capture_output=True, text=True, check=False
    )
    assert writer.returncode == -signal.SIGKILL, writer.stderr
    hot = folder.journal.with_name(f"{folder.journal.name}-journal")
    assert hot.stat().st_size > 0
    assert seqs(folder) == list(range(1, 41))


HALF_A_COMMIT = """
import os, signal, sqlite3, sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("PRAGMA cache_spill = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE events SET body = zeroblob(3000)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_half_begun_journal_does_not_stand_in_the_way(folder: StateFolder, opened: Opened) -> None:
    folder.root.mkdir(mode=0o700)
    folder.journal.with_name(".journal.sqlite3.new").write_bytes(b"half")
    folder.journal.with_name(".journal.sqlite3.new-journal").write_bytes(b"half" * 999)
    opened().append([draft()])
    assert seqs(folder) == [1]


def test_state_is_a_path_or_a_file_url(tmp_path: Path) -> None:
    assert state_folder("some/where").root == Path("some/where")
    assert state_folder((tmp_path / "a b").as_uri()).root == tmp_path / "a b"
    assert state_folder(f"file://localhost{tmp_path}").root == tmp_path


def test_latest_points_at_the_newest_run_in_one_step(folder: StateFolder) -> None:
    ids = [run_id(1), run_id(2)]
    for one in ids:
        folder.run_folder(one).mkdir(parents=True)
        folder.point_latest(one)
        assert (folder.runs / "latest").readlink() == Path(one)
    assert sorted(file.name for file in folder.runs.iterdir()) == [*ids, "latest"]
