"""The pipelines that `retrain init` writes: their vendors' schemas take them, and their steps do what they say."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.conftest import ROOT
from tests.acceptance.places.conftest import Shell

GITHUB = ".github/workflows/retrain.yml"
GITLAB = ".gitlab-ci.yml"


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-workflows", GITHUB),
        ("custom.github-workflows-require-timeout", GITHUB),
        ("vendor.gitlab-ci", GITLAB),
        ("vendor.github-actions", str(ROOT / "action.yml")),
    ],
)
def test_the_vendors_schema_takes_the_file(schema: str, file: str, project: Path) -> None:
    transform = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *transform, file],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def steps(project: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    workflow = yaml.safe_load((project / GITHUB).read_text(encoding="utf-8"))
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def test_the_github_workflow_pins_its_actions_and_interpolates_nothing_into_a_script(project: Path) -> None:
    for _job, step in steps(project):
        assert "${{" not in step.get("run", "")
        assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
    workflow = yaml.safe_load((project / GITHUB).read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.plays("I3")
def test_what_pipelines_take_from_others_is_named_by_a_commit_or_a_digest_in_the_docs_too(project: Path) -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *(path for path in project.rglob("*") if path.suffix in {".yml", ".yaml"})]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    actions = [found for text in texts for found in re.findall(r"^ *- uses: (\S+)", text, re.MULTILINE)]
    assert len(actions) > 10
    assert [action for action in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []
    images = [found for text in texts for found in re.findall(r"^ *image: (python:\S+)", text, re.MULTILINE)]
    assert images
    assert [image for image in images if not re.search(r"@sha256:[0-9a-f]{64}$", image)] == []
    hooks = [found for text in texts for found in re.findall(r"^ *rev: (\S+)", text, re.MULTILINE)]
    assert [hook for hook in hooks if not re.fullmatch("[0-9a-f]{40}", hook)] == []


def test_only_the_job_that_trains_sees_a_key_and_no_pull_request_reaches_it(project: Path) -> None:
    workflow = yaml.safe_load((project / GITHUB).read_text(encoding="utf-8"))
    with_key = [name for name, step in steps(project) if "secrets." in str(step)]
    assert with_key == ["run"]
    assert workflow["jobs"]["run"]["if"] == "github.event_name != 'pull_request'"
    assert "head.repo.full_name == github.repository" in workflow["jobs"]["plan"]["if"]


def script(project: Path, job: str, name: str) -> str:
    return next(str(step["run"]) for one, step in steps(project) if one == job and step.get("name") == name)


def test_the_steps_of_the_github_workflow_plan_run_and_report(project: Path, shell: Shell, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_EVENT_NAME": "pull_request",
        "RETRAIN_STATE": str(tmp_path / "state"),
    }
    before = [("plan", "plan"), ("plan", "replay"), ("run", "run"), ("run", "report"), ("plan", "plan")]
    for job, name in before:
        done = shell(script(project, job, name), **environment)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    assert not (project / "replay.md").exists(), "before the first run nothing was decided"
    assert shell(script(project, "plan", "replay"), **environment).returncode == 0
    assert "awaiting approval" in summary.read_text(encoding="utf-8")
    comment = (project / "summary.md").read_text(encoding="utf-8")
    assert comment.endswith((project / "replay.md").read_text(encoding="utf-8"))
    assert (project / "junit.xml").is_file()
    assert (project / "report.html").is_file()


def spoil(what: str, project: Path, state: Path) -> None:
    if what == "stale":
        with (project / "data" / "churn" / "train.csv").open("a", encoding="utf-8") as file:
            file.write("C99999,1,1,plus,1.00,yes\n")
    elif what == "invalid":
        (project / "models.yaml").write_text("models: []\n", encoding="utf-8")
    else:
        (state / "journal.sqlite3").write_bytes(b"damaged")


REPORT_FILES = ("report.html", "junit.xml")


def test_a_run_that_was_refused_shows_no_older_report(project: Path, shell: Shell, tmp_path: Path) -> None:
    summary, state = tmp_path / "summary.md", tmp_path / "state"
    environment = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_EVENT_NAME": "schedule", "RETRAIN_STATE": str(state)}
    pipelines = [
        (script(project, "run", "run"), script(project, "run", "report")),
        (gitlab_script(project, "run"), "true"),  # its script makes the report too
    ]
    for run, report in pipelines:
        assert shell(script(project, "plan", "plan"), **environment).returncode == 0
        assert shell(run, **environment).returncode == 0
        assert shell(report, **environment).returncode == 0
        assert all((project / name).is_file() for name in REPORT_FILES)
    assert shell(script(project, "plan", "plan"), **environment).returncode == 0
    refused = [("stale", 7), ("invalid", 7), ("damaged", 7)]
    for (what, code), (run, report) in product(refused, pipelines):
        spoil(what, project, state)
        for name in REPORT_FILES:
            (project / name).write_text("of an older run", encoding="utf-8")
        summary.write_text("", encoding="utf-8")
        assert shell(run, **environment).returncode == code
        assert shell(report, **environment).returncode == 0
        assert summary.read_text(encoding="utf-8") == ""
        assert not any((project / name).exists() for name in REPORT_FILES)


def test_a_pull_request_gets_its_table_also_when_a_model_would_fail(project: Path) -> None:
    jobs = yaml.safe_load((project / GITHUB).read_text(encoding="utf-8"))["jobs"]
    assert jobs["plan"]["steps"][-1]["if"] == "always()"
    assert jobs["comment"]["if"].startswith("${{ !cancelled() && github.event_name == 'pull_request'")
    assert jobs["comment"]["steps"][0]["continue-on-error"] is True


def test_a_plan_that_wrote_nothing_is_not_a_comment(project: Path, shell: Shell, programs: Path) -> None:
    (programs / "gh").write_text('#!/bin/sh\necho "$@" >> asked\n', encoding="utf-8")
    (programs / "gh").chmod(0o755)
    comment = script(project, "comment", "comment")
    assert shell(comment, NUMBER="7").returncode == 0
    assert not (project / "asked").exists()
    (project / "summary.md").write_text("a table\n", encoding="utf-8")
    assert shell(comment, NUMBER="7").returncode == 0
    assert (project / "asked").read_text(encoding="utf-8") == "pr comment 7 --edit-last --body-file summary.md\n"


@pytest.mark.parametrize(("event", "code"), [("pull_request", 1), ("schedule", 0)])
def test_a_model_that_would_fail_stops_a_pull_request_and_not_a_nightly_run(
    event: str, code: int, project: Path, shell: Shell, tmp_path: Path
) -> None:
    (project / "data" / "churn" / "train.csv").unlink()
    environment = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "GITHUB_EVENT_NAME": event}
    assert shell(script(project, "plan", "plan"), **environment).returncode == code
    assert (project / "plan.json").is_file()
    assert "churn" in (project / "summary.md").read_text(encoding="utf-8")


def gitlab_script(project: Path, job: str) -> str:
    jobs = yaml.safe_load((project / GITLAB).read_text(encoding="utf-8"))
    return "\n".join(jobs[jobs[job]["extends"] if "script" not in jobs[job] else job]["script"])


def test_the_gitlab_check_keeps_a_code_quality_report_of_a_broken_manifest(project: Path, shell: Shell) -> None:
    assert shell(gitlab_script(project, "validate")).returncode == 0
    manifest = project / "models.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("auc", "acu"), encoding="utf-8")
    broken = shell(gitlab_script(project, "validate"))
    assert broken.returncode == 3
    assert "models.yaml:" in broken.stdout
    assert yaml.safe_load((project / "codequality.json").read_text(encoding="utf-8"))


def test_the_gitlab_plan_keeps_a_plan_that_its_run_takes(project: Path, shell: Shell) -> None:
    planned = shell(gitlab_script(project, "plan"), CI_PIPELINE_SOURCE="merge_request_event", RETRAIN_STATE=".retrain")
    assert planned.returncode == 0, planned.stderr
    jobs = yaml.safe_load((project / GITLAB).read_text(encoding="utf-8"))
    assert jobs[".plan"]["artifacts"]["paths"] == ["plan.json"]
    command = "retrain run --plan plan.json --allow-held --run-id-file run-id"
    assert command in gitlab_script(project, "run")
    assert command in script(project, "run", "run").splitlines()
    assert (project / "plan.json").is_file()
