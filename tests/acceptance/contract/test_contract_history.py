"""A model's history over some runs, read months later: what served, why, and what another threshold would have done."""

import csv
import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from runner.app.queries.history import HistoryRequest, history, incumbents
from runner.cli.commands.history import command
from runner.errors import UsageError
from runner.lib.timestamps import stamp
from tests.acceptance.contract.contract_project import AUTO, Finished, Project, rows, threshold
from tests.fakes.result_files import result
from tests.fakes.two_port_service import TwoPortService

LIMIT = {"metric": "auc", "min": 0.80}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project after three runs: churn was switched, switched and held; demand was switched once."""
    service = TwoPortService()
    try:
        project = Project(folder=tmp_path_factory.mktemp("told") / "project", service=service)
        results = [result(AUC=auc, Recall="0.61") for auc in ("0.900", "0.85", "0.75")]
        project.add("churn", policy=threshold(LIMIT), results=results, tags=["daily"])
        project.add("demand", policy=AUTO)
        for seed in range(3):
            project.write_data("churn", rows(seed=seed))
            project.run()
        yield project
    finally:
        service.close()


@pytest.fixture
def project(told: Project, tmp_path: Path) -> Project:
    """Return a copy of that project, for a test to change."""
    folder = tmp_path / "project"
    copy = Project(folder=folder, service=told.service, environment=told.environment)
    shutil.copytree(told.folder, folder, dirs_exist_ok=True, symlinks=True)
    copy.manifest = json.loads(json.dumps(told.manifest))
    return copy


def answer(project: Project, *words: str, code: int = 0) -> Any:
    """Return what a command answers as JSON."""
    done = project.retrain(*words, "--format", "json")
    assert done.code == code, done.err
    return json.loads(done.out, parse_float=Decimal)


def test_every_run_of_a_model_is_told_with_its_metrics_and_decision(told: Project) -> None:
    entries = answer(told, "history", "churn")["runs"]
    assert [entry["outcome"] for entry in entries] == ["switched", "switched", "held"]
    assert [str(entry["metrics"]["auc"]) for entry in entries] == ["0.900", "0.85", "0.75"]
    assert [entry["decision"]["action"] for entry in entries] == ["switch", "switch", "hold"]
    assert [entry["switched_at"] is not None for entry in entries] == [True, True, False]
    steady = answer(told, "history", "demand")["runs"]
    assert [one["outcome"] for one in steady] == ["switched", "unchanged", "unchanged"]
    assert [one["decision"] is not None for one in steady] == [True, False, False]


def test_filters_leave_only_what_they_name(told: Project) -> None:
    def kept(**filters: Any) -> list[tuple[str, str | None]]:
        request = HistoryRequest(state=str(told.state), manifest=[told.folder / "models.yaml"], **filters)
        return [(one.model, one.outcome) for one in history(request)]

    assert kept(outcomes=["held", "unchanged"], select=["tag:daily"]) == [("churn", "held")]
    assert kept(limit=1) == [("churn", "held"), ("demand", "unchanged")]
    assert kept(service="emulator") == []
    second = history(HistoryRequest(state=str(told.state), select=["churn"]))[1].run.started_at
    assert kept(select=["churn"], since=second) == [("churn", "switched"), ("churn", "held")]
    assert kept(select=["churn"], until=second) == [("churn", "switched")]


def test_csv_has_one_line_for_each_model_and_run_with_numbers_as_numbers(told: Project) -> None:
    done = told.retrain("history", "--format", "csv")
    table = list(csv.DictReader(done.out.splitlines()))
    churn = [line for line in table if line["model"] == "churn"]
    assert len(table) == 6
    assert [line["metric.auc"] for line in churn] == ["0.900", "0.85", "0.75"]
    assert [line["decision.action"] for line in churn] == ["switch", "switch", "hold"]


def test_the_incumbent_at_any_moment_is_the_job_of_the_last_switch_before_it(told: Project) -> None:
    first, second, third = history(HistoryRequest(state=str(told.state), select=["churn"]))

    def served(at: datetime) -> list[str]:
        found = incumbents(HistoryRequest(state=str(told.state), select=["churn"]), at)
        return [one.job.retrain_job_id for one in found]

    assert served(first.run.started_at) == []
    assert second.switched_at is not None
    assert served(second.run.started_at) == served(second.switched_at) == [first.retrain_job_id]
    assert served(third.run.started_at) == [second.retrain_job_id]
    [now] = answer(told, "history", "churn", "--incumbent-at", "0s")["incumbents"]
    assert now["retrain_job_id"] == second.retrain_job_id
    assert (now["since"], now["run_id"]) == (stamp(second.switched_at), second.run.run_id)
    assert now["decision"]["action"] == "switch"


def test_a_decision_in_full_is_computed_again_from_its_result(told: Project) -> None:
    entry = answer(told, "history", "churn")["runs"][1]
    done = told.retrain("history", "churn", "--run", entry["run_id"])
    assert done.code == 0
    assert "auc 0.85 >= 0.8" in done.out
    assert "computed again  the same bytes" in done.out
    by_job = answer(told, "history", "churn", "--job", entry["retrain_job_id"])["decisions"]
    assert [one["computed_again"]["state"] for one in by_job] == ["same"]
    assert by_job[0]["switched_at"] == [entry["switched_at"]]
    [latest] = answer(told, "history", "churn", "--run", "latest")["decisions"]
    assert latest["decision"]["action"] == "hold"


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_decision_whose_result_is_changed_or_gone_is_not_confirmed(project: Project, harm: str) -> None:
    entry = answer(project, "history", "churn")["runs"][0]
    spoil(project, entry["run_id"], harm)
    done = project.retrain("history", "churn", "--run", entry["run_id"])
    assert done.code == 7
    assert "computed again  not possible" in done.out


def spoil(project: Project, run_id: str, harm: str) -> None:
    [path] = (project.state / "runs" / run_id / "results" / "churn").iterdir()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(result(AUC="0.99", Recall="0.61"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chrun"], "Did you mean `churn`?"),
        (["--select", "tag:dayly"], "Did you mean `tag:daily`?"),
        (["churn", "--run", "20010101T000000Z-000000"], "`retrain history --select churn --state "),
        (["--run", "latest"], "about one model"),
        (["churn", "--job", "x", "--limit", "3"], "without a filter"),
        (["--since", "yesterday"], "2026-03-01T04:05:06Z"),
        (["--incumbent-at", "2026-03-01T04:05:06"], "with its zone"),
    ],
)
def test_wrong_use_is_told_with_what_to_do(told: Project, words: list[str], said: str) -> None:
    manifest = str(told.folder / "models.yaml")
    with pytest.raises((UsageError, click.UsageError)) as caught:
        command.main([*words, "--state", str(told.state), "--manifest", manifest], standalone_mode=False)
    assert said in str(caught.value)


def test_without_a_journal_history_and_replay_say_so(told: Project, tmp_path: Path) -> None:
    for words in (["history"], ["replay", "models.yaml"]):
        done = told.retrain(*words, "--state", str(tmp_path / "typo"))
        assert (done.code, "There is no journal in" in done.err) == (2, True)


def replayed(project: Project, *words: str) -> Finished:
    return project.retrain("replay", "models.yaml", "--detailed-exitcode", *words)


def test_a_policy_that_did_not_change_flips_nothing(told: Project) -> None:
    done = replayed(told)
    assert (done.code, done.err) == (0, "")
    assert done.out == "4 recorded decisions by today's policies: 0 would flip, 4 would not.\n"


def test_a_tightened_threshold_flips_the_decisions_between_the_limits(project: Project) -> None:
    before = answer(project, "history", "churn")["runs"]
    project.manifest["policies"]["churn"] = threshold({"metric": "auc", "min": 0.88})
    project.save()
    done = replayed(project, "--format", "json")
    assert done.code == 2
    found = json.loads(done.out)
    assert found["summary"] == {"decisions": 4, "flips": 1, "same": 3, "not_judged": 0}
    [flip] = [decision for decision in found["decisions"] if decision["flips"]]
    assert flip["retrain_job_id"] == before[1]["retrain_job_id"]
    assert (flip["then"]["action"], flip["now"]["action"]) == ("switch", "hold")
    assert flip["then"]["rule"]["formula"] == "auc 0.85 >= 0.8"
    assert flip["now"]["rule"] == {
        "metric": "auc",
        "formula": "auc 0.85 >= 0.88",
        "verdict": "failed",
        "margin": "-0.03",
    }
    markdown = replayed(project, "--format", "markdown").out
    assert "| switch | hold | auc 0.85 >= 0.88 failed (then: auc 0.85 >= 0.8 passed) |" in markdown
    assert answer(project, "history", "churn")["runs"] == before


def test_a_loosened_threshold_shows_the_rule_that_held_before(project: Project) -> None:
    project.manifest["policies"]["churn"] = threshold({"metric": "auc", "min": 0.7})
    project.save()
    done = replayed(project)
    assert done.code == 2
    assert "auc 0.75 >= 0.7 passed (then: auc 0.75 >= 0.8 failed)" in done.out


def test_another_policy_of_the_manifest_can_be_tried_on_all_models(project: Project) -> None:
    done = replayed(project, "--policy", "demand", "--select", "churn")
    assert done.code == 2
    assert "3 recorded decisions by policy demand: 1 would flip (1 hold to switch), 2 would not." in done.out
    wrong = replayed(project, "--policy", "demnd")
    assert (wrong.code, "Did you mean `demand`?" in wrong.err) == (2, True)


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_result_that_is_changed_or_gone_is_listed_as_not_judged(project: Project, harm: str) -> None:
    entry = answer(project, "history", "churn")["runs"][0]
    spoil(project, entry["run_id"], harm)
    done = replayed(project)
    assert done.code == 0
    assert "cannot be judged" in done.out
    assert "1 cannot be judged" in done.out.splitlines()[-1]
    [problem] = [decision for decision in answer(project, "replay", "models.yaml")["decisions"] if decision["problem"]]
    assert (problem["retrain_job_id"], problem["flips"], problem["now"]) == (entry["retrain_job_id"], None, None)


def test_models_without_a_policy_or_a_decision_are_named_as_left_out(project: Project) -> None:
    project.add("fresh")
    del project.manifest["models"]["demand"]
    project.save()
    found = answer(project, "replay", "models.yaml")
    assert {one["model"] for one in found["left_out"]} == {"fresh", "demand"}
    assert found["summary"]["decisions"] == 3
    done = replayed(project, "--emulator")
    assert "left out: churn: no decision is recorded with emulator" in done.out
