"""What git says of a word's file, in real repositories, also those that would like to run something."""

import os
import subprocess
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from runner.app.provenance import ApprovalProvenance
from runner.journal.events import ApprovalSource
from runner.manifest.model import Approval, Place

TEXT = "version: 1\n"


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """Run git as its user would, with nothing of this machine's settings."""
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.com",
            "GIT_COMMITTER_NAME": "Bob",
            "GIT_COMMITTER_EMAIL": "bob@example.com",
            **environment,
        },
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    git(tmp_path, "init", "-q")
    (tmp_path / "approvals").mkdir()
    (tmp_path / "approvals" / "a.yaml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def commit(folder: Path) -> str:
    git(folder, "add", "approvals")
    git(folder, "commit", "-q", "-m", "a word", "--no-gpg-sign")
    return git(folder, "rev-parse", "HEAD")


def word(folder: Path) -> Approval:
    """Return the word in the file as it is now."""
    path = folder / "approvals" / "a.yaml"
    return Approval(
        model="m",
        retrain_job_id="j",
        result_sha256="0" * 64,
        candidate_sha256=None,
        action="approve",
        approver="ann",
        reason="",
        expires=datetime(2026, 3, 1, tzinfo=UTC),
        file="approvals/a.yaml",
        sha256=sha256(path.read_bytes()).hexdigest(),
        place=Place(file=str(path), line=1, column=1),
    )


def trace(folder: Path) -> ApprovalSource:
    """Return where the word in the folder's file comes from, for a manifest in that folder."""
    return ApprovalProvenance(folder).trace(word(folder))


def test_a_committed_word_names_its_commit_author_and_missing_signature(checkout: Path) -> None:
    head = commit(checkout)
    found = trace(checkout)
    assert (found.commit, found.author, found.signature, found.committed) == (
        head,
        "Ann <ann@example.com>",
        "none",
        True,
    )


def test_the_commit_is_the_one_that_brought_the_file_not_the_newest(checkout: Path) -> None:
    first = commit(checkout)
    (checkout / "approvals" / "other.yaml").write_text(TEXT, encoding="utf-8")
    commit(checkout)
    assert trace(checkout).commit == first


def test_a_word_changed_after_its_commit_is_told_even_when_the_index_hides_it(checkout: Path) -> None:
    commit(checkout)
    git(checkout, "update-index", "--assume-unchanged", "approvals/a.yaml")
    (checkout / "approvals" / "a.yaml").write_text("version: 1\n# other\n", encoding="utf-8")
    assert trace(checkout).committed is False


def test_a_word_that_was_never_committed_has_no_commit(checkout: Path) -> None:
    (checkout / "README").write_text("x", encoding="utf-8")
    git(checkout, "add", "README")
    git(checkout, "commit", "-q", "-m", "x", "--no-gpg-sign")
    found = trace(checkout)
    assert (found.commit, found.author, found.signature, found.committed) == (None, None, None, False)


@pytest.mark.parametrize("path", ["", "/nonexistent"])
def test_without_a_checkout_or_without_git_the_file_itself_is_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "approvals").mkdir()
    (tmp_path / "approvals" / "a.yaml").write_text(TEXT, encoding="utf-8")
    if path:
        monkeypatch.setenv("PATH", path)
    found = trace(tmp_path)
    assert (found.file, found.commit, found.committed) == ("approvals/a.yaml", None, False)


@pytest.mark.parametrize(
    "said",
    [
        "fatal: detected dubious ownership in repository at '/x'",
        "fatal: unsafe repository ('/x' is owned by someone else)",
    ],
)
def test_where_git_refuses_the_checkout_of_another_user_the_commit_is_unknown(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    commit(checkout)
    stub = tmp_path_factory.mktemp("bin") / "git"
    advice = "To add an exception for this directory, call:\n\n\tgit config --global --add safe.directory /x"
    stub.write_text(f'#!/bin/sh\ncat >&2 <<"END"\n{said}\n{advice}\nEND\nexit 128\n', encoding="utf-8")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
    found = trace(checkout)
    assert (found.committed, found.commit, found.author, found.signature) == (None, None, None, None)


def test_nothing_that_a_repository_configures_is_run(checkout: Path) -> None:
    trap = checkout / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {checkout}/sprung\nexit 0\n", encoding="utf-8")
    trap.chmod(0o755)
    commit(checkout)
    (checkout / "approvals" / "a.yaml").write_text("version: 1\n# signed\n", encoding="utf-8")
    git(checkout, "add", "approvals")
    git(checkout, "commit", "-q", "-m", "x", "--no-gpg-sign")
    forged = git(checkout, "cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1
    )
    (checkout / "forged").write_text(forged + "\n", encoding="utf-8")
    head = git(checkout, "hash-object", "-t", "commit", "-w", "forged")
    git(checkout, "update-ref", "HEAD", head)
    for name in (
        "gpg.program",
        "gpg.openpgp.program",
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "core.sshCommand",
    ):
        git(checkout, "config", name, str(trap))
    git(checkout, "config", "log.showSignature", "true")
    git(checkout, "config", "core.hooksPath", str(checkout))
    (checkout / ".gitattributes").write_text("* diff=trap filter=trap\n", encoding="utf-8")
    git(checkout, "config", "diff.trap.textconv", str(trap))
    git(checkout, "config", "filter.trap.smudge", str(trap))
    git(checkout, "log", "-1", "--format=%G?", "HEAD")
    assert (checkout / "sprung").exists(), "the trap works for those who ask git without care"
    (checkout / "sprung").unlink()
    found = trace(checkout)
    assert (found.commit, found.signature) == (head, "unknown")
    assert not (checkout / "sprung").exists()


def test_a_git_environment_of_the_caller_does_not_lead_elsewhere(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = commit(checkout)
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert trace(checkout).commit == head
