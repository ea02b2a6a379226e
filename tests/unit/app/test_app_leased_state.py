"""Under a lease, a run without an end is closed as lost only when its lease is old."""

import errno
from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.state import open_state
from runner.app.state.session import session
from runner.errors import LockedError, StateError
from runner.journal.events import Draft, RunFinished, RunStarted, StateMoved
from tests.fakes.memory_state import MemoryBlobs, MemoryState
from tests.unit.journal.journal_facts import AT, RUN, run_started

NOBODY = timedelta(0)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryState:
    made = MemoryState(tmp_path / "work")
    monkeypatch.setitem(open_state.STORES, "memory", lambda _: made)
    log = made.open_log()
    log.append([Draft(at=AT, run_id=RUN, model=None, fact=run_started())])
    return made


def test_a_run_whose_lease_is_young_is_not_closed_as_lost(state: MemoryState) -> None:
    state.alive.add(RUN)
    with pytest.raises(LockedError, match=f"Run {RUN} has not ended"), session(state.address, lock_timeout=NOBODY):
        pass
    assert len(state.events.links) == 1


def test_a_run_whose_lease_is_old_is_closed_as_lost(state: MemoryState) -> None:
    with session(state.address, lock_timeout=NOBODY):
        pass
    assert state.events.links[1].event.fact == RunFinished(exit_code=5, stopped="lost")


def test_a_report_that_cannot_be_stored_is_not_recorded(state: MemoryState, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(MemoryBlobs, "put", full)
    with pytest.raises(StateError, match="could not be written"), session(state.address, lock_timeout=NOBODY):
        pass
    assert [type(link.event.fact) for link in state.events.links] == [RunStarted, RunFinished]


def test_nothing_more_is_written_to_a_state_that_has_moved(state: MemoryState) -> None:
    with session(state.address, lock_timeout=NOBODY) as opened:
        moved = StateMoved(to="s3://bucket/prod?region=x", by="ann@desk")
        opened.recorder.append([Draft(at=AT, run_id=opened.run_id, model=None, fact=moved)])
    before = len(state.events.links)
    refused = pytest.raises(StateError, match="has moved to s3://bucket/prod")
    with refused as caught, session(state.address, lock_timeout=NOBODY):
        pass
    assert "--state 's3://bucket/prod?region=x'" in caught.value.hint
    assert len(state.events.links) == before
