"""Who holds the state is asked of the lock itself; only that of another host can be freed, and its holder is fenced."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from runner.app.state.partitions import holders, unlock
from runner.app.state.session import Session, session
from runner.errors import LockedError, StateError, UsageError
from runner.journal.events import RunFinished, RunOptions, RunStarted
from runner.journal.folder import state_folder
from runner.journal.lock import Holder, read_holder
from tests.fakes.run_origin import NO_MANIFEST, TOOL

NOW = timedelta(0)
HOLD = """
import sys, time
from datetime import timedelta
from runner.app.state.session import session

with session(sys.argv[1], lock_timeout=timedelta(0)) as opened:
    print(opened.run_id, flush=True)
    time.sleep(60)
"""


@contextmanager
def run_elsewhere(state: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Let another process hold the state; the values are its run id and the process."""
    with subprocess.Popen([sys.executable, "-c", HOLD, state], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        try:
            yield run_id, process
        finally:
            process.kill()


def shown(state: str, *arguments: str) -> tuple[int, str]:
    """Return the exit code of the command, and what it prints."""
    command = [sys.executable, "-m", "runner", "unlock", "--state", state, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def move_away(state: str) -> Holder:
    """Let the note say that the holder is a process of another host, as on a network disk."""
    folder = state_folder(state)
    holder = read_holder(folder)
    assert holder is not None
    away = msgspec.structs.replace(holder, host="build-7")
    folder.holder.write_bytes(msgspec.json.encode(away))
    return away


def test_a_living_process_of_this_host_is_named_and_cannot_be_freed(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with run_elsewhere(state) as (run_id, process):
        code, told = shown(state)
        assert code == 6
        for part in (run_id, f"process {process.pid}", "It is alive", f"`kill {process.pid}`", "since 20"):
            assert part in told
        assert "--id" not in told
        code, refused = shown(state, "--id", run_id)
        assert (code, "It is alive" in refused) == (6, True)
        with pytest.raises(LockedError, match=run_id), session(state, lock_timeout=NOW):
            pass


def test_a_stopped_process_is_alive_too(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with run_elsewhere(state) as (run_id, process):
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(LockedError, match=f"process {process.pid}") as caught:
            unlock(state, run_id)
        assert f"kill -9 {process.pid}" in caught.value.hint


def test_after_a_kill_nobody_holds_the_state_whatever_note_is_left(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with run_elsewhere(state) as (run_id, process):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert read_holder(state_folder(state)) is not None
    assert holders(state) == []
    assert shown(state) == (0, "No run holds the state.\n")
    code, freed = shown(state, "--id", run_id)
    assert (code, "nobody does." in freed, "There is nothing to free." in freed) == (2, True, True)


def test_looking_at_a_state_that_does_not_exist_makes_none(tmp_path: Path) -> None:
    assert holders(str(tmp_path / "state")) == []
    assert list(tmp_path.iterdir()) == []


def test_a_holder_without_a_note_is_waited_for(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with session(state, lock_timeout=NOW) as first:
        state_folder(state).holder.unlink()
        code, told = shown(state)
        assert (code, "did not record its name" in told) == (6, True)
        with pytest.raises(UsageError, match="another command does"):
            unlock(state, first.run_id)


def test_the_lock_of_another_host_is_freed_by_its_id_and_the_next_run_gets_it(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with session(state, lock_timeout=NOW) as first:
        away = move_away(state)
        code, told = shown(state)
        assert (code, f"`retrain unlock --id {first.run_id} --state {state}`" in told) == (6, True)
        with pytest.raises(LockedError) as caught, session(state, lock_timeout=NOW):
            pass
        assert "If build-7 is gone, `retrain unlock --state " in caught.value.hint
        assert unlock(state, first.run_id) == away
        with session(state, lock_timeout=NOW) as second:
            (held,) = holders(state)
            assert held.holder is not None
            assert held.holder.run_id == second.run_id
    assert holders(state) == []


def test_the_old_holder_neither_writes_nor_frees_the_new_ones_lock(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with session(state, lock_timeout=NOW) as first:
        move_away(state)
        unlock(state, first.run_id)
        with session(state, lock_timeout=NOW) as second:
            start_like_a_run(second)
            with pytest.raises(StateError, match="Another runner has written"):
                start_like_a_run(first)
            second_id = second.run_id
            assert holders(state)
    assert second_id != first.run_id


def start_like_a_run(opened: Session) -> None:
    opened.recorder.run_fact(
        RunStarted(tool=TOOL, actor="a", service="r", paths=(), manifest=NO_MANIFEST, options=RunOptions())
    )
    opened.recorder.run_fact(RunFinished(exit_code=0))


def test_unlock_of_a_run_that_does_not_hold_the_state_is_refused(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with pytest.raises(UsageError, match="nobody does"):
        unlock(state, "20260301T040506Z-1a2b3c")
    with session(state, lock_timeout=NOW) as first, pytest.raises(UsageError, match=f"run {first.run_id} does"):
        unlock(state, "another")
