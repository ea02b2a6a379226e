"""The notes of a journal's end: written after each commit, in place, and never in the way of a run."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from runner.errors import StateError
from runner.journal.chain import Link
from runner.journal.end_marks import EMPTY, Head, HeadFile, head_of, outside
from runner.journal.folder import StateFolder
from runner.journal.store import Store
from tests.unit.journal.journal_facts import chained, draft, example, run_started

Opened = Callable[[], Store]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let notes outside of the state be kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def beside(folder: StateFolder) -> Head | None:
    return HeadFile(folder.head).read()


def noted_outside(links: list[Link]) -> Head | None:
    place = outside(links[0].sha256)
    assert place is not None
    return HeadFile(place).read()


def test_each_commit_is_noted_in_both_places(folder: StateFolder, opened: Opened) -> None:
    store = opened()
    store.settle()
    assert beside(folder) == EMPTY
    links = store.append([draft(run_started("service.test"), model=None), draft()])
    assert beside(folder) == noted_outside(links) == head_of(links[-1], links[0].sha256)
    [last] = store.append([draft()])
    assert beside(folder) == noted_outside(links) == head_of(last, links[0].sha256)
    assert folder.head.stat().st_size == 512


def test_what_only_the_emulator_did_is_not_noted_outside_of_the_state(
    folder: StateFolder, opened: Opened, home: Path
) -> None:
    store = opened()
    links = store.append([draft(run_started(), model=None)])
    assert beside(folder) == head_of(links[0], links[0].sha256)
    assert not home.exists()
    [accepted] = store.append([draft(example("loss_accepted"), model=None)])
    assert noted_outside(links) == head_of(accepted, links[0].sha256)


def test_a_commit_that_fails_is_not_noted(folder: StateFolder, opened: Opened) -> None:
    store, other = opened(), opened()
    store.append([draft(guard="g")])
    before = beside(folder)
    with pytest.raises(StateError, match="Another runner has written"):
        other.append([draft(), draft(guard="g")])
    assert beside(folder) == before


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere"])
def test_where_nothing_can_be_written_outside_nothing_fails(
    folder: StateFolder, opened: Opened, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", place)
    links = opened().append([draft(run_started("service.test"), model=None)])
    assert beside(folder) == head_of(links[0], links[0].sha256)


def test_the_place_outside_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert outside("") is None
    assert outside("a") == tmp_path / "home" / "retrain" / "heads" / "a"
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/users/ann")
    assert outside("a") == Path("/users/ann/.local/state/retrain/heads/a")
    for home in ("", "here"):
        monkeypatch.setenv("HOME", home)
        assert outside("a") is None


@pytest.mark.parametrize("join", [lambda victim, path: path.symlink_to(victim), os.link])
def test_a_note_is_written_into_a_file_of_its_own_only(
    folder: StateFolder, opened: Opened, tmp_path: Path, join: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    store = opened()
    join(victim, folder.head)
    store.append([draft()])
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["x" * 600, "\n", "é"])
def test_a_note_has_room_for_what_a_made_up_journal_may_say(text: str) -> None:
    [one] = chained([draft()])
    assert head_of(one, one.sha256).run_id == one.event.run_id
    strange = Link(event=replace(one.event, run_id=text, at=text), body=one.body, sha256=one.sha256)
    assert (head_of(strange, one.sha256).run_id, head_of(strange, one.sha256).at) == ("", "")


def test_a_note_that_a_full_disk_left_empty_is_none_yet(folder: StateFolder) -> None:
    folder.root.mkdir()
    folder.head.touch()
    assert beside(folder) is None


def test_a_lineage_that_is_not_a_digest_leads_nowhere(folder: StateFolder, opened: Opened) -> None:
    store = opened()
    store.append([draft(run_started("service.test"), model=None)])
    for forged in ("../../../../etc/passwd", b"\x00", "a\0b"):
        with closing(sqlite3.connect(folder.journal)) as database, database:
            database.execute("UPDATE events SET sha256 = ?", (forged,))
        assert store.extent() == (1, "")


@pytest.mark.parametrize("text", [b"{}", b'{"events":-1,"sha256":"' + b"0" * 64 + b'"}', b" " * 600])
def test_what_is_not_a_note_is_not_read_as_one(folder: StateFolder, text: bytes) -> None:
    folder.root.mkdir()
    folder.head.write_bytes(text)
    with pytest.raises(msgspec.MsgspecError):
        beside(folder)
