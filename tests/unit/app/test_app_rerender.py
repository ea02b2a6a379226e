"""A report is looked at model by model, and is told the same as if it were looked at whole."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.app.audit.evidence import StateEvidence
from runner.app.audit.recompute import check_schemas
from runner.journal.chain import EventBuffer
from runner.journal.events import ReportWritten
from runner.journal.folder import StateFolder
from runner.journal.folder_store import FolderStore
from runner.journal.progress import RunRecord
from runner.lib.schemas import load_schema
from tests.unit.journal.journal_facts import RUN, run_started

WHOLE = json.dumps(load_schema("report")["examples"][0]).encode()


def found(folder: Path, content: bytes) -> list[str]:
    """Return what is said of a report's content."""
    state = StateFolder(folder)
    state.run_folder(RUN).mkdir(parents=True)
    (state.run_folder(RUN) / "report.json").write_bytes(content)
    report = ReportWritten(files={})
    run = RunRecord(run_id=RUN, began=1, started=run_started(), started_at=datetime.now(UTC), report=report)
    return [one.what for one in check_schemas(StateEvidence(FolderStore(state)), EventBuffer(), [run])]


def renamed(key: bytes, other: bytes) -> Callable[[bytes], bytes]:
    """Return a change of the report that replaces a piece of its text; the piece must be there."""

    def change(text: bytes) -> bytes:
        assert key in text
        return text.replace(key, other, 1)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (renamed(b"}", b"}"), []),
        (renamed(b'"models"', b'"modelle"'), ["it breaks the published schema at / ("]),
        (renamed(b'"models": [', b'"models": [7, '), ["it breaks the published schema at /models/0 (type)"]),
        (renamed(b'"models": [', b'"models": 7, "more": ['), ["it breaks the published schema at /"]),
        (renamed(b'"exit_code": ', b'"exit_code": -1'), ["it breaks the published schema at /exit_code (minimum)"]),
        (renamed(b'"models": [', b'"models": [[[['), ["is not JSON"]),
        (lambda text: text[:-9], ["is not JSON"]),
        (lambda _: b"[]", ["it breaks the published schema at / (type)"]),
        (lambda _: b"[" * 100_000, ["is not JSON"]),
        (lambda _: b'"\\ud800"', ["it breaks the published schema at / (type)"]),
        (lambda _: b"\xff", ["is not JSON"]),
    ],
)
def test_of_a_report_the_schema_is_told_to_be_broken_where_it_is(
    tmp_path: Path, change: Callable[[bytes], bytes], told: list[str]
) -> None:
    whats = found(tmp_path, change(WHOLE))
    assert len(whats) == len(told)
    assert all(what.startswith(part) for what, part in zip(whats, told, strict=True)), whats


def test_a_report_that_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.app.audit.recompute.LARGEST_REPORT", 2**20)
    assert found(tmp_path, WHOLE + b" " * 2**20) == ["is larger than 1 MiB, so it was not read"]
