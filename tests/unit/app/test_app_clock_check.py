"""A journal that a machine with a wrong clock has written is warned of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.app.state.read_state import warn_of_future
from runner.errors import ExitCode
from runner.journal.events import Draft, RunOptions, RunStarted
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.lib.timestamps import stamp
from tests.acceptance.contract.contract_project import Project
from tests.fakes.run_ids import run_id
from tests.fakes.run_origin import NO_MANIFEST, TOOL
from tests.fakes.two_port_service import TwoPortService


def warnings(ahead: timedelta) -> list[str]:
    told: list[str] = []
    warn_of_future(stamp(datetime.now(UTC) + ahead), told.append)
    return told


@pytest.mark.parametrize("ahead", [timedelta(days=-4000), timedelta(0), timedelta(seconds=59)])
def test_a_journal_of_the_past_or_of_a_clock_that_is_a_little_ahead_is_not_warned_of(ahead: timedelta) -> None:
    assert warnings(ahead) == []


@pytest.mark.parametrize("ahead", [timedelta(seconds=65), timedelta(days=4000)])
def test_a_journal_of_the_future_is_warned_of_with_both_times(ahead: timedelta) -> None:
    [text] = warnings(ahead)
    assert f"{datetime.now(UTC):%Y-%m-%dT%H:%M}" in text
    assert f"{datetime.now(UTC) + ahead:%Y-%m-%dT%H}" in text


def test_a_journal_without_events_is_not_warned_of() -> None:
    told: list[str] = []
    warn_of_future(None, told.append)
    assert told == []


def test_a_run_warns_of_it_also_where_it_ends_a_run_that_was_lost(tmp_path: Path) -> None:
    service = TwoPortService()
    try:
        project = Project(folder=tmp_path / "project", service=service)
        project.add("churn")
        started = RunStarted(
            tool=TOOL,
            actor="somebody",
            service="service.test",
            paths=(),
            manifest=NO_MANIFEST,
            options=RunOptions(command="run"),
        )
        store = open_store(StateFolder(project.state))
        at = stamp(datetime.now(UTC) + timedelta(days=3))
        store.append([Draft(at=at, run_id=run_id(1), model=None, fact=started)])
        store.close()
        ended = project.run()
    finally:
        service.close()
    assert ended.code == ExitCode.OK, ended.err
    assert "The journal's last event is of" in ended.err
