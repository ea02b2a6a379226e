"""The one runner of git, in real repositories of every layout; where git misbehaves, a program in its place."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.app.provenance import ApprovalProvenance
from runner.lib import git as git_module
from runner.lib.git import GitError, append_note, find_checkout, identity, ref_id, remote_url, top_level
from runner.lib.git_commits import stored
from tests.stress.hostile.repositories import approval, checkout, git, operator


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    with operator(tmp_path / "home"):
        yield tmp_path / "home"


def in_the_place_of_git(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program first on PATH."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_checkout_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    head = checkout(tmp_path / "x")
    found = find_checkout(tmp_path / "x" / "approvals")
    assert (found.top, found.git_dir, found.head) == (tmp_path / "x", tmp_path / "x" / ".git", head)
    assert found.object_format == "sha1"


def test_a_linked_worktree_has_its_own_head_and_the_objects_of_its_repository(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    git(tmp_path / "x", "worktree", "add", "-q", "-b", "other", str(tmp_path / "y"))
    git(tmp_path / "y", "commit", "-q", "--allow-empty", "-m", "more")
    found = find_checkout(tmp_path / "y")
    assert (found.top, found.common_dir) == (tmp_path / "y", tmp_path / "x" / ".git")
    assert found.head == git(tmp_path / "y", "rev-parse", "HEAD")
    with stored(found) as objects:
        assert not objects.differs(tmp_path / "y")
    assert ApprovalProvenance(tmp_path / "y").trace(approval(tmp_path / "y")).committed


def test_a_submodule_is_a_checkout_of_its_own(tmp_path: Path) -> None:
    checkout(tmp_path / "source")
    checkout(tmp_path / "x")
    git(tmp_path / "x", "submodule", "add", "-q", str(tmp_path / "source"), "part")
    found = find_checkout(tmp_path / "x" / "part" / "approvals")
    assert (found.top, found.git_dir) == (tmp_path / "x" / "part", tmp_path / "x" / ".git" / "modules" / "part")


def test_a_repository_of_sha256_ids_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    git(tmp_path / "x", "init", "-q", "--object-format=sha256")
    head = checkout(tmp_path / "x")
    told = ApprovalProvenance(tmp_path / "x").trace(approval(tmp_path / "x"))
    assert (told.commit, told.committed, len(head)) == (head, True, 64)


def test_packed_objects_and_those_of_an_alternate_are_read(tmp_path: Path) -> None:
    head = checkout(tmp_path / "x")
    git(tmp_path / "x", "gc", "-q")
    git(tmp_path, "clone", "-q", "--shared", str(tmp_path / "x"), "y")
    told = ApprovalProvenance(tmp_path / "y").trace(approval(tmp_path / "y"))
    assert (told.commit, told.committed) == (head, True)


def test_in_a_shallow_clone_nobody_is_made_the_author_of_what_came_before(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    git(tmp_path / "x", "commit", "-q", "--allow-empty", "-m", "later", who=("Ann", "ann@example.com"))
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path}/x", "y")
    told = ApprovalProvenance(tmp_path / "y").trace(approval(tmp_path / "y"))
    assert (told.committed, told.commit, told.author, told.signature) == (True, None, None, None)


def test_a_merge_names_the_commit_of_the_branch_that_brought_the_file(tmp_path: Path) -> None:
    place = tmp_path / "x"
    checkout(place)
    git(place, "checkout", "-q", "-b", "side")
    (place / "approvals" / "a.yaml").write_text("version: 1\n# side\n", encoding="utf-8")
    git(place, "commit", "-q", "-a", "-m", "side", who=("Ann", "ann@example.com"))
    side = git(place, "rev-parse", "HEAD")
    git(place, "checkout", "-q", "main")
    git(place, "commit", "-q", "--allow-empty", "-m", "main")
    git(place, "merge", "-q", "--no-ff", "-m", "merge", "side")
    told = ApprovalProvenance(place).trace(approval(place))
    assert (told.commit, told.author) == (side, "Ann <ann@example.com>")


def test_before_the_first_commit_there_is_no_head(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    found = find_checkout(tmp_path)
    assert (found.head, ref_id(found, "refs/notes/retrain"), remote_url(found)) == (None, None, None)


def test_a_changed_file_differs_only_below_its_folder(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    (tmp_path / "x" / "other").mkdir()
    (tmp_path / "x" / "approvals" / "a.yaml").write_text("other", encoding="utf-8")
    with stored(find_checkout(tmp_path / "x")) as objects:
        assert objects.differs(tmp_path / "x" / "approvals")
        assert not objects.differs(tmp_path / "x" / "other")


def test_a_split_index_and_a_file_system_without_modes_differ_from_nothing(tmp_path: Path) -> None:
    place = tmp_path / "x"
    checkout(place)
    git(place, "update-index", "--split-index")
    git(place, "config", "core.fileMode", "false")
    (place / "approvals" / "a.yaml").chmod(0o755)
    with stored(find_checkout(place)) as objects:
        assert not objects.differs(place)


def test_what_git_cannot_compare_differs(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    (tmp_path / "x" / ".git" / "index").write_bytes(b"no index at all, and long enough to be one")
    with stored(find_checkout(tmp_path / "x")) as objects:
        assert objects.differs(tmp_path / "x")


def test_a_bare_repository_is_not_a_checkout(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "x")
    assert top_level(tmp_path / "x") is None
    with pytest.raises(GitError, match="not a git repository"):
        find_checkout(tmp_path / "x")


@pytest.mark.parametrize("content", ["", "gitdir: nowhere\n", "gitdir: /\n"])
def test_a_broken_repository_does_not_make_git_look_further_up(tmp_path: Path, content: str) -> None:
    checkout(tmp_path / "x")
    (tmp_path / "x" / "approvals" / ".git").write_text(content, encoding="utf-8")
    with pytest.raises(GitError):
        find_checkout(tmp_path / "x" / "approvals")


def test_a_repository_that_says_its_files_are_elsewhere_is_refused(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    git(tmp_path / "x", "config", "core.worktree", str(tmp_path))
    with pytest.raises(GitError, match="elsewhere"):
        find_checkout(tmp_path / "x")


def test_a_refusal_for_another_owner_is_told_from_other_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout(tmp_path / "x")
    in_the_place_of_git(tmp_path, monkeypatch, "echo 'fatal: see safe.directory' >&2; exit 128")
    with pytest.raises(GitError) as caught:
        find_checkout(tmp_path / "x")
    assert caught.value.foreign


def test_without_git_there_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout(tmp_path / "x")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitError, match="could not be run"):
        find_checkout(tmp_path / "x")


@pytest.mark.parametrize(
    ("program", "bound", "value", "why"),
    [("sleep 60 & sleep 60", "_SECONDS", 0.2, "too long"), ("yes", "_LARGEST", 100_000, "larger than")],
)
def test_a_git_without_end_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, bound: str, value: float, why: str
) -> None:
    checkout(tmp_path / "x")
    in_the_place_of_git(tmp_path, monkeypatch, program)
    monkeypatch.setattr(git_module, bound, value)
    with pytest.raises(GitError, match=why):
        find_checkout(tmp_path / "x")


def test_a_note_is_appended_under_the_name_of_its_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = checkout(tmp_path / "x")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
    assert identity(tmp_path / "x") == "Ann <ann@example.com>"
    found = find_checkout(tmp_path / "x")
    for line in ("one", "two"):
        append_note(found, "retrain", head, line)
    assert git(tmp_path / "x", "notes", "--ref=retrain", "show").split() == ["one", "two"]
    assert git(tmp_path / "x", "log", "-1", "--format=%an", "refs/notes/retrain") == "Ann"


def test_where_nobody_set_a_name_there_is_no_identity(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    assert identity(tmp_path / "x") is None


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout(tmp_path / "x")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = sorted(path.name for path in (tmp_path / "x" / ".git").rglob("*"))
    ApprovalProvenance(tmp_path / "x").trace(approval(tmp_path / "x"))
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "x" / ".git").rglob("*")) == before
    shutil.rmtree(tmp_path / "x")
