"""One run at a time: the second is told who holds the state, and the dead hold nothing."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from filelock import FileLock

from runner.errors import ExitCode, LockedError, StateError
from runner.journal import lock
from runner.journal.folder import StateFolder
from runner.journal.lock import current_user, locked

HOLD = """
import sys, time
from pathlib import Path
from runner.journal.folder import StateFolder
from runner.journal.lock import locked

with locked(StateFolder(Path(sys.argv[1])), "run-of-another", timeout=0):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held_elsewhere(folder: StateFolder, seconds: float = 60.0) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock."""
    command = [sys.executable, "-c", HOLD, str(folder.root), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_which_run_holds_the_state_and_since_when(folder: StateFolder) -> None:
    with held_elsewhere(folder) as process:
        with pytest.raises(LockedError) as caught, locked(folder, "mine", timeout=0):
            pass
        assert caught.value.exit_code == ExitCode.LOCKED
        for part in (
            "run-of-another",
            str(process.pid),
            current_user().rpartition("@")[2],
            str(folder.root),
            " since 20",
        ):
            assert part in caught.value.message
        assert "--lock-timeout" in caught.value.hint


def test_the_state_is_free_as_soon_as_a_command_has_failed_and_not_when_its_lock_is_collected(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[FileLock] = []

    def keeping(*arguments: Any, **more: Any) -> FileLock:
        kept.append(FileLock(*arguments, **more))
        return kept[-1]

    monkeypatch.setattr("filelock.FileLock", keeping)
    with pytest.raises(ZeroDivisionError), locked(folder, "first", timeout=0):
        raise ZeroDivisionError
    with locked(folder, "second", timeout=0):
        assert [one.is_locked for one in kept] == [False, True]


def test_a_lock_lasts_until_somebody_breaks_it(folder: StateFolder) -> None:
    with locked(folder, "mine", timeout=0) as hold:
        assert hold.lasts()
        lock.break_lock(folder)
        assert not hold.lasts()
        with locked(folder, "of-another", timeout=0) as other:
            assert other.lasts()
            assert not hold.lasts()
        folder.lock.unlink(missing_ok=True)
        assert not hold.lasts()


def test_a_killed_holder_frees_the_state_at_once(folder: StateFolder) -> None:
    with held_elsewhere(folder) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with locked(folder, "mine", timeout=0):
            assert folder.holder.exists()


def test_a_timeout_waits_for_the_holder(folder: StateFolder) -> None:
    with held_elsewhere(folder, seconds=0.5):
        began = time.monotonic()
        with locked(folder, "mine", timeout=30):
            assert time.monotonic() - began < 25


def test_a_timeout_that_is_too_short_ends_in_the_error(folder: StateFolder) -> None:
    with held_elsewhere(folder):
        began = time.monotonic()
        with pytest.raises(LockedError), locked(folder, "mine", timeout=0.3):
            pass
        assert time.monotonic() - began >= 0.3


def test_the_lock_is_free_again_after_its_block_even_after_an_error(folder: StateFolder) -> None:
    with pytest.raises(RuntimeError), locked(folder, "first", timeout=0):
        raise RuntimeError
    assert not folder.holder.exists()
    with locked(folder, "second", timeout=0):
        assert b"second" in folder.holder.read_bytes()


def test_lock_files_are_the_owners_alone(folder: StateFolder) -> None:
    with locked(folder, "mine", timeout=0):
        for file in (folder.lock, folder.holder):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_an_unreadable_note_about_the_holder_still_gives_the_error(folder: StateFolder, content: bytes) -> None:
    with held_elsewhere(folder):
        folder.holder.write_bytes(content)
        with pytest.raises(LockedError, match="Another retrain command holds"), locked(folder, "mine", timeout=0):
            pass


def test_a_folder_that_cannot_be_locked_is_a_state_error(folder: StateFolder) -> None:
    folder.lock.mkdir(parents=True)
    with pytest.raises(StateError, match="cannot be locked"), locked(folder, "mine", timeout=0):
        pass


def test_a_note_that_cannot_be_written_frees_the_lock(folder: StateFolder) -> None:
    (folder.holder / "in the way").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(StateError, match="cannot be locked"), locked(folder, "mine", timeout=0):
            pass


def test_a_process_whose_user_has_no_name_shows_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setenv("USER", "ceo")
    assert current_user().startswith(f"uid-{os.getuid()}@")


def test_a_user_name_with_an_at_sign_is_kept_whole(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "current_user", lambda: "ann@corp.example@host")
    with locked(folder, "mine", timeout=0):
        note = Path(folder.holder).read_text()
    assert '"user":"ann@corp.example"' in note
    assert '"host":"host"' in note


def test_a_process_that_has_ended_is_not_named_as_the_holder(folder: StateFolder) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    folder.prepare()
    note = lock.Holder(run_id="run-1", user="ann", host=os.uname().nodename, pid=os.getpid(), since="2026")
    with FileLock(folder.lock):
        for gone in ({"pid": int(ended.stdout)}, {"started": 1}):
            folder.holder.write_bytes(msgspec.json.encode(msgspec.structs.replace(note, **gone)))
            assert lock.current_holder(folder) == lock.Held(holder=None)
        for here in ({}, {"host": "elsewhere", "pid": int(ended.stdout)}):
            held = msgspec.structs.replace(note, **here)
            folder.holder.write_bytes(msgspec.json.encode(held))
            assert lock.current_holder(folder) == lock.Held(holder=held)


@pytest.mark.parametrize("forged", [{"pid": -1}, {"pid": 0}, {"pid": 1}, {"run_id": "x; rm"}, {"run_id": "$(rm)"}])
def test_a_note_that_would_spoil_a_command_is_not_believed(folder: StateFolder, forged: dict[str, Any]) -> None:
    folder.prepare()
    note = {"run_id": "run-1", "user": "ann", "host": "elsewhere", "pid": 77, "since": "2026"}
    folder.holder.write_bytes(msgspec.json.encode({**note, **forged}))
    assert lock.read_holder(folder) is None
