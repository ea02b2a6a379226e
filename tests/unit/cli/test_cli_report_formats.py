"""A format of reports is one function and one entry of the registry: the command takes any."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.commands.report import report_command
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.reports.formats.registry import FORMATS, of_report
from runner.reports.model import Report
from tests.unit.reports.report_history import RUN, Recording, record_held


def render_names(report: Report) -> bytes:
    """Render the names of a run's models, a line each, with what happened to them."""
    return "".join(f"{model.name}: {model.outcome}\n" for model in report.models).encode()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = StateFolder(tmp_path / "state")
    store = open_store(folder)
    record = Recording(store=store, folder=folder)
    record.start()
    record_held(record, "churn")
    record.end(4)
    store.close()
    return folder.root


def test_a_second_format_is_one_function_and_one_entry(state: Path, tmp_path: Path) -> None:
    command, out = report_command({**FORMATS, "names": of_report(render_names)}), tmp_path / "names.txt"
    done = CliRunner().invoke(command, [RUN, "--format", "names", "--state", str(state), "--out", str(out)])
    assert (done.exit_code, done.output) == (0, "")
    assert out.read_bytes() == b"churn: held\n"


def test_the_command_offers_the_formats_of_its_registry_and_no_others(state: Path) -> None:
    command = report_command({"names": of_report(render_names)})
    refused = CliRunner().invoke(command, ["--format", "html", "--state", str(state)])
    assert refused.exit_code != 0
    assert "'names'" in refused.output
