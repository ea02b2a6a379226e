"""A rollback journal beside a database is SQLite's to act on only when it names no file."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.errors import StateError
from runner.lib.sqlite_hot_journal import check_rollback_journal

NAMES_A_FILE = bytes.fromhex("d9d505f920a163d7")


@pytest.mark.parametrize("content", [b"", b"x", NAMES_A_FILE + bytes(504), NAMES_A_FILE[1:]])
def test_what_a_killed_writer_left_is_let_through(content: bytes, tmp_path: Path) -> None:
    check_rollback_journal(tmp_path / "a.sqlite3")
    beside = tmp_path / "a.sqlite3-journal"
    beside.write_bytes(content)
    check_rollback_journal(tmp_path / "a.sqlite3")  # raises what it does not let through
    assert beside.read_bytes() == content


def test_the_journal_of_a_transaction_that_was_cut_is_let_through(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.sqlite3", isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that it is written before the commit
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", [(os.urandom(3000),) for _ in range(50)])
        assert (tmp_path / "a.sqlite3-journal").stat().st_size > 512
        check_rollback_journal(tmp_path / "a.sqlite3")


def test_one_that_names_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite3-journal").write_bytes(b"any bytes" + NAMES_A_FILE)
    with pytest.raises(StateError, match="remove a file elsewhere"):
        check_rollback_journal(tmp_path / "a.sqlite3")


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_one_that_is_not_a_file_is_refused(kind: str, tmp_path: Path) -> None:
    beside = tmp_path / "a.sqlite3-journal"
    if kind == "pipe":
        os.mkfifo(beside)
    elif kind == "folder":
        beside.mkdir()
    else:
        beside.symlink_to(tmp_path / "other")
    if kind == "link":
        (tmp_path / "other").write_bytes(b"x")
    with pytest.raises(StateError):
        check_rollback_journal(tmp_path / "a.sqlite3")
