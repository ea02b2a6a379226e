"""A state that somebody else may have written is refused with what to do about it; the operator may accept it."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from runner.app.state.open_state import require_trusted
from runner.errors import StateError
from runner.journal.folder import StateFolder
from runner.journal.store import open_store


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "project" / ".retrain")
    open_store(folder).close()
    folder.lock.touch(mode=0o600)
    return folder


def refusal(state: StateFolder) -> str:
    with pytest.raises(StateError) as caught:
        require_trusted(str(state.root), accepted=False)
    assert "--trust-state" in caught.value.hint
    require_trusted(str(state.root), accepted=True)
    return str(caught.value)


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_a_state_of_one_s_own_and_none_at_all_are_used(state: StateFolder, tmp_path: Path) -> None:
    assert is_used(state.root)
    assert is_used(tmp_path / "none")


@pytest.mark.parametrize("place", ["root", "journal", "lock"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_may_write_is_refused(state: StateFolder, place: str, mode: int) -> None:
    path: Path = getattr(state, place)
    path.chmod(path.stat().st_mode | mode)
    assert f"Others may write {path}" in refusal(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("place", ["root", "journal", "lock"])
def test_what_another_user_owns_is_refused_and_chown_is_the_way_out(state: StateFolder, place: str) -> None:
    path: Path = getattr(state, place)
    os.chown(path, 4711, -1)
    told = refusal(state)
    assert f"{path} belongs to uid 4711" in told
    assert f"chown -R {os.geteuid()} {state.root}" in told


@pytest.mark.parametrize("names", [[".retrain"], [".retrain/journal.sqlite3"], [".retrain/lock"]])
def test_a_state_that_git_tracks_is_refused(
    state: StateFolder, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(state.root.parent, "init", "-q")
    require_trusted(str(state.root), accepted=False)  # untracked, though in a checkout
    git(state.root.parent, "add", "-f", *names)
    with pytest.raises(StateError, match="Git tracks files") as caught:
        require_trusted(str(state.root), accepted=False)
    require_trusted(str(state.root), accepted=True)
    monkeypatch.chdir("/")
    [command] = [part for part in caught.value.hint.split("`") if part.startswith("git -C ")]
    subprocess.run(shlex.split(command), check=True, capture_output=True)  # from whatever folder
    require_trusted(str(state.root), accepted=False)


def is_used(root: Path) -> bool:
    """Return whether a state is taken without the flag."""
    try:
        require_trusted(str(root), accepted=False)
    except StateError:
        return False
    return True


def test_files_beside_the_state_are_git_s(state: StateFolder) -> None:
    (state.root.parent / "models.yaml").touch()
    git(state.root.parent, "init", "-q")
    git(state.root.parent, "add", "models.yaml")
    assert is_used(state.root)
    git(state.root.parent, "add", "-f", ".retrain")
    assert not is_used(state.root)


def test_a_link_to_a_state_is_refused_with_the_folder_s_own_name(state: StateFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(state.root)
    assert f"--state {state.root.resolve()}" in refusal(StateFolder(tmp_path / "link"))


def test_a_damaged_repository_around_the_state_does_not_stand_in_the_way(state: StateFolder) -> None:
    (state.root.parent / ".git").write_text("gitdir: nowhere", encoding="utf-8")
    assert is_used(state.root)
