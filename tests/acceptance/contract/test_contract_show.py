"""`show`, `status` and `report` as a person sees them on a terminal, and fleets in a pipe."""

import json

from runner.reports.table import cut_middle
from tests.acceptance.contract.contract_project import Project, threshold, wait_until
from tests.fakes.terminal import in_terminal

LONG = "a_name_that_is_far_too_long_for_a_table"


def shown(project: Project, *words: str, columns: int = 80) -> list[str]:
    """Return what a terminal shows of a command with the project's state."""
    terminal = in_terminal(
        [*words, "--state", str(project.state)],
        columns=columns,
        cwd=project.folder,
        environment={**project.environment, "BROWSER": "/bin/true"},
    )
    terminal.finish()
    return [line for line in terminal.screen.shown() if line]


def three_models(project: Project) -> None:
    project.add("churn")
    project.add("demand", policy=threshold({"metric": "auc", "min": 0.95}))
    project.add(LONG, policy={"type": "manual"})
    assert project.run().code == 4


def test_the_status_of_three_models_takes_three_lines(project: Project) -> None:
    three_models(project)
    for columns in (80, 120, 200):
        lines = shown(project, "status", columns=columns)
        assert [line.split()[0] for line in lines[:4]] == [
            "model",
            "churn",
            "demand",
            cut_middle("a_name_that_is_far_too_long_for_a_table", 24 * columns // 80),
        ]
        assert lines[4].startswith("model "), "the candidates"
        assert all(job[:8] in "".join(lines) for job in project.service.switches("churn"))
        assert max(map(len, lines)) <= columns


def test_a_model_is_shown_with_its_metrics_and_the_next_command(project: Project) -> None:
    three_models(project)
    text = "\n".join(shown(project, "show", "demand"))
    assert "is held" in text
    assert "metric  candidate  incumbent  difference" in text
    assert "runs: retrain history demand" in text
    job = project.entry("demand")["retrain_job_id"]
    assert job not in text
    assert job in project.retrain("show", "demand", "--wide").out


def test_a_run_is_shown_as_it_ended_by_the_beginning_of_its_id(project: Project) -> None:
    three_models(project)
    for words in ("latest", project.newest.name[:-3]):
        done = project.retrain("show", words)
        assert "1 switched, 1 held, 1 awaiting approval" in done.out
        assert project.newest.name in done.out
    assert project.retrain("verify", project.newest.name[:-3]).code == 0
    assert "Did you mean `churn`?" in project.retrain("show", "chrun").err


def test_what_is_settled_is_not_asked_for_again(project: Project) -> None:
    three_models(project)
    asked = ["next: retrain reject demand", "next: retrain approve a_name_that_is_far_too_long_for_a_table"]
    assert all(line in project.retrain("show", "latest").out for line in asked)
    run_id = project.newest.name
    name = asked[1].split()[-1]
    assert project.retrain("approve", name, "--reason", "good", "--yes").code == 0
    assert project.retrain("reject", "demand", "--reason", "poor").code == 0
    for model in (name, "demand"):
        shown_model = project.retrain("show", model).out
        assert "nothing is in progress or waiting" in shown_model
        assert "next:" not in shown_model
        assert f"since then: {model} " in (run := project.retrain("show", run_id).out), run
    run = project.retrain("show", run_id).out
    assert "next:" not in run
    assert "`retrain approve" not in run
    assert json.loads(project.retrain("show", run_id, "--format", "json").out)["models"][2]["next"]["commands"]


def test_a_report_names_its_page_on_a_terminal_and_is_content_in_a_pipe(project: Project) -> None:
    three_models(project)
    page = str(project.newest / "report.html")
    assert "".join(shown(project, "report")) == page
    assert "".join(shown(project, "report", "--open")) == page
    assert project.retrain("report").out.startswith("<!doctype html>")
    (project.newest / "report.html").unlink()
    assert "--out report.html" in "".join(shown(project, "report"))


def test_a_run_at_work_is_running_and_one_that_was_killed_was_cut_off(project: Project) -> None:
    model = project.add("churn")
    model.training = True
    process = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.accepted("churn")), what="the upload")
    assert project.retrain("status").out.rstrip().endswith(", running")
    process.kill()
    process.communicate()
    cut_off = project.retrain("status").out
    assert "cut off; `retrain run models.yaml --state " in cut_off
    assert cut_off.rstrip().endswith("` ends it and continues")


def test_a_fleet_in_a_pipe_is_grouped_by_outcome(project: Project) -> None:
    for number in range(11):
        project.add(f"model_{number:02}")
    project.add("m" * 60, policy=threshold({"metric": "auc", "min": 0.95}))
    lines = project.run().out.splitlines()
    assert lines[:3] == ["1 held", lines[1], "11 switched"]
    assert lines[1].startswith(f"  {'m' * 60}: auc is ")


def test_the_status_says_what_to_do_as_the_run_did(project: Project) -> None:
    three_models(project)
    for file in project.folder.rglob("*churn*.csv"):
        file.write_text("", "utf-8")
    next_lines = [line for line in project.run().out.splitlines() if line[:6] in ("next: ", "  or: ")]
    told = [line for line in project.retrain("status").out.splitlines() if line[:6] in ("next: ", "  or: ")]
    assert told == next_lines
    assert len(told) >= 2


def test_a_plan_and_a_run_id_are_short(project: Project) -> None:
    three_models(project)
    [job] = project.service.switches("churn")
    assert f"job {job[:8]}," in project.retrain("plan", "models.yaml").out
    assert job in project.retrain("plan", "models.yaml", "--wide").out
    run_id = (project.state / "runs" / "latest").resolve().name
    explained = project.retrain("history", "churn", "--run", run_id[:-3])
    assert (explained.code, job in explained.out) == (0, True)
