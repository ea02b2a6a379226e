"""Approvals that are files in git: made by the command, read by the run. The judge is the service's log."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.acceptance.contract.contract_project import Project, rows


@pytest.fixture
def waiting(project: Project) -> Project:
    """Return a project in git whose only model waits for approval."""
    project.manifest["approvals"] = "approvals/"
    project.add("churn", policy={"type": "manual"})
    project.run()
    assert project.outcomes() == {"churn": "awaiting_approval"}
    git(project, "init", "-q")
    return project


def git(project: Project, *arguments: str) -> str:
    """Run git as Ann."""
    settings = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *settings, *arguments],
        cwd=project.folder,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(project.folder / "home"), "GIT_CONFIG_NOSYSTEM": "1"},
    ).stdout.strip()


def written(project: Project, *options: str) -> Path:
    """Let the command write an approval, and return the file."""
    finished = project.retrain("approve", "churn", "--write", "--reason", "seen by the team", *options)
    assert finished.code == 0, finished.err
    return project.folder / finished.out.splitlines()[0]


def change(path: Path, **values: object) -> None:
    """Change keys of a written approval."""
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text("utf-8")), **values}), encoding="utf-8")


def test_a_committed_approval_switches_once_and_its_author_is_recorded(waiting: Project) -> None:
    path = written(waiting)
    git(waiting, "add", "approvals")
    git(waiting, "commit", "-q", "-m", "approve")
    assert waiting.service.calls(name="switch") == []
    assert waiting.run().code == 0
    approval = waiting.entry("churn")["decision"]["approval"]
    assert (approval["action"], approval["reason"]) == ("approve", "seen by the team")
    assert approval["source"]["file"] == f"approvals/{path.name}"
    assert approval["source"]["author"] == "Ann <ann@example.com>"
    assert approval["source"]["commit"] == git(waiting, "rev-parse", "HEAD")
    assert (approval["source"]["committed"], approval["source"]["signature"]) == (True, "none")
    assert waiting.run().code == 0
    assert waiting.outcomes() == {"churn": "unchanged"}
    assert len(waiting.service.switches("churn")) == 1
    assert waiting.retrain("verify").code == 0


def test_the_author_of_the_commit_comes_before_the_name_in_the_file(waiting: Project) -> None:
    change(written(waiting), approver="ceo@example.com")
    git(waiting, "add", "approvals")
    git(waiting, "commit", "-q", "-m", "approve")
    told = waiting.retrain("plan", "models.yaml").out
    assert "was approved by Ann <ann@example.com> (unsigned) in approvals/" in told
    assert "which names ceo@example.com" in told
    ran = waiting.run()
    entry = waiting.entry("churn")
    assert entry["decision"]["approval"]["by"] == "Ann <ann@example.com> (unsigned)"
    assert entry["decision"]["approval"]["source"]["approver"] == "ceo@example.com"
    assert any(
        "is by Ann <ann@example.com>, who committed it, and names ceo" in warning for warning in entry["warnings"]
    )
    assert "names ceo@example.com as the approver" in ran.out + ran.err
    assert entry["reason"].startswith("Ann <ann@example.com> (unsigned) approved it in approvals/")


def test_a_written_approval_names_the_author_that_its_commit_will_have(waiting: Project) -> None:
    git(waiting, "config", "user.name", "Ann")
    git(waiting, "config", "user.email", "ann@example.com")
    path = written(waiting)
    assert yaml.safe_load(path.read_text("utf-8"))["approver"] == "Ann <ann@example.com>"
    git(waiting, "add", "approvals")
    git(waiting, "commit", "-q", "-m", "approve")
    assert waiting.run().code == 0
    assert waiting.entry("churn")["warnings"] == []


def test_writing_an_approval_changes_no_state_and_needs_no_lock_or_key(waiting: Project) -> None:
    journal = (waiting.state / "journal.sqlite3").read_bytes()
    log = len(waiting.service.log)
    waiting.environment.clear()
    path = written(waiting)
    assert (waiting.state / "journal.sqlite3").read_bytes() == journal
    assert len(waiting.service.log) == log
    assert waiting.retrain("validate", "models.yaml").code == 0
    assert yaml.safe_load(path.read_text("utf-8"))["job"] == waiting.entry("churn")["retrain_job_id"]


def test_an_approval_that_is_there_is_never_written_over(waiting: Project) -> None:
    path = written(waiting)
    change(path, approver="somebody else")
    before = path.read_bytes()
    finished = waiting.retrain("reject", "churn", "--write")
    assert (finished.code, path.name in finished.err) == (2, True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"job": "job-0099-x"}, "has no job"),
        ({"result_sha256": "0" * 64}, "no result with the SHA-256"),
        ({"expires": f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}, "it expired at"),
    ],
)
def test_an_approval_of_another_candidate_or_time_does_nothing_and_says_so(
    waiting: Project, changes: dict[str, str], why: str
) -> None:
    change(written(waiting), **changes)
    assert why in waiting.retrain("plan", "models.yaml").out
    assert waiting.run().code == 0
    entry = waiting.entry("churn")
    assert (entry["outcome"], entry["decision"]["approval"]) == ("awaiting_approval", None)
    assert why in entry["reason"]
    assert waiting.service.calls(name="switch") == []


def test_an_approval_of_a_candidate_that_a_newer_one_replaced_does_nothing_and_says_so(waiting: Project) -> None:
    path = written(waiting)
    text = path.read_text("utf-8")
    path.unlink()
    waiting.write_data("churn", rows(seed=1))
    waiting.run()
    path.write_text(text, encoding="utf-8")
    assert waiting.run().code == 0
    assert "is newer" in waiting.entry("churn")["reason"]
    assert waiting.service.calls(name="switch") == []


def test_an_approval_after_its_policy_changed_waits_for_a_new_one(waiting: Project) -> None:
    written(waiting)
    rules = {"type": "threshold", "rules": [{"metric": "auc", "min": 0.5}], "on_pass": "ask"}
    waiting.manifest["policies"]["churn"] = rules
    waiting.save()
    for _ in range(2):
        assert waiting.run().code == 0
        assert waiting.outcomes() == {"churn": "awaiting_approval"}
    assert "the policy or the manifest changed" in waiting.entry("churn")["reason"]
    assert waiting.service.calls(name="switch") == []


def test_an_approval_that_is_not_committed_counts_and_is_told(waiting: Project) -> None:
    written(waiting)
    assert waiting.run().code == 0
    entry = waiting.entry("churn")
    assert entry["outcome"] == "switched"
    assert entry["decision"]["approval"]["source"]["commit"] is None
    assert any("is in no commit" in warning for warning in entry["warnings"])


def test_an_approval_that_is_not_as_it_was_committed_counts_and_is_told(waiting: Project) -> None:
    path = written(waiting)
    git(waiting, "add", "approvals")
    git(waiting, "commit", "-q", "-m", "approve")
    change(path, reason="seen again")
    assert waiting.run().code == 0
    entry, commit = waiting.entry("churn"), git(waiting, "rev-parse", "HEAD")
    source = entry["decision"]["approval"]["source"]
    assert (entry["outcome"], source["commit"], source["committed"]) == ("switched", commit, False)
    assert any(f"is not as it was committed in {commit[:12]}" in warning for warning in entry["warnings"])


def test_a_repository_that_git_refuses_to_read_is_told_and_not_taken_for_an_uncommitted_word(waiting: Project) -> None:
    written(waiting)
    stub = waiting.folder / "bin" / "git"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho 'git config --global --add safe.directory /x' >&2\nexit 128\n", encoding="utf-8")
    stub.chmod(0o755)
    waiting.environment["PATH"] = f"{stub.parent}:{os.environ['PATH']}"
    assert waiting.run().code == 0
    entry = waiting.entry("churn")
    source = entry["decision"]["approval"]["source"]
    assert (source["committed"], source["commit"]) == (None, None)
    [told] = [warning for warning in entry["warnings"] if "refuses" in warning]
    assert "git config --global --add safe.directory" in told
    assert not any("is in no commit" in warning for warning in entry["warnings"])
    assert waiting.retrain("verify").code == 0


def test_a_written_rejection_is_recorded_once_and_keeps_the_candidate_out(waiting: Project) -> None:
    assert waiting.retrain("reject", "churn", "--write", "--reason", "too old").code == 0
    for _ in range(2):
        assert waiting.run().code == 0
        assert waiting.outcomes() == {"churn": "unchanged"}
        assert waiting.entry("churn")["decision"]["approval"]["action"] == "reject"
    assert waiting.service.calls(name="switch") == []


def test_a_bad_approval_stops_validate_plan_and_run_with_its_place(waiting: Project) -> None:
    path = written(waiting)
    path.write_text(path.read_text("utf-8").replace("approver", "aprover"), encoding="utf-8")
    for command in ("validate", "plan", "run"):
        finished = waiting.retrain(command, "models.yaml")
        assert finished.code == 3
        assert f"approvals/{path.name}:8:1: unknown-key" in finished.out + finished.err
    assert waiting.service.calls(name="switch") == []


def test_without_a_folder_in_the_manifest_write_asks_for_one(waiting: Project) -> None:
    del waiting.manifest["approvals"]
    waiting.save()
    finished = waiting.retrain("approve", "churn", "--write", "--reason", "seen")
    assert (finished.code, "--write DIR" in finished.err) == (2, True)
    assert written(waiting, "--write", "elsewhere").parent.name == "elsewhere"


def test_a_word_written_elsewhere_is_said_to_count_only_once_it_stands_in_the_approvals_folder(
    waiting: Project,
) -> None:
    options = ("approve", "churn", "--reason", "seen by the team", "--write")
    finished = waiting.retrain(*options, str(waiting.folder.parent / "away"))
    path, counts, step = finished.out.splitlines()
    assert counts.startswith("once it is in the approvals folder it counts until ")
    assert step.startswith("next: mkdir -p approvals && mv ")
    commands = step.removeprefix("next: ").partition(" && git add ")[0]
    subprocess.run(["bash", "-c", commands], cwd=waiting.folder, check=True)
    assert f"git add approvals/{Path(path).name} " in step
    assert waiting.run().code == 0
    assert waiting.outcomes() == {"churn": "switched"}


def test_without_a_folder_in_the_manifest_the_next_step_is_to_name_one(waiting: Project) -> None:
    del waiting.manifest["approvals"]
    waiting.save()
    step = waiting.retrain("approve", "churn", "--reason", "x", "--write", "elsewhere").out.splitlines()[2]
    assert "`approvals:`" in step
    assert "git add" not in step


def test_the_manifests_folder_given_by_name_counts_as_it_is(waiting: Project) -> None:
    finished = waiting.retrain("approve", "churn", "--reason", "x", "--write", str(waiting.folder / "approvals"))
    assert finished.out.splitlines()[1].startswith("it counts until ")
