"""`retrain run --plan` does exactly what the plan's file says, or nothing; the service's log is the judge."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.lib.schemas import load_schema
from tests.acceptance.contract.contract_project import Finished, Project, rows, wait_until
from tests.fakes.result_files import result

MOVED = "since then: "


def plan(project: Project, *arguments: str) -> dict[str, Any]:
    """Write plan.json, and return it."""
    finished = project.retrain("plan", "models.yaml", "--out", "plan.json", *arguments)
    assert finished.code in (0, 1, 2), finished.err
    made: dict[str, Any] = json.loads((project.folder / "plan.json").read_bytes())
    return made


def run_plan(project: Project, *arguments: str) -> Finished:
    return project.retrain("run", "--plan", "plan.json", *arguments)


def moves(finished: Finished) -> list[str]:
    """Return what a refusal says moved, after making sure that it is one."""
    assert finished.code == 7, finished.err
    assert "hint: Make a new plan" in finished.err
    return [line.removeprefix(MOVED) for line in finished.err.splitlines() if line.startswith(MOVED)]


def uploads(project: Project) -> int:
    return len(project.service.calls(name="put"))


def test_a_run_does_exactly_its_plan_and_its_report_names_it(project: Project) -> None:
    project.add("churn")
    project.add("wine")
    made = plan(project, "--select", "churn")
    assert uploads(project) == 0
    finished = run_plan(project)
    assert finished.code == 0, finished.err
    assert project.outcomes() == {"churn": "switched"}
    assert [len(project.service.accepted(name)) for name in ("churn", "wine")] == [1, 0]
    report = project.report()
    assert report["plan_sha256"] == made["sha256"]
    folder = project.state / "runs" / "latest"
    assert all(made["sha256"] in (folder / name).read_text("utf-8") for name in ("report.md", "report.html"))
    assert project.entry("churn")["plan"]["reason"] == made["models"][0]["reason"]
    project.run()
    assert project.report()["plan_sha256"] is None
    assert project.retrain("verify").code == 0


def test_data_changed_after_the_plan_is_refused_by_its_file_and_nothing_is_sent(project: Project) -> None:
    project.add("churn", evaluation=rows(seed=5))
    project.add("wine")
    plan(project)
    project.write_data("churn_eval", rows(seed=6))
    said = moves(run_plan(project))
    assert len(said) == 1
    assert "the data of churn changed: data/churn_eval.csv" in said[0]
    assert project.service.log == []
    assert not (project.state / "runs").exists()
    project.write_data("churn_eval", rows(seed=5))
    assert run_plan(project).code == 0
    assert uploads(project) == 2


def test_everything_that_moved_is_named_at_once(project: Project) -> None:
    project.add("churn")
    project.add("wine")
    plan(project)
    project.run("--select", "wine")
    sent = uploads(project)
    project.manifest["policies"]["churn"] = {"type": "manual"}
    project.save()
    project.write_data("churn", rows(seed=1))
    said = moves(run_plan(project))
    run_id = project.report()["run_id"]
    assert len(said) == 4
    for part in ("models.yaml changed", "policy of churn", "data of churn", f"run {run_id} (retrain run)"):
        assert any(part in one for one in said), part
    assert uploads(project) == sent


def test_the_same_plan_cannot_be_run_twice(project: Project) -> None:
    project.add("churn")
    plan(project, "--force")
    assert run_plan(project).code == 0
    before = len(project.service.log)
    [said] = moves(run_plan(project))
    assert "the state changed by" in said
    assert project.report()["run_id"] in said
    assert len(project.service.log) == before
    assert project.report()["plan_sha256"] is not None


def test_a_plan_made_with_absolute_paths_runs_in_another_checkout_of_the_same_content(project: Project) -> None:
    project.add("churn")
    here = project.folder
    _commit(here)
    finished = project.retrain("plan", str(here / "models.yaml"), "--out", "plan.json")
    assert finished.code == 0, finished.err
    there = here.parent / "merged"
    shutil.copytree(here, there, ignore=shutil.ignore_patterns("state", "plan.json", ".git"))
    (there / "merge-note").write_text("another commit with the same manifest\n")
    _commit(there)
    project.folder = there
    finished = project.retrain("run", "--plan", str(here / "plan.json"))
    assert finished.code == 0, finished.err
    assert len(project.service.accepted("churn")) == 1
    files = project.report()["manifest"]
    assert [file["path"] for file in files["files"]] == ["models.yaml"]
    assert files["git"]["commit"] == _git(there, "rev-parse", "HEAD")
    assert files["git"]["commit"] != _git(here, "rev-parse", "HEAD")


def _commit(folder: Path) -> None:
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    _git(folder, "-c", "user.name=t", "-c", "user.email=t@t.test", "commit", "-qm", "all")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_run_lost_before_the_plan_does_not_make_the_plan_stale(project: Project) -> None:
    project.add("churn").training = True
    process = project.start("run", "models.yaml")
    _wait_for_upload(project)
    process.kill()
    process.communicate()
    project.service.models["churn"].training = False
    assert plan(project)["models"][0]["action"] == "resume"
    assert run_plan(project).code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.accepted("churn")) == 1


def _wait_for_upload(project: Project) -> None:
    wait_until(lambda: len(project.service.calls(name="status")) > 1, what="the upload and a status call")


def test_every_form_of_a_plan_says_the_same_and_the_json_is_the_file(project: Project) -> None:
    project.add("churn")
    project.add(
        "held", results=[result(AUC="0.5")], policy={"type": "threshold", "rules": [{"metric": "auc", "min": 0.8}]}
    )
    project.add("waiting", policy={"type": "manual"})
    project.run()
    project.add("absent")
    project.data_file("absent").unlink()
    project.write_data("churn", rows(seed=1))
    validator = Draft202012Validator(load_schema("plan"), registry=Registry())
    finished = project.retrain("plan", "models.yaml", "--format", "json", "--out", "plan.json", "-q")
    shown = json.loads(finished.out)
    assert [error.message for error in validator.iter_errors(shown)] == []
    assert shown == json.loads((project.folder / "plan.json").read_bytes())
    assert {model["name"]: model["outcome"] or model["action"] for model in shown["models"]} == {
        "churn": "retrain",
        "held": "held",
        "waiting": "awaiting_approval",
        "absent": "failed",
    }
    assert finished.err == ""
    page = project.retrain("plan", "models.yaml", "--format", "markdown").out
    assert page.startswith("## Retraining plan: 1 would fail, 1 to retrain, 1 awaiting approval and 1 held\n")
    before, folded = page.split("<details>")
    assert "`churn`" in before
    assert "`held`" in folded


def test_the_id_of_a_run_is_written_once_it_has_begun_and_a_refused_one_leaves_none(project: Project) -> None:
    """A pipeline makes the report of this run, and never shows an older one in its place."""
    project.add("churn")
    file = project.folder / "run-id"
    plan(project)
    assert run_plan(project, "--run-id-file", "run-id").code == 0
    assert file.read_text(encoding="utf-8") == f"{project.newest.name}\n"
    assert project.retrain("report", file.read_text(encoding="utf-8").strip(), "--format", "junit").code == 0
    assert run_plan(project, "--run-id-file", "run-id").code == 7
    assert not file.exists()
    refused = project.run("--run-id-file", "absent/run-id", "--force")
    assert refused.code == 2
    assert "The folder of absent/run-id does not exist." in refused.err
    manifest = (project.folder / "models.yaml").read_bytes()
    refused = project.run("--run-id-file", "models.yaml", "--force")
    assert (refused.code, (project.folder / "models.yaml").read_bytes()) == (2, manifest)
    assert "is not the id of an earlier run" in refused.err
    assert uploads(project) == 1


@pytest.mark.parametrize("name", ["kept.jsonl", "absent/new.jsonl"])
def test_a_recording_that_cannot_be_made_is_refused_before_any_work(project: Project, name: str) -> None:
    project.add("churn")
    kept = project.folder / "kept.jsonl"
    kept.write_bytes(b"an earlier recording")
    refused = project.run("--record", name)
    assert refused.code == 2
    assert f"The recording {name} cannot be written" in refused.err
    assert not project.state.exists()
    assert project.service.calls() == []
    assert kept.read_bytes() == b"an earlier recording"
