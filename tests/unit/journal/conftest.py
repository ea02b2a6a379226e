"""A fresh state folder, and journals opened in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.journal.folder import StateFolder
from runner.journal.store import Store, open_store


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


@pytest.fixture
def opened(folder: StateFolder) -> Iterator[Callable[[], Store]]:
    """Return a function that opens the folder's journal for writing, has it read, and closes it after the test."""
    stores: list[Store] = []

    def open_and_read() -> Store:
        stores.append(open_store(folder))
        for _ in stores[-1].read():
            pass
        return stores[-1]

    yield open_and_read
    for store in stores:
        store.close()
