"""Freeing a lock by its id; the holder it was taken from is fenced."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.session import Session, session
from runner.app.unlock import holder_of, unlock
from runner.errors import LockedError, StateError, UsageError
from runner.journal.events import RunFinished, RunStarted

NOW = timedelta(0)


def test_unlock_names_the_holder_and_lets_the_next_run_in(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with session(state, lock_timeout=NOW) as first:
        holder = holder_of(state)
        assert holder is not None
        assert holder.run_id == first.run_id
        with pytest.raises(LockedError, match=first.run_id), session(state, lock_timeout=NOW):
            pass
        assert unlock(state, first.run_id) == holder
        with session(state, lock_timeout=NOW) as second:
            held = holder_of(state)
            assert held is not None
            assert held.run_id == second.run_id
    assert holder_of(state) is None


def test_the_old_holder_neither_writes_nor_frees_the_new_ones_lock(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with session(state, lock_timeout=NOW) as first:
        unlock(state, first.run_id)
        with session(state, lock_timeout=NOW) as second:
            start_like_a_run(second)
            with pytest.raises(StateError, match="Another runner has written"):
                start_like_a_run(first)
            second_id = second.run_id
            assert holder_of(state) is not None
    assert second_id != first.run_id


def start_like_a_run(opened: Session) -> None:
    opened.recorder.run_fact(RunStarted(tool={}, actor="a", realm="r", paths=(), manifest={}, options={}))
    opened.recorder.run_fact(RunFinished(exit_code=0))


def test_unlock_of_a_run_that_does_not_hold_the_state_is_refused(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with pytest.raises(UsageError, match="nobody does"):
        unlock(state, "20260301T040506Z-1a2b3c")
    with session(state, lock_timeout=NOW), pytest.raises(UsageError, match="does not hold"):
        unlock(state, "another")
