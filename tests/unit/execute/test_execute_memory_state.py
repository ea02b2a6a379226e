"""Runs on a state that is not a folder: the same protocol, another store."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.queries.history import explain
from runner.app.state.open_state import STORES
from runner.app.state.session import session
from runner.errors import LockedError
from tests.fakes.memory_state import MemoryState
from tests.fakes.world import ONE_MODEL, CrashError, Held, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, ONE_MODEL, store=MemoryState(tmp_path / "work"))


def test_a_run_switches_and_its_result_is_in_the_store(world: World) -> None:
    assert world.run()["m"].outcome == "switched"
    state = world.store
    assert isinstance(state, MemoryState)
    assert len(state.blobs.files) == 1
    assert re.fullmatch(r"runs/.+/results/m/result\.zip", next(iter(state.blobs.files)))
    assert not state.work.journal.exists()
    assert world.run()["m"].outcome == "unchanged"
    assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}


def test_a_crash_at_any_commit_trains_and_switches_once(tmp_path: Path) -> None:
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder, ONE_MODEL, store=MemoryState(folder / "work"))

        def crash(commit: int, at: int = number) -> None:
            if commit == at:
                raise CrashError

        world.on_commit = crash
        try:
            world.run()
        except CrashError:
            world.on_commit = lambda _number: None
            while world.run()["m"].outcome not in ("switched", "unchanged"):
                world.clock.seconds += 3600
        else:
            break
        assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}, number
    assert number > 5


def test_a_stored_result_that_is_gone_is_downloaded_again(world: World) -> None:
    world.run()
    state = world.store
    assert isinstance(state, MemoryState)
    state.blobs.files.clear()
    world.write_manifest(ONE_MODEL.replace("0.9}", "0.99}"))
    world.write_data("2")
    assert world.run()["m"].outcome == "held"
    state.blobs.files.clear()
    world.write_manifest(ONE_MODEL.replace("0.9}", "0.5}"))
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("download") == 3


def test_sessions_and_readers_find_the_store_by_its_scheme(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STORES, "memory", lambda _address: world.store)
    world.run()
    with session("memory://state", lock_timeout=timedelta(0)) as opened:
        with pytest.raises(LockedError), session("memory://state", lock_timeout=timedelta(0)):
            pass
        assert opened.lease.lasts()
    state = world.store
    assert isinstance(state, MemoryState)
    assert {name.rpartition("/")[2] for name in state.blobs.files} >= {"report.json", "report.html", "journal.jsonl"}
    [found] = explain("memory://state", "m", run_id=None, job=None)
    assert found.confirmation.state == "same"


def test_a_run_that_lost_its_state_sends_no_switch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True])  # before the upload ends, and not before the switch
    with monkeypatch.context() as patched:
        patched.setattr(Held, "lasts", lambda _: next(answers, False))
        lost = world.run()["m"]
    assert (lost.outcome, "holds its state no longer" in lost.reason) == ("failed", True)
    assert world.service.effects == {("upload", "key-m"): 1}
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}
