"""`retrain plan` says beforehand what `retrain run` then does, and does nothing itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.contract.contract_project import Project, rows, threshold
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import result

AUC = {"metric": "auc", "min": 0.80}


def _plan(project: Project, *arguments: str) -> dict[str, dict[str, Any]]:
    finished = project.retrain("plan", "models.yaml", "--format", "json", *arguments)
    planned = {model["name"]: model for model in json.loads(finished.out)["models"]}
    fails = any(plan["outcome"] == "failed" for plan in planned.values())
    assert finished.code == (1 if fails else 0), finished.err
    return planned


def _tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


Told = dict[str, list[Any]]


def _planned_and_done(project: Project) -> tuple[Told, Told]:
    """Plan, which must ask nothing and write nothing, and run.

    Return what the plan said of each model, and the same of the run's report: action, stages, reason and, where the
    plan knew it, the outcome.
    """
    calls, before = len(project.service.log), _tree(project.folder)
    planned = _plan(project)
    assert len(project.service.log) == calls
    assert _tree(project.folder) == before
    project.run()
    said, done = Told(), Told()
    for name, plan in planned.items():
        entry = project.entry(name)
        said[name], done[name] = ([one["action"], one["stages"], one["reason"]] for one in (plan, entry["plan"]))
        if plan["outcome"] is not None:
            said[name].append(plan["outcome"])
            done[name].append(entry["outcome"])
    return said, done


def test_a_plan_of_a_fresh_project_makes_no_request_and_no_file(project: Project) -> None:
    project.add("churn")
    before = _tree(project.folder)
    finished = project.retrain("plan", "models.yaml")
    assert finished.code == 0
    assert "churn" in finished.out
    assert project.service.log == []
    assert not project.state.exists()
    assert _tree(project.folder) == before


def test_a_run_does_what_its_plan_said_in_every_state_of_a_model(project: Project) -> None:
    names = ("changed", "same", "held", "judged", "waiting", "failed", "absent", "due", "lost", "soon")
    for name in names:
        project.add(name, policy=threshold(AUC))
    models = project.service.models
    models["held"].results = models["judged"].results = [result(AUC="0.5")]
    models["failed"].ends = ["job_failed"]
    models["due"].next_answer("switch", Answer(lost="arrived"))
    models["lost"].training = True
    project.manifest["models"]["lost"]["wait"]["timeout"] = "1s"
    project.manifest["models"]["soon"]["retrain"] = {"min_interval": "1h"}
    project.manifest["policies"]["waiting"] = {"type": "manual"}
    project.save()
    said, done = _planned_and_done(project)
    assert done == said
    assert set(said) == set(names)
    for name in ("changed", "soon"):
        project.write_data(name, rows(seed=1))
    project.data_file("absent").unlink()
    project.manifest["policies"]["judged"] = threshold({"metric": "auc", "min": 0.4})
    project.save()
    said, done = _planned_and_done(project)
    assert done == said


def test_a_plan_with_pending_changes_exits_with_2_when_asked_to(project: Project) -> None:
    project.add("churn")
    assert project.retrain("plan", "models.yaml", "--detailed-exitcode").code == 2
    project.run()
    assert project.retrain("plan", "models.yaml", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_form_of_a_plan_names_model_action_and_reason(project: Project, form: str) -> None:
    project.add("churn")
    out = project.retrain("plan", "models.yaml", "--format", form).out
    assert "churn" in out
    assert "retrain" in out
    assert "not been trained" in out
