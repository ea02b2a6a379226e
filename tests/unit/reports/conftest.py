"""Fresh journals, and one with a model of every kind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.journal.folder import StateFolder
from runner.journal.store import Store, open_store
from tests.unit.reports.report_history import Recording, record_everything


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Callable[[], Recording]]:
    """Return a maker of fresh journals."""
    made: list[Store] = []

    def make() -> Recording:
        folder = StateFolder(tmp_path / f"state{len(made)}")
        made.append(open_store(folder))
        return Recording(store=made[-1], folder=folder)

    yield make
    for store in made:
        store.close()


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    """Return the journal of one run with a model of every kind; tests only read it."""
    folder = StateFolder(tmp_path_factory.mktemp("everything") / "state")
    store = open_store(folder)
    made = Recording(store=store, folder=folder)
    record_everything(made)
    yield made
    store.close()
