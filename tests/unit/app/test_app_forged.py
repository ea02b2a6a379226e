"""Journals whose chain is whole and whose events are in an order that no run writes."""

import gc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.app.audit.verify import verify
from runner.app.queries.history import HistoryRequest, history
from runner.app.queries.status import status
from runner.errors import RetrainError, StateError
from runner.journal.events import Draft, Event, JobCreated, RunStarted
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from tests.fakes.world import ONE_MODEL, World

FORGERIES = 12


@pytest.fixture
def events(tmp_path: Path) -> list[Event]:
    """Return the events of a model that was switched to, held back, and switched to again."""
    world = World(tmp_path, ONE_MODEL)
    world.run()
    for value, auc in (("2", "0.1"), ("3", "0.95")):
        world.write_data(value)
        world.service.metrics = {"AUC": auc}
        world.run()
    store = open_store(world.state)
    found = [link.event for link in store.read()]
    store.close()
    return found


def forged(folder: Path, events: list[Event]) -> str:
    """Write the events into a journal of their own, well chained; return its state."""
    state = StateFolder(folder)
    store = open_store(state)
    list(store.read())
    store.append([Draft(at=event.at, run_id=event.run_id, model=event.model, fact=event.fact) for event in events])
    store.close()
    return str(state.root)


def told(state: str) -> Iterator[RetrainError]:
    """Read the journal in every way, and yield our own errors; any other escapes, as does what the collector finds."""
    for read in (lambda: verify(state, None), lambda: history(HistoryRequest(state=state)), lambda: status(state)):
        try:
            read()
        except RetrainError as error:
            yield error
    gc.collect()  # a reading that was left open would be told as an exception that was ignored


def test_any_order_of_events_ends_in_an_answer_or_an_error_of_the_state(tmp_path: Path, events: list[Event]) -> None:
    rng = random.Random(1)  # noqa: S311 -- forgeries that repeat
    for number in range(FORGERIES):
        some = [event for event in events if rng.random() > 0.1]
        for _ in range(rng.randrange(4)):
            some.insert(rng.randrange(len(some)), some.pop(rng.randrange(len(some))))
        assert {type(one) for one in told(forged(tmp_path / str(number), some))} <= {StateError}


@pytest.mark.parametrize("kind", [RunStarted, JobCreated])
def test_an_event_whose_beginning_is_missing_is_named(tmp_path: Path, events: list[Event], kind: type) -> None:
    state = forged(tmp_path / "forged", [event for event in events if not isinstance(event.fact, kind)])
    errors = list(told(state))
    assert [type(error) for error in errors] == [StateError] * 3
    assert all("does not fit to the events before it" in error.message for error in errors)
