"""The journal of a small fleet over a year, in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.journal.folder import StateFolder
from tests.unit.reports.report_history import MemoryJournal, Recording
from tests.unit.site.fleet_history import FleetRecording, record_year

PAGE = b"the report of a run"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetRecording:
    """Return a fleet without a run yet."""
    return FleetRecording(record=Recording(store=MemoryJournal(), folder=StateFolder(tmp_path / "state")))


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return eleven models over ten runs and a rollback of two of them; tests only read it."""
    record = Recording(store=MemoryJournal(), folder=StateFolder(tmp_path_factory.mktemp("year")))
    record_year(FleetRecording(record=record), [f"model-{number:02}" for number in range(11)], 10, page=PAGE)
    return record


@pytest.fixture
def one_run(fleet: FleetRecording) -> Callable[[str], FleetRecording]:
    """Return a maker of a fleet whose one model, of that name, was switched once."""

    def make(name: str) -> FleetRecording:
        fleet.begin()
        fleet.train(name, "0.91")
        fleet.end(page=PAGE)
        return fleet

    return make
