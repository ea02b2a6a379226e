"""What no run put into a state folder is found, whatever it is and wherever it is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.app.audit.verify import verify
from runner.journal.folder import StateFolder
from tests.stress.hostile.states import made_state

Put = Callable[[Path], object]
KINDS: dict[str, tuple[Put, str]] = {
    "file": (Path.touch, "never recorded"),
    "link": (lambda path: path.symlink_to("/etc"), "is a link"),
    "pipe": (os.mkfifo, "special file"),
    "folder": (Path.mkdir, "never recorded"),
}
PLACES = (".", "runs", "runs/20260301T000000Z-abcdef")


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    made_state(folder.root, [None])
    assert found(folder) == []
    return folder


def found(state: StateFolder) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in verify(str(state.root), None).findings]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_hidden_names_links_and_special_files_are_found(state: StateFolder, place: str, kind: str) -> None:
    put, what = KINDS[kind]
    path = state.root / place / ".hidden"
    put(path)
    assert [one for one in found(state) if one[0] == str(path) and what in one[1]]


def test_other_names_are_found_in_the_state_and_in_the_spool(state: StateFolder) -> None:
    (state.root / "notes").touch()
    (state.spool / "mine").mkdir(parents=True)
    (state.spool / "20260301T000000Z-abcdef" / "upload-abcdefgh").mkdir(parents=True)
    assert [where for where, _ in found(state)] == [str(state.root / "notes"), str(state.spool / "mine")]


def test_a_second_name_and_files_that_others_may_write_are_found(state: StateFolder, tmp_path: Path) -> None:
    report = state.root / PLACES[-1] / "report.md"
    os.link(report, tmp_path / "second")
    assert ["second name" in what for where, what in found(state) if where == str(report)] == [True]
    (tmp_path / "second").unlink()
    report.chmod(0o620)
    assert ["may be written" in what for where, what in found(state) if where == str(report)] == [True]


def test_what_killed_writers_left_and_what_others_may_read_are_notes(state: StateFolder) -> None:
    left = state.root / PLACES[-1] / ".report.json.abcd1234"
    left.touch()
    (state.root / PLACES[-1] / "report.md").chmod(0o644)
    seen = verify(str(state.root), None)
    assert seen.findings == ()
    assert any(note.where == str(left) for note in seen.notes)
    assert any("may be read" in note.what for note in seen.notes)
