"""Heads of a journal as git notes, in real repositories."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.app.git_notes import note_place, noted_heads, repository, write_note
from runner.errors import UsageError
from runner.journal.chain import Link
from tests.stress.hostile.repositories import checkout, git, operator
from tests.stress.hostile.states import made_state


@pytest.fixture(autouse=True)
def writer(tmp_path: Path) -> Iterator[None]:
    with operator(tmp_path / "home", EMAIL="ann@example.com", GIT_AUTHOR_NAME="Ann", GIT_COMMITTER_NAME="Ann"):
        yield


def events(tmp_path: Path, *commits: str | None) -> list[Link]:
    return made_state(tmp_path / "state", commits)


def test_a_head_is_noted_on_the_commit_of_the_last_runs_manifest_whatever_is_checked_out(tmp_path: Path) -> None:
    first = checkout(tmp_path / "x")
    git(tmp_path / "x", "commit", "-q", "--allow-empty", "-m", "later")
    links = events(tmp_path, first)
    found = repository(tmp_path / "x")
    assert [write_note(found, "retrain", links) for _ in range(2)] == [first, first]
    [noted] = noted_heads(found, "retrain", links[0].sha256)
    assert (noted.commit, noted.head.events, noted.head.sha256) == (first, 3, links[-1].sha256)


def test_where_the_run_recorded_no_commit_it_is_noted_on_the_one_checked_out(tmp_path: Path) -> None:
    head = checkout(tmp_path / "x")
    assert write_note(repository(tmp_path / "x"), "a/b", events(tmp_path, None)) == head
    assert git(tmp_path / "x", "notes", "--ref=a/b", "list").endswith(head)


def test_many_notes_are_filed_in_folders_and_still_found(tmp_path: Path) -> None:
    place, head = tmp_path / "x", checkout(tmp_path / "x")
    links = events(tmp_path, head)
    found = repository(place)
    write_note(found, "retrain", links)
    blob = git(place, "notes", "--ref=retrain", "list", head)
    tree = tmp_path / "tree"
    tree.write_text(f"100644 blob {blob}\t{head[2:]}\n", encoding="utf-8")
    inner = _made_tree(place, tree)
    tree.write_text(f"040000 tree {inner}\t{head[:2]}\n", encoding="utf-8")
    commit = git(place, "commit-tree", "-m", "x", _made_tree(place, tree))
    git(place, "update-ref", "refs/notes/retrain", commit)
    assert [one.commit for one in noted_heads(found, "retrain", links[0].sha256)] == [head]


def _made_tree(place: Path, entries: Path) -> str:
    git(place, "read-tree", "--empty")
    for line in entries.read_text(encoding="utf-8").splitlines():
        words, _, name = line.partition("\t")
        mode, kind, name_of = words.split()
        if kind == "tree":
            git(place, "read-tree", f"--prefix={name}/", name_of)
        else:
            git(place, "update-index", "--add", "--cacheinfo", f"{mode},{name_of},{name}")
    return git(place, "write-tree")


def test_a_repository_without_that_commit_gets_no_note(tmp_path: Path) -> None:
    checkout(tmp_path / "x")
    with pytest.raises(UsageError, match="does not have ffffffffffff"):
        write_note(repository(tmp_path / "x"), "retrain", events(tmp_path, "f" * 40))
    assert "notes" not in git(tmp_path / "x", "for-each-ref")


def test_a_repository_without_a_commit_gets_no_note(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "x")
    with pytest.raises(UsageError, match="has no commit yet"):
        write_note(repository(tmp_path / "x"), "retrain", events(tmp_path, None))


def test_notes_of_other_journals_and_other_lines_are_passed_over(tmp_path: Path) -> None:
    place, head = tmp_path / "x", checkout(tmp_path / "x")
    git(place, "notes", "--ref=retrain", "add", "-m", f"seen by Ann\nretrain-journal {'0' * 64} 3 {'1' * 64}", head)
    assert noted_heads(repository(place), "retrain", "2" * 64) == []


@pytest.mark.parametrize("name", ["", "-x", "a b", "../x", "x/", "refs/heads/x^", "x\n"])
def test_what_is_not_a_name_for_notes_is_refused(tmp_path: Path, name: str) -> None:
    checkout(tmp_path / "x")
    with pytest.raises(UsageError, match="is not a name for git notes"):
        note_place(repository(tmp_path / "x"), name)


def test_where_another_user_owns_the_repository_the_hint_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout(tmp_path / "x y")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'fatal: see safe.directory' >&2; exit 128\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(UsageError, match="another user owns") as caught:
        repository(tmp_path / "x y")
    assert caught.value.hint.endswith(f"safe.directory '{tmp_path}/x y'")
