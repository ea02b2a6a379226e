"""The statement about a run, and the readings of a journal behind an audit."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.audit.statement import by_run, recorded, statement
from runner.errors import StateError
from runner.journal.chain import Link, read_lines
from runner.journal.events import ReportWritten
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.lib.atomic_files import write_new
from runner.lib.schemas import event_violation, load_schema, report_violation
from runner.reports.formats.render import render_files
from runner.reports.run_history import ended_histories, read_history
from tests.unit.journal.journal_facts import FACTS
from tests.unit.reports.report_history import RUN, Recording, record_everything, record_held, record_switched

LATER = "20260302T040506Z-1a2b3c"


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Link]]:
    """Return a journal of two runs, each with its report recorded."""
    folder = StateFolder(tmp_path_factory.mktemp("statement") / "state")
    store = open_store(folder)
    recording = Recording(store=store, folder=folder)
    record_everything(recording)
    recording(None, ReportWritten(files={"report.json": "ab" * 32}))
    recording.run_id = LATER
    recording.start()
    record_switched(recording, "again")
    record_held(recording, "sales")
    recording.end(4)
    recording(None, ReportWritten(files={"report.json": "cd" * 32}))
    yield list(store.read())
    store.close()


def lines(links: list[Link]) -> bytes:
    return b"".join(link.body + b"\n" for link in links)


def test_a_statement_has_the_form_of_in_toto_and_names_every_file_once(links: list[Link]) -> None:
    value = json.loads(statement(by_run(links)[LATER], LATER))
    assert set(value) == {"_type", "subject", "predicateType", "predicate"}
    names = [(one["name"], one["digest"]["sha256"]) for one in value["subject"]]
    assert names == sorted(set(names))
    assert (f"runs/{LATER}/report.json", "cd" * 32) in names
    assert {name.partition(":")[0] for name, _ in names} >= {"manifest", "dataset", "result"}


def test_a_statement_speaks_of_its_own_run_and_of_the_journal_up_to_its_report(links: list[Link]) -> None:
    early, late = (json.loads(statement(by_run(links)[run], run))["predicate"] for run in (RUN, LATER))
    assert (early["run_id"], late["run_id"]) == (RUN, LATER)
    assert late["journal"] == {"events": len(links), "head_sha256": links[-1].sha256}
    assert links[early["journal"]["events"] - 1].sha256 == early["journal"]["head_sha256"]
    assert [decision["model"] for decision in late["decisions"]] == ["again", "sales"]
    assert [decision["action"] for decision in late["decisions"]] == ["switch", "hold"]


def test_a_statement_does_not_depend_on_what_came_later(links: list[Link]) -> None:
    end = recorded(by_run(links)[RUN])
    assert end is not None
    assert statement(by_run(links)[RUN], RUN) == statement(by_run(links[: end.event.seq])[RUN], RUN)


def test_a_run_without_a_recorded_report_has_no_statement(links: list[Link]) -> None:
    own = by_run(links[:-1])[LATER]
    assert recorded(own) is None
    with pytest.raises(LookupError):
        statement(own, LATER)


def test_a_journal_written_as_lines_is_read_back(links: list[Link]) -> None:
    assert list(read_lines(io.BytesIO(lines(links)))) == links


def test_a_changed_cut_or_repeated_line_is_named(links: list[Link]) -> None:
    content = lines(links)
    rows = content.splitlines(keepends=True)
    damaged = (
        (content[:-1], len(rows)),
        (b"".join(rows[:3] + rows[4:]), 4),
        (b"".join(rows[:3] + rows[2:]), 4),
        (content.replace(b"root@ci", b"root@ic", 1), 2),
        (b"junk\n" + content, 1),
    )
    for text, seq in damaged:
        with pytest.raises(StateError, match=f"at event {seq}:"):
            list(read_lines(io.BytesIO(text)))


def test_runs_read_in_one_go_render_as_when_each_is_read_alone(links: list[Link]) -> None:
    seen = {history.run_id: render_files(history) for history in ended_histories(links, {RUN, LATER})}
    assert seen == {run: render_files(read_history(links, run)) for run in (RUN, LATER)}


def test_every_recorded_event_keeps_to_the_published_schema(links: list[Link]) -> None:
    assert [event_violation(json.loads(link.body)) for link in links] == [None] * len(links)


def test_an_event_that_breaks_its_schema_is_told_by_place_and_never_by_value() -> None:
    for kind in FACTS:
        event = {**load_schema("journal")["examples"][0], "fact": {"kind": kind, "secret": "CANARY"}}
        told = event_violation(event)
        assert told is not None
        assert "/fact" in told
        assert "CANARY" not in told
    others: list[object] = [{}, [], {"fact": {"kind": []}}, {"fact": {"kind": "nothing"}}]
    for other in others:
        assert event_violation(other) is not None


def test_a_report_that_breaks_its_schema_is_told_by_place(links: list[Link]) -> None:
    report = json.loads(render_files(read_history(links, LATER))["report.json"])
    assert report_violation(report) is None
    report["models"][0]["name"] = ["CANARY"]
    assert report_violation(report) == "it breaks the published schema at /models/0/name (type)"


def test_a_file_is_made_new_or_not_at_all(tmp_path: Path) -> None:
    write_new(tmp_path / "new", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "new", b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("new", b"first")]
