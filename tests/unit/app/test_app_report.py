"""Which run `report` renders, and where it writes; where `validate` says a problem is."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from runner.app.queries.report import report, write_report
from runner.app.validate import validate
from runner.errors import RetrainError, UsageError
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.reports.formats.registry import FORMATS
from runner.reports.problems import github_commands, gitlab_report, problems_json, sarif_log
from tests.unit.reports.report_history import Recording, record_held

FIRST, SECOND, THIRD = (f"2026030{day}T040506Z-1a2b3c" for day in (1, 2, 3))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state with two runs that ended and a third that did not."""
    folder = StateFolder(tmp_path / "state")
    store = open_store(folder)
    for run_id in (FIRST, SECOND, THIRD):
        record = Recording(store=store, folder=folder, run_id=run_id)
        record.start()
        if run_id != THIRD:
            record_held(record, f"model{run_id[7]}")
            record.end(4)
    store.close()
    return folder.root


@pytest.mark.parametrize("chosen", [None, "latest"])
def test_the_latest_run_is_the_newest_that_ended_and_the_one_after_is_named(state: Path, chosen: str | None) -> None:
    rendered = report(str(state), chosen, FORMATS["json"])
    assert json.loads(rendered.content)["run_id"] == rendered.run_id == SECOND
    assert rendered.without_end == THIRD


def test_an_earlier_run_is_rendered_as_it_ended(state: Path) -> None:
    rendered = report(str(state), FIRST, FORMATS["json"])
    content = json.loads(rendered.content)
    assert [model["name"] for model in content["models"]] == ["model1"]
    assert rendered.without_end is None


def test_a_run_that_has_not_ended_is_refused_with_what_comes_next(state: Path) -> None:
    with pytest.raises(UsageError, match=f"Run {THIRD} has not ended") as caught:
        report(str(state), THIRD, FORMATS["json"])
    assert "the next run ends it" in caught.value.hint


def test_a_journal_without_a_run_has_no_latest(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    open_store(folder).close()
    with pytest.raises(UsageError, match="No run of this state has ended"):
        report(str(folder.root), None, FORMATS["html"])


def test_writing_goes_through_a_link_and_leaves_it(tmp_path: Path) -> None:
    (tmp_path / "real.xml").write_text("before", encoding="utf-8")
    (tmp_path / "link.xml").symlink_to("real.xml")
    write_report(tmp_path / "link.xml", b"after")
    assert (tmp_path / "link.xml").is_symlink()
    assert (tmp_path / "real.xml").read_bytes() == b"after"


def test_a_new_report_is_for_its_owner_alone_in_the_state_and_as_the_umask_says_elsewhere(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        (tmp_path / "state").mkdir()
        (tmp_path / "link").symlink_to("state")
        write_report(tmp_path / "link" / "report.md", b"x", state=str(tmp_path / "state"))
        write_report(tmp_path / "report.md", b"x", state=str(tmp_path / "state"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "state" / "report.md").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "report.md").stat().st_mode) == 0o644


def test_writing_to_a_pipe_keeps_the_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_report(pipe, b"content")
    reader.join(10)
    assert got == [b"content"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", [".", "missing/file", "a\0b"])
def test_a_place_that_cannot_be_written_is_one_sentence_and_a_hint(tmp_path: Path, name: str) -> None:
    with pytest.raises(RetrainError, match="cannot be written: ") as caught:
        write_report(tmp_path / name, b"x")
    assert caught.value.exit_code == 1
    assert caught.value.hint.endswith(".")


def places(*given: str) -> list[str]:
    return [problem.file for problem in validate([Path(path) for path in given]).problems]


def test_a_place_below_the_working_directory_is_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "in", tmp_path / "in" / "deep"):
        (folder / "m.yaml").write_text("version: 2\n", encoding="utf-8")
    (tmp_path / "in" / "link.yaml").symlink_to(tmp_path / "m.yaml")
    monkeypatch.chdir(tmp_path / "in")
    assert set(places("m.yaml")) == {"m.yaml"}
    assert set(places(str(tmp_path / "in" / "m.yaml"))) == {"m.yaml"}
    assert set(places("./deep/../deep/m.yaml")) == {"deep/m.yaml"}
    assert set(places(str(tmp_path / "in" / "link.yaml"))) == {"link.yaml"}
    assert set(places("../m.yaml")) == {"../m.yaml"}
    assert set(places(str(tmp_path / "m.yaml"))) == {str(tmp_path / "m.yaml")}


def test_both_places_of_a_name_defined_twice_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("policies: {p: {type: auto}}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    [twice] = [problem for problem in validate([tmp_path]).problems if problem.code == "duplicate-name"]
    assert (twice.file, [one.file for one in twice.related]) == ("b.yaml", ["a.yaml"])


def test_a_file_name_that_is_not_utf8_and_a_command_is_harmless_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = b"m\xff\n::error::x\n.yaml"
    Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(b"version: 2\n")
    monkeypatch.chdir(tmp_path)
    found = validate([Path()])
    assert found.problems
    for content in (
        problems_json(found.problems, valid=found.valid),
        gitlab_report(found.problems),
        sarif_log(found.problems, version="1"),
    ):
        json.loads(content.decode("utf-8", errors="strict"))
        assert b"\n::error" not in content
    for line in github_commands(found.problems):
        assert line.isprintable()
        assert line.startswith("::error file=m\\udcff")
